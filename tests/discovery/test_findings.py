"""What checks say about the name of a running box."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from session_controller.preflight.checks import subject_of
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.network_name import network_name_findings


def _findings(data: Path, told: object) -> list[Finding]:
    (data / "box.json").write_text(json.dumps(told))
    return _said(data)


def _said(data: Path, *, running: bool = True) -> list[Finding]:
    subject = replace(subject_of(data, datetime.now(UTC)), running=running)
    return list(network_name_findings(subject))


def test_what_a_killed_box_left_is_not_believed(tmp_path: Path) -> None:
    """Its file is still there."""
    assert _findings(tmp_path, {"mdns": {"name": "clinic.local", "problem": None}})
    assert _said(tmp_path, running=False) == []


def test_a_box_that_is_found_is_well(tmp_path: Path) -> None:
    """With the name."""
    told = {"mdns": {"name": "clinic.local", "problem": None}}
    (found,) = _findings(tmp_path, told)
    assert (found.level, found.text) == (Level.OK, "screens find the box as clinic.local")


def test_a_conflict_needs_somebody(tmp_path: Path) -> None:
    """With what the box says, and a command."""
    said = "clinic.local is not announced: 10.0.0.9 on the network has this name already"
    (found,) = _findings(tmp_path, {"mdns": {"name": None, "problem": said}})
    assert (found.check, found.level, found.text) == ("network-name", Level.WARNING, said)
    assert found.mend is not None
    assert "hostnamectl" in found.mend


@pytest.mark.parametrize("told", [{}, [], {"mdns": {}}, {"mdns": None}])
def test_nothing_is_said_of_a_box_that_is_not_announced(tmp_path: Path, told: object) -> None:
    """Nor of one that does not run."""
    assert _said(tmp_path) == []
    assert _findings(tmp_path, told) == []
