"""What a kill leaves over is cleared away, above all what could bring a purged session back."""

import asyncio
import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.wire.requests import PurgeSessions
from session_controller import failpoints
from session_controller.backup import backups as taking
from session_controller.backup import restore as restoring
from session_controller.backup.backups import BackupError, Backups
from session_controller.backup.manifest import existing
from session_controller.backup.restore import forget_replaced, restore
from session_controller.engine.refusal import Refusal
from session_controller.errors import KeyringError, StoreError
from session_controller.export.order import ExportOrder
from session_controller.export.record import Record
from session_controller.failpoints import Point
from session_controller.integrity.data_folder import verify
from session_controller.security.encryption import KEY_FILE
from session_controller.security.keyring import KEYRING, read_keyring
from session_controller.service.handlers.administration import purge_sessions
from session_controller.storage import database
from session_controller.storage.database import Outdated
from session_controller.storage.shape import Difference
from session_controller.storage.store import Store
from tests.backups import all_below, copied, packs, verified
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


@pytest.mark.parametrize("step", ["remove_from_keyring", "forget_documents", "_forget_aside"])
async def test_a_purge_that_was_killed_in_the_backups_is_completed(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its key, its documents or the replaced database is left."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        key = await _ended(stage)
        backup = await Backups(stage.store, tmp_path).take()
        session = stage.session
    if step == "_forget_aside":
        restore(tmp_path, backup, NOW)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        stage.session = session
        await purge(stage)
        with monkeypatch.context() as patch:
            patch.setattr(taking, step, killed)
            with pytest.raises(Killed):
                Backups(stage.store, tmp_path).forget([session])
    store = Store(tmp_path)
    Backups(store, tmp_path).tidy()
    store.close()
    assert found_in(tmp_path, [key]) == []
    assert [path for path in all_below(tmp_path) if path.name == session] == []


async def test_a_purge_deletes_keys_before_documents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who copies a backup meanwhile may miss a document only if its key is gone, too."""
    keyring, keys = tmp_path / "backups" / KEYRING, list[set[str]]()
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _ended(stage)
        backups = Backups(stage.store, tmp_path)
        await backups.take()

        def look(*_: object) -> None:
            keys.append(set(read_keyring(keyring).keys))

        monkeypatch.setattr(taking, "forget_documents", look)
        backups.forget([stage.session])
        keyring.write_bytes(b"[damaged\n")
        monkeypatch.setattr(taking, "forget_documents", lambda *_: keys.append(set()))
        with pytest.raises(KeyringError):
            backups.forget([stage.session])
    assert keys == [{"codes", "log"}, set()], "documents go, even if the keyring is damaged"


async def test_the_folder_of_backups_is_on_disk_with_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name, which no sync of a file in it covers."""
    synced = list[Path]()
    monkeypatch.setattr(taking, "sync_folder", synced.append)
    async with staged(tmp_path) as stage:
        await Backups(stage.store, tmp_path).take()
    assert synced == [tmp_path]


async def test_a_draft_of_the_keyring_does_not_stay(tmp_path: Path) -> None:
    """A rotation that was killed leaves all keys in one, where no purge would reach them."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _ended(stage)
        backups = Backups(stage.store, tmp_path)
        await backups.take()
        draft = tmp_path / "backups" / "keyring.new"
        draft.write_bytes((tmp_path / "backups" / KEYRING).read_bytes())
        other = draft.with_name("documents.log.new")
        other.touch()
        backups.clear_drafts()
        assert not draft.exists()
        assert not other.exists()


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

        def full(point: Point) -> None:
            if point is Point.BACKUP_KEYS:
                raise OSError(None, "the disk is full")

        monkeypatch.setattr(failpoints, "reached", full)
        with pytest.raises(BackupError, match="the disk is full"):
            await backups.take()
        assert packs(tmp_path) == []
        assert existing(tmp_path) == []
        left = tmp_path / "backups" / "handrail-x.new"
        unlisted = tmp_path / "backups" / "packs" / f"{'0' * 64}.pack"
        for path in (left, unlisted):
            path.write_bytes(b"pages")
        backups.tidy()
        assert not left.exists()
        assert not unlisted.exists()


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
    data = tmp_path / "data"
    async with staged(data, inspect=take_as_it_is) as stage:
        await _ended(stage)
        backup = await Backups(stage.store, data).take()
        copy = copied(backup, tmp_path / "stick")
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


async def test_a_purge_is_remembered_without_the_database_that_was_replaced(
    tmp_path: Path,
) -> None:
    """The restored backup does not know the session: its log says that it was purged."""
    data = tmp_path / "data"
    async with staged(data, inspect=take_as_it_is) as stage:
        empty = copied(await Backups(stage.store, data).take(), tmp_path / "empty")
        await _ended(stage)
        copy = copied(await Backups(stage.store, data).take(), tmp_path / "stick")
        await purge(stage)
    assert restore(data, empty, NOW).sessions == 0
    assert forget_replaced(data)
    assert restore(data, copy, NOW).sessions == 0
    assert verify(data / "handrail.sqlite").faults == ()


def _no_documents(draft: restoring._Draft, _: object) -> None:
    (draft.data / "documents.new").mkdir()


async def test_a_backup_that_was_tampered_with_writes_nowhere_else(tmp_path: Path) -> None:
    """Names in it are names of documents, or it is refused."""
    data = tmp_path / "data"
    async with staged(data, inspect=take_as_it_is) as stage:
        await _ended(stage)
        backup = await Backups(stage.store, data).take()
    log, before = backup.with_name("documents.log"), all_below(tmp_path)
    whole = log.read_text()
    for name in (f"../../evil/{'a' * 64}", f"{stage.session}/../../../evil", "x/y.new"):
        log.write_text(f"+{name}\n{whole}")
        with pytest.raises(StoreError, match="damaged"):
            restore(data, backup, NOW)
    assert all_below(tmp_path) == before


async def test_a_purge_that_is_refused_leaves_no_word_of_itself(tmp_path: Path) -> None:
    """One unknown name refuses all; a restore would take an entry of the log for the deed."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _ended(stage)
        request = PurgeSessions(request_id="1", sessions=(stage.session, "s-none"))
        found: list[object] = []
        stage.service.submit(
            lambda work: found.append(
                purge_sessions(work, stage.store, work.registry.devices["desk"], request)
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
    assert [d for d in store.devices() if d.guest_of] == []
    store.close()


async def test_a_guests_name_in_clear_goes_with_the_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier versions stored it among the devices; the first start of this one removes it."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        stage.store._db.execute(
            "UPDATE devices SET name='Zorblatts phone', guest_of=? WHERE device='kiosk'",
            [stage.session],
        )
        stage.store._db.execute("DELETE FROM _sqlite_migrations WHERE name='guest-names'")
        stage.store._db.conn.commit()
    assert found_in(tmp_path, [b"Zorblatt"])
    # Its later migrations are recorded as well here, which no earlier version's are.
    monkeypatch.setattr(database, "difference", lambda _: Difference())
    store = Store(tmp_path, Outdated.MIGRATE)
    assert [d.name for d in store.devices() if d.guest_of] == ["guest"]
    store.close()
    assert found_in(tmp_path, [b"Zorblatt"]) == []


async def test_an_export_does_not_outlive_its_session(tmp_path: Path) -> None:
    """Neither one that waits for its reader, nor one that was under way during the purge."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _ended(stage)
        order = ExportOrder(
            "desk", None, "r-1", stage.session, "json", None, "a4", datetime.now(UTC)
        )
        exporter, kept = stage.service._background.exporter, stage.service.registry.exports
        await exporter.export(order)
        await stage.service.settled()
        assert len(kept._exports) == 1
        again = await exporter.record(order)
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
        assert kinds.index("SessionPurged") < kinds.index("SessionExported"), "newest first"


async def test_a_purge_during_a_backup_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is copied already, and so are documents: the backup begins again."""
    begun, purged = threading.Event(), threading.Event()

    def wait_for_the_purge(point: Point) -> None:
        if point is Point.BACKED_UP_PAGES and not begun.is_set():
            begun.set()
            assert purged.wait(20)

    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        key = await _ended(stage)
        backups = stage.service._maintenance.backups = Backups(stage.store, tmp_path)
        monkeypatch.setattr(failpoints, "reached", wait_for_the_purge)
        taking = asyncio.create_task(backups.take())
        assert await asyncio.to_thread(begun.wait, 20)
        await purge(stage)
        purged.set()
        backup = await taking
        assert found_in(tmp_path, [key]) == []
    assert list((tmp_path / "backups" / "documents").glob("*/*")) == []
    assert read_keyring(tmp_path / "backups" / KEYRING).keys.keys() == {"codes", "log"}
    assert verified(backup).faults == ()
    assert restore(tmp_path, backup, NOW).sessions == 0
