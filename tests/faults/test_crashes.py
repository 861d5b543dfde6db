"""The box dies by SIGKILL, at every named point of a message's way and at any time."""

import random
import time
from pathlib import Path

import pytest

from schemas.wire.requests import BackUp
from session_controller.backup.checking import faults
from session_controller.backup.manifest import existing
from session_controller.failpoints import OF_A_BACKUP, OF_A_DOCUMENT, Point
from session_controller.integrity.data_folder import verify
from tests.machine import free_port
from tests.waiting import wait_until

from .checks import check
from .conftest import FULL, Note, Rounds, spread
from .crew import Crew, admin_of, crew
from .log import Log
from .processes import BoxProcess, Mosquitto

_COUPLES = 3
_DIES_WITHIN_S = 60.0
_AT_MOST = {Point.STARTING: 1, Point.MIGRATING: 4, Point.PUBLISHED: 60}
_AT_MOST |= dict.fromkeys(OF_A_BACKUP, 1)

_WHILE_IT_SERVES = 0.7
_OF_EVERY_BOX = [point for point in Point if point not in OF_A_DOCUMENT]
"""The others are in `test_documents`: this crew sends none."""
_ON_THE_WAY = [
    point for point in _OF_EVERY_BOX if point not in (Point.STARTING, Point.MIGRATING, *OF_A_BACKUP)
]


def hire(people: Crew, data: Path, port: int, *options: str) -> None:
    """Set a box up, and have everyone begin."""
    url = f"mqtt://127.0.0.1:{port}"
    with BoxProcess(data, port, *options) as box:
        assert box.ready()
        people.hire(data, url, _COUPLES)
        people.work()
        until_decided(people, 20)


def until_decided(people: Crew, more: int, within_s: float = 120) -> None:
    """Wait until so many more commands are decided."""
    wanted = len(people.decided_at) + more
    wait_until(lambda: len(people.decided_at) >= wanted, "the box takes commands", within_s)


def conclude(
    people: Crew,
    data: Path,
    port: int,
    faults: list[float],
    note: Note,
    *options: str,
    name: str = "kills",
) -> None:
    """Start once more, let all come to rest, and hold everything against the log."""
    with BoxProcess(data, port, *options) as box:
        assert box.ready()
        until_decided(people, 200)
        rest_s = people.rest()
        assert box.stop() == 0
    assert rest_s < 60
    broken = check(people.history, Log.read(data))
    assert broken == []
    assert verify(data / "handrail.sqlite").faults == ()
    note(
        **{name: len(faults)},
        acknowledged=people.history.acknowledged(),
        lost=0,
        doubled=0,
        recovered=spread(people.recovered_after(faults)),
    )


@pytest.mark.slow
@pytest.mark.timeout(7200 if FULL else 300)
def test_killed_at_every_point(tmp_path: Path, rounds: Rounds, note: Note) -> None:
    """Whatever the point, nothing acknowledged is lost and nothing is done twice."""
    data, port, rng = tmp_path / "data", free_port(), random.Random(7)
    kills: list[float] = []
    with crew() as people:
        hire(people, data, port)
        for point in _OF_EVERY_BOX * rounds(1, 12):
            nth = rng.randint(1, _AT_MOST.get(point, 30))
            with BoxProcess(data, port, point=point.value, nth=nth) as box:
                if point in OF_A_BACKUP and box.ready():
                    _ask_for_a_backup(data, port)
                assert box.fell(_DIES_WITHIN_S), f"{point} was not reached {nth} times"
            kills.append(time.monotonic())
            assert [fault for path in existing(data) for fault in faults(path)] == []
        conclude(people, data, port, kills, note)
    assert existing(data)


def _ask_for_a_backup(data: Path, port: int) -> None:
    admin = admin_of(data, f"mqtt://127.0.0.1:{port}")
    admin.start()
    admin.pending_request(BackUp)
    wait_until(lambda: not admin.online, "the box dies while it backs up", _DIES_WITHIN_S)
    admin.close()


@pytest.mark.slow
@pytest.mark.timeout(7200 if FULL else 300)
def test_killed_at_any_time(tmp_path: Path, rounds: Rounds, note: Note) -> None:
    """The same for moments that nobody chose."""
    data, port, rng = tmp_path / "data", free_port(), random.Random(1)
    kills: list[float] = []
    with crew() as people:
        hire(people, data, port)
        for _ in range(rounds(2, 60)):
            with BoxProcess(data, port) as box:
                # The fault is about time: any moment of the start, or of serving after it.
                if rng.random() < _WHILE_IT_SERVES:
                    assert box.ready()
                if not box.fell(rng.uniform(0.0, 1.5)):
                    box.kill()
            kills.append(time.monotonic())
        conclude(people, data, port, kills, note)


@pytest.mark.slow
@pytest.mark.timeout(7200 if FULL else 300)
def test_another_broker_and_the_box_killed_in_turn(
    tmp_path: Path, rounds: Rounds, note: Note
) -> None:
    """With Mosquitto between, either side dies, and both: what was not passed on comes again."""
    data, port, rng = tmp_path / "data", free_port(), random.Random(3)
    options = ("--broker", f"mqtt://127.0.0.1:{port}")
    kills: list[float] = []
    with Mosquitto(tmp_path / "mosquitto", port) as mosquitto, crew() as people:
        hire(people, data, port, *options)
        for _ in range(rounds(1, 16)):
            point = rng.choice(_ON_THE_WAY)
            with BoxProcess(data, port, *options, point=point.value, nth=rng.randint(5, 60)) as box:
                assert box.fell(_DIES_WITHIN_S)
            kills.append(time.monotonic())
            with BoxProcess(data, port, *options) as box:
                assert box.ready()
                until_decided(people, 20)
                mosquitto.kill()
                kills.append(time.monotonic())
                mosquitto.start()
                until_decided(people, 20)
                mosquitto.kill()
                box.kill()
            kills.append(time.monotonic())
            mosquitto.start()
        conclude(people, data, port, kills, note, *options)
