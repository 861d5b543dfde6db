"""What a kill leaves over is cleared away, above all what could bring a purged session back."""

import asyncio
import json
import shutil
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.requests import PurgeSessions
from session_controller import restoring
from session_controller.admin import purge_sessions
from session_controller.backups import Backups
from session_controller.engine.refusal import Refusal
from session_controller.keyring import KEYRING, keyring_beside, read_keyring
from session_controller.record import Record
from session_controller.restoring import restore
from session_controller.sealing import KEY_FILE
from session_controller.store import Store
from session_controller.verification import verify
from session_controller.work import ExportOrder
from tests.controller.entering import enter_everything, take_as_it_is
from tests.controller.test_purge import end, found_in, purge
from tests.faults.loopback import Stage, staged

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


async def _ended(stage: Stage) -> bytes:
    """Run a session to its end; gives its key as it is stored."""
    await stage.open()
    await enter_everything(stage, "Zorblatt")
    await end(stage)
    return stage.store.wrapped_keys()[f"session:{stage.session}"]


async def test_a_purge_that_was_killed_reaches_the_backups_at_the_next_start(
    tmp_path: Path,
) -> None:
    """Between the commit and the keyring a box may die: no key outlives its purge for that."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        key = await _ended(stage)
        backup = await Backups(stage.store, tmp_path).take()
        session = stage.session
    restore(tmp_path, backup, NOW)  # the replaced database holds the key too
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        stage.session = session
        await purge(stage)  # a service without backups stops where the killed one did
    keyring = tmp_path / "backups" / KEYRING
    assert f"session:{session}" in read_keyring(keyring).keys
    assert found_in(tmp_path, [key])
    store = Store(tmp_path)
    Backups(store, tmp_path).tidy()
    store.close()
    assert f"session:{session}" not in read_keyring(keyring).keys
    assert found_in(tmp_path, [key]) == []


async def test_keys_of_a_database_that_was_replaced_stay(tmp_path: Path) -> None:
    """The start takes what was purged out of the keyring, and nothing else."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        empty = await Backups(stage.store, tmp_path).take()
        await _ended(stage)
        full = await Backups(stage.store, tmp_path).take()
    restore(tmp_path, empty, NOW)
    store = Store(tmp_path)
    Backups(store, tmp_path).tidy()
    store.close()
    assert restore(tmp_path, full, NOW).sessions == 1


async def test_a_draft_of_a_backup_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that fails takes its draft along; one that was killed leaves it until the next start."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _ended(stage)
        backups = Backups(stage.store, tmp_path)

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("disk is full")

        monkeypatch.setattr("session_controller.copying._put_documents_in", full)
        with pytest.raises(Exception, match="disk is full"):
            await backups.take()
        assert list((tmp_path / "backups").iterdir()) == []
        left = tmp_path / "backups" / "handrail-x.new"
        left.write_bytes(b"keys")
        backups.tidy()
        assert not left.exists()


async def test_a_draft_of_a_restore_does_not_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds the keys of all sessions, and no later purge would find it."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        key = await _ended(stage)
        backup = await Backups(stage.store, tmp_path).take()
        session = stage.session

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "write_private", killed)
        patch.setattr(restoring, "discard_drafts", lambda _: None, raising=False)
        with pytest.raises(Killed):
            restore(tmp_path, backup, NOW)
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        stage.session = session
        await purge(stage)
    assert found_in(tmp_path, [key]) == []
    assert found_in(tmp_path, [b"Zorblatt"]) == []


@pytest.mark.parametrize("key_is_gone", [False, True])
async def test_a_restore_that_is_done_again_knows_what_was_purged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, key_is_gone: bool
) -> None:
    """Though the killed one has put the database aside already; and though its key is lost."""
    data, stick = tmp_path / "data", tmp_path / "stick"
    stick.mkdir()
    async with staged(data, inspect=take_as_it_is) as stage:
        await _ended(stage)
        backup = await Backups(stage.store, data).take()
        copy = stick / "handrail.backup"
        shutil.copy(backup, copy)
        shutil.copy(backup.with_name("keyring"), keyring_beside(copy))
        await purge(stage)
    if key_is_gone:
        (data / KEY_FILE).unlink()

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(restoring, "sync_folder", killed)  # the last step of putting aside
        patch.setattr(restoring._Draft, "_write_documents", _no_documents)
        with pytest.raises(Killed):
            restore(data, copy, NOW)
    assert not (data / "handrail.sqlite").exists()
    assert restore(data, copy, datetime.now(UTC)).sessions == 0
    assert verify(data / "handrail.sqlite").faults == ()


