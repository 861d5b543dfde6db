"""Upgrades: a backup before each migration, a check before that, and the way back."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from session_controller.backup import upgrading
from session_controller.backup.backups import Backups
from session_controller.backup.keeping import Keep, tidy
from session_controller.backup.manifest import (
    Manifest,
    existing,
    path_of,
    read_header,
    read_manifest,
)
from session_controller.errors import StoreOutdatedError
from session_controller.preflight.finding import Level
from session_controller.preflight.upgrade import upgrade_findings
from session_controller.storage.database import DATABASE, schema_of
from session_controller.storage.store import Store

from .conftest import Handrail

_NEWER = """
from session_controller.storage.schema import SCHEMA

@SCHEMA(name="later")
def later(db):
    db.execute("ALTER TABLE sessions ADD COLUMN later TEXT")
    db.execute("UPDATE sessions SET later = status")

import cli
cli.main()
"""
"""The program of a later version, with a migration more."""

_EARLIER = """
DELETE FROM _sqlite_migrations WHERE name IN ('test sessions', 'accounts of a provider');
ALTER TABLE sessions DROP COLUMN test;
ALTER TABLE persons DROP COLUMN issuer;
ALTER TABLE persons DROP COLUMN claim;
ALTER TABLE persons DROP COLUMN account;
"""
_DUE = ("test sessions", "accounts of a provider")


class Usage(NamedTuple):
    """Of a disk, in bytes."""

    total: int
    free: int


def newer(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run a command of the later version."""
    order = [sys.executable, "-P", "-c", _NEWER, *map(str, arguments)]
    return subprocess.run(order, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def folder(handrail: Handrail, tmp_path: Path) -> Path:
    """The data folder of this version, with an open session."""
    data = tmp_path / "data"
    ran = handrail("session", "open", "quick-check-in", "--label", "Before", "--data", data)
    assert ran.code == 0, ran.err
    return data


@pytest.fixture
def earlier(folder: Path) -> Path:
    """The same, as two versions ago."""
    with closing(sqlite3.connect(folder / DATABASE, isolation_level=None)) as db:
        db.executescript(_EARLIER)
    return folder


def _refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> Usage:
        return Usage(100 << 30, 10 << 20)

    monkeypatch.setattr(upgrading, "Backups", partial(Backups, usage=full))


def test_a_start_backs_up_before_it_migrates(handrail: Handrail, earlier: Path) -> None:
    """By itself, and once; the backup has the earlier schema, and is marked as the way back."""
    assert schema_of(earlier).pending == _DUE
    ran = handrail("session", "list", "--data", earlier)
    assert ran.code == 0, ran.err
    (backup,) = existing(earlier)
    assert "Before" in ran.out
    assert backup.name in "".join(ran.err.split())
    assert read_header(backup).before_upgrade
    assert schema_of(earlier).pending == ()
    restored = earlier.parent / "restored"
    assert handrail("restore", backup, "--data", restored).code == 0
    assert schema_of(restored).pending == _DUE
    assert handrail("session", "list", "--data", earlier).err == ""
    assert existing(earlier) == [backup]


def test_without_a_backup_nothing_is_migrated(
    handrail: Handrail, earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start says why and what to do; who accepts it goes on without a way back."""
    with monkeypatch.context() as patch:
        _refused(patch)
        ran = handrail("serve", "--data", earlier)
        assert ran.code == 1
        assert "cannot be backed up before" in ran.err
        assert f"handrail upgrade --without-backup --data {earlier}" in ran.err
        assert schema_of(earlier).pending == _DUE
        ran = handrail("upgrade", "--without-backup", "--data", earlier, "--json")
    assert ran.json == {"migrations": [*_DUE], "backup": None}
    assert schema_of(earlier).pending == ()
    assert existing(earlier) == []


def test_a_store_does_not_migrate_by_itself(earlier: Path) -> None:
    """Whatever opens it: only an upgrade does."""
    with pytest.raises(StoreOutdatedError, match="handrail upgrade"):
        Store(earlier)
    assert schema_of(earlier).pending == _DUE


def test_the_check_changes_nothing(handrail: Handrail, earlier: Path) -> None:
    """It says which migrations, that a backup fits, how long, and how to go back."""
    before = {path: path.read_bytes() for path in earlier.rglob("*") if path.is_file()}
    ran = handrail("upgrade", "--check", "--data", earlier, "--json")
    found = {one["check"]: one for one in ran.json["findings"]}
    assert (ran.code, ran.json["well"]) == (0, True)
    assert set(found) == {"schema", "upgrade-room", "upgrade-time", "going-back"}
    assert all(repr(name) in found["schema"]["text"] for name in _DUE)
    assert {path: path.read_bytes() for path in earlier.rglob("*") if path.is_file()} == before


def test_the_check_says_that_the_start_would_refuse(earlier: Path) -> None:
    """Where the backup does not fit."""
    found = {one.check: one for one in upgrade_findings(earlier, lambda _: Usage(100, 5))}
    assert found["upgrade-room"].level is Level.CRITICAL
    assert "--without-backup" in str(found["upgrade-room"].mend)


@pytest.mark.parametrize("made", [True, False], ids=["up to date", "nothing yet"])
def test_nothing_is_due(made: bool, handrail: Handrail, folder: Path, tmp_path: Path) -> None:
    """Exit code 0, and a sentence."""
    empty = tmp_path / "empty"
    empty.mkdir()
    data = folder if made else empty
    ran = handrail("upgrade", "--check", "--data", data, "--json")
    assert (ran.code, [one["level"] for one in ran.json["findings"]]) == (0, ["ok"])
    assert "nothing to do" in handrail("upgrade", "--data", data).err
    assert "database" not in str(list(empty.iterdir()))


ASKED = (
    ("serve",),
    ("backup",),
    ("session", "list"),
    ("device", "list"),
    ("flow", "list"),
    ("audit", "list"),
    ("audit", "verify"),
    ("key", "show"),
    ("upgrade",),
    ("upgrade", "--check"),
)


def test_there_and_back(handrail: Handrail, folder: Path) -> None:
    """A later version migrates; this one then refuses, in each command, and restores."""
    ran = newer("upgrade", "--data", folder)
    assert ran.returncode == 0, ran.stderr
    (backup,) = existing(folder)
    listed = newer("session", "list", "--data", folder, "--json")
    assert "Before" in listed.stdout
    for line in ASKED:
        said = handrail(*line, "--data", folder)
        text = " ".join((said.out + said.err).split())
        assert said.code == (4 if line == ("serve",) else 1), line
        assert "newer or unreleased version" in text, line
        assert line == ("serve",) or str(backup) in text.replace(" ", ""), line
    doctor = handrail("doctor", "--data", folder)
    assert (doctor.code, "newer or unreleased" in doctor.out) == (2, True)
    assert handrail("restore", backup, "--data", folder).code == 0
    ran = handrail("session", "list", "--data", folder)
    assert (ran.code, "Before" in ran.out) == (0, True), ran.err


def test_a_backup_of_a_newer_version_is_not_restored(handrail: Handrail, folder: Path) -> None:
    """What is in place stays: otherwise an older program would be without any data."""
    assert newer("backup", "--data", folder).returncode == 0
    before = (folder / DATABASE).read_bytes()
    ran = handrail("restore", existing(folder)[0], "--data", folder)
    assert ran.code == 1
    assert "newer or unreleased version" in ran.err
    assert (folder / DATABASE).read_bytes() == before
    assert not list(folder.glob("replaced-*"))


def test_the_way_back_is_kept(folder: Path) -> None:
    """For a month, however few backups are kept; then as the others."""
    assert newer("upgrade", "--data", folder).returncode == 0
    (back,) = existing(folder)
    folder_of = folder / "backups"
    header = read_header(back)
    for days in (1, 29, 31):
        later = header.model_copy(
            update={"taken": header.taken + timedelta(days=days), "before_upgrade": False}
        )
        Manifest(later, read_manifest(back).pages).write(path_of(folder, later.taken))
        tidy(folder_of, Keep(1, 0, 0, 0), 1 << 30)
        assert back.exists() == (days < 30)
