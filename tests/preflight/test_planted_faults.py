"""Planted faults: each is found, names its mend, and the mend mends it."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from session_controller.preflight.checks import ALL, refusals, run, subject_of
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.subject import Subject
from tests.preflight.faults import FAULTS as FORMER
from tests.preflight.further_faults import FURTHER
from tests.preflight.planting import FREE, GIB, Fault, Usage

FAULTS = [*FORMER, *FURTHER]


def _examined(subject: Subject) -> list[Finding]:
    return list(run(ALL, subject))


def _subject(data: Path, fault: Fault) -> Subject:
    at = datetime.now(UTC) + fault.later
    return subject_of(data, at, fault.plan(data), lambda _: fault.usage)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault(fault: Fault, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found at its level, says what mends it, and is gone afterwards."""
    fault.plant(data)
    for name, value in fault.environment.items():
        monkeypatch.setenv(name, value)
    found = [
        each
        for each in _examined(_subject(data, fault))
        if (each.check, each.level) == (fault.check, fault.level)
    ]
    assert found, [
        f"{each.check} {each.level}: {each.text}" for each in _examined(_subject(data, fault))
    ]
    assert fault.mend in (found[0].mend or ""), found[0]
    if fault.repair is not None:
        fault.repair(data, found[0])
        still = _examined(_subject(data, fault))
        again = [each for each in still if (each.check, each.level) == (fault.check, fault.level)]
        assert again == []


def test_there_are_many() -> None:
    """Forty and more, of every check; each has its own name."""
    assert len({fault.name for fault in FAULTS}) == len(FAULTS) >= 40


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Listen on a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_is_in_use(data: Path, taken_port: int) -> None:
    """Also one that another address of the box would have."""
    for name in ("--mqtt", "--http", "--http-redirect"):
        plan = replace(FREE, listen={name: ("127.0.0.1", taken_port)})
        found = run(ALL, subject_of(data, datetime.now(UTC), plan))
        [port] = [each for each in found if each.check == "ports"]
        assert f"port {taken_port}" in port.text
        assert name in (port.mend or "")


def test_a_folder_that_is_well(data: Path) -> None:
    """No check finds anything to do, and each of them says so."""
    found = _examined(subject_of(data, datetime.now(UTC), FREE, lambda _: Usage(GIB, GIB // 2)))
    assert [each for each in found if each.level in (Level.WARNING, Level.CRITICAL)] == []
    well = {each.check for each in found if each.level is Level.OK}
    assert well >= {
        *("file-modes", "disk", "keys", "database", "log", "documents", "backups", "backup-keys"),
        *("certificate", "deliveries", "ports", "settings"),
    }


def test_nothing_is_changed(data: Path) -> None:
    """Neither a file nor its time."""

    def state() -> dict[Path, tuple[int, int, int]]:
        stats = ((path, path.lstat()) for path in data.rglob("*"))
        return {path: (each.st_mtime_ns, each.st_size, each.st_mode) for path, each in stats}

    before = state()
    _examined(subject_of(data, datetime.now(UTC), FREE))
    assert state() == before


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_what_keeps_a_box_from_starting(
    fault: Fault, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`serve` refuses by the same checks, and starts with every other fault."""
    fault.plant(data)
    for name, value in fault.environment.items():
        monkeypatch.setenv(name, value)
    found = refusals(_subject(data, fault))
    assert bool(found) is fault.refused, found