def _no_documents(draft: restoring._Draft, _: sqlite3.Connection) -> None:
    (draft.data / "documents.new").mkdir()


async def test_a_backup_that_was_tampered_with_writes_nowhere_else(tmp_path: Path) -> None:
    """Names in it are names of documents, or are passed over."""
    data = tmp_path / "data"
    async with staged(data, inspect=take_as_it_is) as stage:
        await _ended(stage)
        backup = await Backups(stage.store, data).take()
    with closing(sqlite3.connect(backup, isolation_level=None)) as db:
        names = [("../../evil", "a" * 64), (stage.session, "../../../evil"), ("x", "y.new")]
        for session, file in names:
            db.execute("INSERT INTO backup_documents VALUES (?,?,?)", [session, file, b"evil"])
    restore(data, backup, NOW)
    assert found_in(tmp_path, [b"evil"]) == ["data/backups/" + backup.name + ": 4 bytes"]


async def test_a_purge_that_is_refused_leaves_no_word_of_itself(tmp_path: Path) -> None:
    """One unknown name refuses all; a restore would take an entry of the log for the deed."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _ended(stage)
        request = PurgeSessions(request_id="1", sessions=(stage.session, "s-none"))
        found: list[object] = []
        stage.service.submit(
            lambda work: found.append(
                purge_sessions(work, stage.store, work.world.devices["desk"], request)
            )
        )
        await stage.service.settled()
        assert isinstance(found[0], Refusal)
        assert stage.store.purged() == set()


async def test_a_guests_name_does_not_come_back(tmp_path: Path) -> None:
    """What a phone called itself goes with its session, also where a backup still has it."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _ended(stage)
        stage.store._db.execute(
            "UPDATE devices SET name='Zorblatts phone', guest_of=? WHERE device='kiosk'",
            [stage.session],
        )
        stage.store._db.conn.commit()
        backup = await Backups(stage.store, tmp_path).take()
        await purge(stage)
    restore(tmp_path, backup, NOW)
    store = Store(tmp_path)
    assert [d.name for d in store.devices() if d.guest_of] == [""]
    store.close()


async def test_an_export_does_not_outlive_its_session(tmp_path: Path) -> None:
    """Neither one that waits for its reader, nor one that was under way during the purge."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _ended(stage)
        order = ExportOrder("desk", "r-1", stage.session, "json", None, "a4", datetime.now(UTC))
        exporter, kept = stage.service._chores.exporter, stage.service.world.exports
        await exporter.export(order)
        await stage.service.settled()
        assert len(kept._exports) == 1
        again = await exporter.record(stage.session, "desk", datetime.now(UTC))
        await purge(stage)
        assert kept._exports == {}

        async def gathered_before(*_: object) -> Record:
            return again

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(exporter), "record", gathered_before)
            await exporter.export(order)
        await stage.service.settled()
        assert kept._exports == {}
        said = [p for topic, p in stage.link.published if topic.endswith("devices/desk/inbox")]
        assert json.loads(said[-1])["code"] == "unavailable"
        kinds = [entry.place.kind for entry in stage.store.entries()]
        assert kinds.index("SessionPurged") > max(
            n for n, kind in enumerate(kinds) if kind == "SessionExported"
        )


async def test_a_purge_during_a_backup_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the database is copied already, with the key; the documents are not."""
    begun, purged = threading.Event(), threading.Event()

    def wait_for_the_purge(*_: object) -> None:
        begun.set()
        assert purged.wait(20)

    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        key = await _ended(stage)
        backups = stage.service._caretaker.backups = Backups(stage.store, tmp_path)
        monkeypatch.setattr("session_controller.copying._PAGES", 8)
        monkeypatch.setattr("session_controller.copying._backing_up", wait_for_the_purge)
        taking = asyncio.create_task(backups.take())
        assert await asyncio.to_thread(begun.wait, 20)
        await purge(stage)
        purged.set()
        backup = await taking
        assert found_in(tmp_path, [key]) == []
    assert read_keyring(tmp_path / "backups" / KEYRING).keys.keys() == {"codes", "log"}
    assert verify(backup).faults == ()
    assert restore(tmp_path, backup, NOW).sessions == 0
