"""What has ended costs nothing: work is counted with few ended sessions, and with four times more.

Counted are the steps of SQLite's virtual machine, and the bytes that this process reads and writes:
`./run bench --years` measures the same in seconds.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from benchmarks.years.folders import make_folder
from benchmarks.years.report import table
from benchmarks.years.templates import play_templates
from clients.sdk.admin import AdminClient
from clients.sdk.credential import Credential
from clients.sdk.facility import FacilityClient
from schemas.base import Role
from session_controller.audit.events import SessionPurged
from session_controller.integrity.data_folder import Extent, audit_folder
from session_controller.storage import database
from session_controller.storage import store as store_module
from session_controller.storage.entities import LoggedBoxEvent
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction
from tests.conftest import RunningBox, StartBox

FEW, MANY = 60, 240
PURGED = 10
PAGE = 50
_NOW = datetime.now(UTC)
_SLACK_STEPS = 2_000
"""What a box does each second by itself, a reconnect took 50 more in one run than in another; and
six a session for a verification to count them."""
_SLACK_BYTES = 200_000
"""The same ten sessions are on more pages of a larger file."""
_IO = Path("/proc/self/io")


@dataclass
class Counts:
    """What was done while something was measured."""

    steps: int = 0
    """Of SQLite's virtual machine: a row that is read takes some ten."""
    read: int = 0
    written: int = 0
    """In bytes, by system calls; of files that are mapped, only what is not."""
    answer: int = 0
    """Size of the answer, in bytes."""


_steps = 0


class _Counting(sqlite3.Connection):
    """A connection that counts its steps."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.set_progress_handler(_step, 1)


def _step() -> int:
    global _steps  # noqa: PLW0603 - SQLite calls it from any thread, with nothing to count in
    _steps += 1
    return 0


@pytest.fixture
def _counted(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **more: connect(*args, **more, factory=_Counting)
    )
    monkeypatch.setattr(database, "_LOOK_AT_ALL", 0)  # a small file is checked whole


@contextmanager
def counting() -> Iterator[Counts]:
    """Yield counts that are complete once the `with` is over."""
    counts, steps, (read, written) = Counts(), _steps, _io()
    yield counts
    counts.steps = _steps - steps
    now = _io()
    counts.read, counts.written = now[0] - read, now[1] - written


def _io() -> tuple[int, int]:
    if not _IO.exists():
        pytest.skip("this system does not count the bytes of a process in /proc/self/io")
    found = dict(line.split(": ") for line in _IO.read_text().splitlines())
    return int(found["rchar"]), int(found["wchar"])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Data folders by their number of sessions, as the benchmark makes them."""
    place, templates = tmp_path_factory.mktemp("years"), play_templates()
    for sessions in (0, FEW, MANY):
        make_folder(place / str(sessions), sessions, templates)
    return {sessions: place / str(sessions) for sessions in (0, FEW, MANY)}


def _admin(box: RunningBox) -> AdminClient:
    return AdminClient(box.mqtt, Credential(box.site, "admin-1", Role.ADMIN, box.admins["admin-1"]))


def _desk(box: RunningBox) -> FacilityClient:
    with _admin(box) as admin:
        made = admin.enrol_device("another desk", Role.FACILITY)
    own = Credential(box.site, made.device, Role.FACILITY, made.secret or "")
    return FacilityClient(box.mqtt, own)


def _start(data: Path, start_box: StartBox) -> Counts:
    with counting() as counts, start_box(data):
        pass
    return counts


def _command(data: Path, start_box: StartBox) -> Counts:
    with start_box(data) as box, _desk(box) as desk:
        session = desk.open_session("quick-check-in").session
        with counting() as counts:
            desk.cover_screen(session, covered=True).result(10)
    return counts


def _reconnect(data: Path, start_box: StartBox) -> Counts:
    with start_box(data) as box:
        desk = _desk(box)
        with counting() as counts, desk:
            pass
    return counts


def _open_sessions(data: Path, start_box: StartBox) -> Counts:
    with start_box(data) as box, _admin(box) as admin:
        with counting() as counts:
            lines = list(admin.list_sessions())
        counts.answer = sum(len(line.to_json()) for line in lines)
    return counts


def _all_sessions(data: Path, start_box: StartBox) -> Counts:
    with start_box(data) as box, _admin(box) as admin:
        with counting() as counts:
            lines = list(islice(admin.list_sessions(ended=True), PAGE))
        counts.answer = sum(len(line.to_json()) for line in lines)
    return counts


def _devices(data: Path, start_box: StartBox) -> Counts:
    with start_box(data) as box, _admin(box) as admin:
        with counting() as counts:
            answer = admin.list_devices()
        counts.answer = len(answer.to_json())
    return counts


def _status(data: Path, start_box: StartBox) -> Counts:
    with start_box(data) as box, _admin(box) as admin:
        with counting() as counts:
            answer = admin.show_status()
        counts.answer = len(answer.to_json())
    return counts


def _purge(data: Path, start_box: StartBox) -> Counts:
    store = Store(data)
    oldest = [state.session for state in store.states()][:PURGED]
    store.close()
    with start_box(data) as box, _admin(box) as admin, counting() as counts:
        admin.purge(*oldest)
    return counts


