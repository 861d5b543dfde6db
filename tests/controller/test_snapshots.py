"""A session's stored state may be behind its log, by a few events: who reads it takes them up."""

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from session_controller.errors import StoreDamagedError, StoreError
from session_controller.integrity.data_folder import verify
from session_controller.settings import Settings
from session_controller.storage.site import settle
from session_controller.storage.snapshots import MAX_BEHIND, Snapshots
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction
from tests.faults.loopback import Stage, staged


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    """A session that is open, with its values."""
    async with staged(tmp_path / "data") as one:
        await one.open()
        yield one


async def enter(stage: Stage, *values: str) -> None:
    """Enter values into one field, each committed alone."""
    for value in values:
        stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value=value)
        await stage.service.settled()


def killed(tmp_path: Path) -> Path:
    """Return a copy of the folder as a power cut would leave it."""
    shutil.rmtree(tmp_path / "killed", ignore_errors=True)
    copy = shutil.copytree(tmp_path / "data", tmp_path / "killed")
    assert verify(copy / "handrail.sqlite").faults == ()
    return copy


def columns(data: Path) -> tuple[int, int]:
    """Return the log entry of the stored state, and the last entry of the log."""
    with closing(sqlite3.connect(data / "handrail.sqlite")) as db:
        (stored,) = db.execute("SELECT entry FROM sessions").fetchone()
        (last,) = db.execute("SELECT max(id) FROM events").fetchone()
    return stored, last


async def test_a_start_takes_up_what_stands_behind_the_state(stage: Stage, tmp_path: Path) -> None:
    """Whenever the power is cut, the session is as the last commit left it."""
    behind = []
    for number in range(2 * MAX_BEHIND + 3):
        await enter(stage, f"Ada {number}")
        copy = killed(tmp_path)
        stored, last = columns(copy)
        behind.append(last - stored)
        store = Store(copy)
        assert store.states() == [stage.service.registry.sessions[stage.session].state]
        store.close()
        assert columns(copy)[0] >= last  # a start writes what it had to take up
    assert max(behind) == MAX_BEHIND - 1
    assert behind.count(0) == 2


async def test_a_stop_leaves_nothing_behind(tmp_path: Path) -> None:
    """After a clean stop a start reads states alone."""
    async with staged(tmp_path) as stage:
        await stage.open()
        await enter(stage, "Ada", "Bea")
        newest = stage.service.registry.sessions[stage.session].state
    with closing(sqlite3.connect(tmp_path / "handrail.sqlite")) as db:
        db.execute("UPDATE events SET content=NULL")  # what would be needed, were it behind
    store = Store(tmp_path)
    assert store.states() == [newest]
    store.close()


async def test_the_end_of_a_session_is_stored_at_once(stage: Stage, tmp_path: Path) -> None:
    """What is asked for by the columns is right at any moment."""
    await enter(stage, "Ada")
    stage.say("desk", "CANCEL", reason="enough")
    await stage.service.settled()
    with closing(sqlite3.connect(killed(tmp_path) / "handrail.sqlite")) as db:
        row = db.execute("SELECT status, ended_at IS NOT NULL FROM sessions").fetchone()
    assert row == ("cancelled", 1)


async def test_a_batch_that_failed_counts_for_nothing(stage: Stage) -> None:
    """Neither as written nor as behind."""
    state = stage.service.registry.sessions[stage.session].state
    event = next(e for e in stage.store.events(stage.session) if e.revision > 1)
    snapshots = Snapshots()
    batch = Transaction(events=[event] * (MAX_BEHIND - 1), states={stage.session: state})
    assert snapshots.due(batch) == []
    assert snapshots.behind() == []
    assert snapshots.due(batch) == []
    snapshots.stored()
    assert snapshots.behind() == [state]
    assert snapshots.due(batch) == [state]
    assert snapshots.due(batch) == [state]
    snapshots.stored()
    assert snapshots.behind() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE events SET content=x'00' WHERE id=(SELECT max(id) FROM events)",
        "UPDATE sessions SET entry=entry-1",
        "UPDATE sessions SET entry='text'",
        "DELETE FROM flows",
        "DELETE FROM keys WHERE name LIKE 'session:%'",
    ],
)
async def test_what_cannot_be_taken_up_is_said(stage: Stage, tmp_path: Path, change: str) -> None:
    """A changed log or state: the box says so and leaves it as it is, for a restore."""
    await enter(stage, "Ada")
    copy = killed(tmp_path)
    with closing(sqlite3.connect(copy / "handrail.sqlite", isolation_level=None)) as db:
        assert db.execute(change).rowcount > 0
    assert verify(copy / "handrail.sqlite").faults
    with pytest.raises(StoreDamagedError, match="audit verify"):
        Store(copy)


async def test_a_disk_that_is_full_keeps_nobody_from_starting(stage: Stage, tmp_path: Path) -> None:
    """What cannot be written is taken up by each reader."""
    await enter(stage, "Ada")
    copy = killed(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "_write_states", _full)
        store = Store(copy)
        assert store.states() == [stage.service.registry.sessions[stage.session].state]
        store.close()


def _full(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


def test_a_folder_that_cannot_be_written_to_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first start; what is known already is not written again."""
    settle(tmp_path, "clinic", Settings())
    with monkeypatch.context() as patch:
        patch.setattr(Store, "set_meta", _full)
        with pytest.raises(StoreError, match="cannot be written to"):
            settle(tmp_path, None, Settings(idle_limit=timedelta(hours=5)))
    with closing(sqlite3.connect(tmp_path / "handrail.sqlite")) as db:
        db.execute("CREATE TRIGGER t BEFORE INSERT ON meta BEGIN SELECT RAISE(FAIL, 'full'); END")
    settle(tmp_path, None, Settings())
