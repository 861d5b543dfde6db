"""The box restarts under hundreds of screens: all are back at their step by themselves."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.command_round_trip.enrolling import MqttEnrolment
from clients import Backoff
from tests.machine import free_port

from .checks import check
from .conftest import Note, Rounds, spread
from .crew import crew
from .log import Log
from .processes import ROOT, BoxProcess

_BACK_WITHIN_S = 5.0
"""From the moment that the box serves again: how long Python takes to start is the machine's. So is
how long the box waits for a processor that other programs have, which is taken off."""


def _order(data: Path, port: int, sessions: int) -> dict[str, Any]:
    """Enrol the screens and open their sessions."""
    secret = json.loads((data / "admin.json").read_text())["admin-1"]
    enrolment = MqttEnrolment(port, ("admin-1", secret))
    secrets, plan = asyncio.run(enrolment.run(sessions))
    return {"port": port, "secrets": secrets, "plan": plan}


@contextmanager
def _storm(order: dict[str, Any]) -> Iterator[subprocess.Popen[str]]:
    """Yield the screens' process, once all of them show their sessions."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.storm"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order))
        process.stdin.close()
        try:
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_restart_under_hundreds_of_sessions(tmp_path: Path, rounds: Rounds, note: Note) -> None:
    """Killed and started again, the box has every screen at its step within five seconds."""
    sessions, data, port = rounds(100, 500), tmp_path / "data", free_port()
    with BoxProcess(data, port) as box:
        assert box.ready()
        order = _order(data, port, sessions)
        with _storm(order) as storm:
            box.kill()
            killed = time.monotonic()
            with BoxProcess(data, port) as again:
                assert again.ready()
                served, waited = time.monotonic() - killed, again.waited_s()
                assert storm.stdout is not None
                found = json.loads(storm.stdout.read())
                share = (again.waited_s() - waited) / (time.monotonic() - killed - served)
    assert found["wrong"] == []
    assert len(found["whole"]) == 2 * sessions
    back = [max(0.0, seconds - served) for seconds in found["back"]]
    whole = [max(0.0, seconds - served) for seconds in found["whole"]]
    note(
        sessions=sessions,
        serving_after=f"{served:.2f} s",
        back_at_their_step_after_that=spread(back),
        and_see_each_other=spread(whole),
        from_the_kill=spread(found["whole"]),
        of_it_waiting_for_a_processor=f"{share:.0%}",
    )
    assert max(whole) * (1 - share) < _BACK_WITHIN_S


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_restart_under_many_clients_of_the_sdk(
    tmp_path: Path, rounds: Rounds, note: Note
) -> None:
    """The same with the SDK and its back-off as shipped, and held against the log."""
    couples, data, port = rounds(30, 150), tmp_path / "data", free_port()
    with crew() as people:
        people.backoff = Backoff
        with BoxProcess(data, port) as box:
            assert box.ready()
            people.hire(data, f"mqtt://127.0.0.1:{port}", couples)
            before = {c.session: c.staff.wait_for(c.session) for c in people.couples}
        with BoxProcess(data, port) as box:
            assert box.ready()
            served, waited, back = time.monotonic(), box.waited_s(), []
            for couple in people.couples:
                was = before[couple.session]
                view = couple.staff.wait_for(
                    couple.session,
                    lambda v, c=couple, w=was: v.revision > w.revision and c.agrees(),
                    60,
                )
                assert view.step_id == was.step_id
                back.append(time.monotonic() - served)
            share = (box.waited_s() - waited) / (time.monotonic() - served)
            people.rest()
            assert box.stop() == 0
        assert check(people.history, Log.read(data)) == []
    note(
        sessions=couples,
        all_back_after_it_served=spread(back),
        of_it_waiting_for_a_processor=f"{share:.0%}",
    )
    assert max(back) * (1 - share) < 2 * _BACK_WITHIN_S
