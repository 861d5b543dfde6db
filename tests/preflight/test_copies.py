"""The folder to which backups are copied: what is wrong with it, by the configuration alone."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from session_controller.backup.elsewhere import copy_backup
from session_controller.backup.manifest import existing
from session_controller.preflight import copies
from session_controller.preflight.checks import subject_of
from session_controller.preflight.copies import copy_findings
from session_controller.preflight.finding import Finding, Level
from tests.preflight.planting import FREE, by_shell


def _found(data: Path, to: Path) -> Finding:
    subject = subject_of(data, datetime.now(UTC), replace(FREE, copies_to=to))
    [found] = copy_findings(subject)
    return found


def test_a_folder_is_prepared_as_it_is_said(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not exist, is empty, is prepared; then only the disk counts."""
    to = data.parent / "mnt" / "copies"
    found = _found(data, to)
    assert (found.level, "does not exist" in found.text) == (Level.WARNING, True)
    to.mkdir(parents=True)
    found = _found(data, to)
    assert (found.level, "has no copy of a backup" in found.text) == (Level.WARNING, True)
    assert f"handrail backup --to {to} --data {data}" in (found.mend or "")
    copy_backup(data, existing(data)[0].name, to)
    found = _found(data, to)
    assert (found.level, "same disk" in found.text) == (Level.WARNING, True)
    monkeypatch.setattr(copies, "_same_disk", lambda *_: False)
    assert _found(data, to).level is Level.NOTE


def test_a_folder_that_cannot_be_written(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command gives its owner the right, or the folder to the box's user."""
    to = data.parent / "copies"
    copy_backup(data, existing(data)[0].name, to)
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, how: path != to and real(path, how))
    to.chmod(0o500)
    found = _found(data, to)
    assert (found.level, "cannot write" in found.text) == (Level.WARNING, True)
    by_shell(data, found)
    assert to.stat().st_mode & 0o700 == 0o700
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert _found(data, to).mend == f"sudo chown -R --reference={data} {to}"


def test_what_the_configuration_says_counts_before_the_first_copy(data: Path) -> None:
    """The box has not begun yet, or has copied elsewhere before."""
    (data / "handrail.toml").write_text(f"[backup]\nto = '{data / 'backups' / 'copies'}'\n")
    [found] = copy_findings(subject_of(data, datetime.now(UTC)))
    assert (found.level, "is in the data folder" in found.text) == (Level.WARNING, True)