def _verify_again(data: Path, _: StartBox) -> Counts:
    assert not audit_folder(data, None, Extent.NEW, _NOW).faults
    with counting() as counts:
        assert not audit_folder(data, None, Extent.NEW, _NOW).faults
    return counts


_PATIENCE_S = 600
"""The folders are made within the first test that uses them, by a box in a process of its own."""
Case = Callable[[Path, StartBox], Counts]
CASES: dict[str, Case] = {
    "start": _start,
    "command": _command,
    "reconnect": _reconnect,
    "list of open sessions": _open_sessions,
    "page of all sessions": _all_sessions,
    "list of devices": _devices,
    "status": _status,
    "purge of ten": _purge,
    "second verification": _verify_again,
}


@pytest.mark.slow
@pytest.mark.timeout(_PATIENCE_S)
@pytest.mark.usefixtures("_counted")
@pytest.mark.parametrize("name", CASES)
def test_what_has_ended_costs_nothing(
    name: str, folders: dict[int, Path], start_box: StartBox, tmp_path: Path
) -> None:
    """Four times as many ended sessions take no more steps, reads, writes or bytes of an answer."""
    case, found = CASES[name], {}
    for sessions in (0, FEW, MANY):  # the first one loads what is loaded when it is needed
        data = copytree(folders[sessions], tmp_path / str(sessions))
        found[sessions] = case(data, start_box)
    few, many = found[FEW], found[MANY]
    assert many.steps <= few.steps + _SLACK_STEPS, found
    assert many.read <= few.read + _SLACK_BYTES, found
    assert many.written <= few.written + _SLACK_BYTES, found
    assert many.answer <= few.answer * 1.1, found


@pytest.mark.slow
@pytest.mark.timeout(_PATIENCE_S)
@pytest.mark.parametrize("sessions", [FEW, MANY])
def test_a_folder_is_as_a_box_leaves_it(
    sessions: int, folders: dict[int, Path], tmp_path: Path
) -> None:
    """Its log, states and documents are whole; all but a few sessions have ended and left."""
    data = copytree(folders[sessions], tmp_path / "data")
    found = audit_folder(data, None, Extent.DEEP, _NOW)
    assert (found.faults, found.sessions) == ((), sessions)
    assert 28 * sessions < found.entries < 36 * sessions
    store = Store(data)
    try:
        assert sum(not state.status.ended for state in store.states()) == 4
        assert len(store.live_states()) == 6
        assert store.count_deliveries() == {
            ("archive", "delivered"): sessions - 7,
            ("archive", "refused"): 3,
        }
        guests = {device.guest_of for device in store.devices() if device.guest_of}
        assert guests <= {state.session for state in store.live_states()}, "the others are deleted"
    finally:
        store.close()


@pytest.mark.slow
@pytest.mark.timeout(_PATIENCE_S)
def test_the_space_of_what_is_purged_is_returned(
    folders: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file shrinks to the log's entries without content; these stay whole, and tightly packed.

    An UPDATE alone would leave their pages half empty for ever.
    """
    monkeypatch.setattr(store_module, "_SPARE_PAGES", 4)
    data = copytree(folders[MANY], tmp_path / "data")
    before = (data / database.DATABASE).stat().st_size
    store = Store(data)
    ended = [state.session for state in store.states() if state.status.ended]
    acts = [LoggedBoxEvent(_NOW, SessionPurged(), "admin-1", name) for name in ended]
    purge = Transaction(purged=ended, box_events=acts)
    store.write(purge)
    store.sync(purge)
    store.forget(ended)
    calls, free = 1, store._number("PRAGMA freelist_count")
    while store.compact():
        calls += 1
    assert calls <= free // store_module._MOVED_PAGES + 1, "many pages at once"
    store.close()
    after = (data / database.DATABASE).stat().st_size
    assert after < 0.6 * before
    assert not audit_folder(data, None, Extent.DEEP, _NOW).faults


def test_the_table_shows_medians_beside_the_goals() -> None:
    """A goal may refer to the empty box; what was given up is said, and reaches no goal."""
    lines = table(
        {
            0: [{"ready_s": 1.0}, {"ready_s": 1.2}, {"ready_s": 9.0}],
            50_000: [{"ready_s": 1.4, "restore_s": -180.0, "log_s": 0.5}],
        }
    ).splitlines()
    assert lines[2:] == [
        "| ready, s | 1.2 | 1.4 | 1.17 | ≤ 1.2 times empty | yes |",
        "| `audit list`, first page, s | - | 0.5 |  | ≤ 1 | yes |",
        "| restore, s | - | more than 180 |  | ≤ 60 | no |",
    ]


def test_a_figure_that_most_rounds_gave_up_has_no_median() -> None:
    """One round of three that took too long counts as the longest; two are the result."""
    one, two = [{"log_s": 1.0}, {"log_s": 2.0}, {"log_s": -9.0}], [{"log_s": 1.0}]
    two += [{"log_s": -9.0}, {"log_s": -9.0}]
    assert "| 2 |" in table({0: one}).splitlines()[2]
    assert "more than 9" in table({0: two}).splitlines()[2]
