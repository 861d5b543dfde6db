"""The clock of a serving box's whole process jumps by an hour (libfaketime): nobody notices."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clients import Credential, PatientClient
from schemas.base import Role
from tests.machine import free_port

from .checks import check
from .conftest import FULL, Note, Rounds
from .crew import FLOW, Crew, admin_of, crew, quick
from .log import Log
from .processes import BoxProcess
from .test_crashes import hire, until_decided

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
needs_faketime = pytest.mark.skipif(
    not _LIBRARIES, reason="libfaketime is not installed: apt-get install libfaketime"
)
_HOUR = timedelta(hours=1)
_SWING = (_HOUR, -_HOUR, timedelta(0), -_HOUR, _HOUR, timedelta(0))


class Clock:
    """The wall's clock of a process that is started with `env`; its steady clock stays."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "clock"
        self.set(timedelta(0))
        self.env = {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # asyncio's timers are not what jumps
        }

    def set(self, off: timedelta) -> None:
        """Put it so far before (negative: behind) the right time, at once."""
        draft = self._file.with_suffix(".new")
        draft.write_text(f"{off.total_seconds():+.0f}\n")
        draft.replace(self._file)


def _open_with_code(data: Path, url: str) -> tuple[str, str]:
    """Open a session that waits for its patient; gives it and its code."""
    with admin_of(data, url) as admin:
        opened = admin.open_session_for("desk-0", FLOW.stem)
        assert opened.code is not None
        return opened.session, opened.code


def _join(data: Path, url: str, number: int, code: str) -> str:
    """Enrol a screen, and have it join by the code; gives its session."""
    with admin_of(data, url) as admin:
        made = admin.enrol_device(f"spare-{number}", Role.PATIENT)
    credential = Credential(made.site, made.device, Role.PATIENT, made.secret or "")
    with PatientClient(url, credential, backoff=quick()) as spare:
        return spare.join_by_code(code).session


def _off_by(people: Crew, log: Log) -> set[int]:
    """Return by how many hours the box's times in the log are off."""
    now = datetime.now(UTC)
    return {
        round((event.at - now) / _HOUR)
        for couple in people.couples
        for event in log.sessions[couple.session].events
    }


@pytest.mark.slow
@needs_faketime
@pytest.mark.timeout(7200 if FULL else 300)
def test_jumps_of_an_hour(tmp_path: Path, rounds: Rounds, note: Note) -> None:
    """Commands go on, codes hold, sessions stay, restarts agree: whatever the clock says."""
    data, port, clock, jumps = tmp_path / "data", free_port(), Clock(tmp_path), 0
    url = f"mqtt://127.0.0.1:{port}"
    with crew() as people:
        hire(people, data, port)
        for number in range(rounds(1, 10)):
            with BoxProcess(data, port, env=clock.env) as box:
                assert box.ready()
                session, code = _open_with_code(data, url)
                for off in _SWING:
                    clock.set(off)
                    until_decided(people, 20)
                    jumps += 1
                assert _join(data, url, number, code) == session
                clock.set(_SWING[number % 2])  # the box starts the next time with this clock
                until_decided(people, 20)
        with BoxProcess(data, port, env=clock.env) as box:
            assert box.ready()
            until_decided(people, 20)
            rested = people.rest()
            assert box.stop() == 0
        log = Log.read(data)
        assert check(people.history, log) == []
    assert {-1, 0, 1} <= _off_by(people, log)
    assert not any(log.sessions[c.session].state.status.ended for c in people.couples)
    note(
        jumps=jumps,
        kills=number + 1,
        acknowledged=people.history.acknowledged(),
        lost=0,
        doubled=0,
        agreed=f"{rested:.2f} s",
    )
