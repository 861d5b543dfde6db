"""Backups: taken under load, whole, thinned; and restores, after which everybody agrees again."""

import asyncio
import os
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from session_controller import failpoints
from session_controller.backup import restore as restoring
from session_controller.backup.backups import BackupError, BackupPlan, Backups, advice
from session_controller.backup.checking import faults
from session_controller.backup.keeping import Keep
from session_controller.backup.manifest import existing, read_header, read_manifest
from session_controller.backup.packs import pack_path
from session_controller.backup.restore import ANY_SIGNER, restore
from session_controller.errors import StoreBusyError, StoreDamagedError, StoreError
from session_controller.failpoints import OF_A_BACKUP, Point
from session_controller.integrity.data_folder import verify
from session_controller.security.keyring import KEYRING
from session_controller.storage import store as storing
from session_controller.storage.database import RESTORING
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction
from tests.backups import copy_folder, packs, verified
from tests.controller.entering import enter_everything, take_as_it_is

from .checks import check
from .log import Log
from .loopback import Stage, staged


async def _enter(stage: Stage, count: int) -> None:
    for n in range(count):
        stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value=f"Ada {n}" + "x" * 200)
    await stage.service.settled()


def _now() -> datetime:
    return datetime.now(UTC)


async def test_a_backup_under_load_is_whole(tmp_path: Path) -> None:
    """While commands go on, a backup is some moment's whole truth, and holds none in part."""
    async with staged(tmp_path) as stage:
        await stage.open()
        await _enter(stage, 300)
        backups = Backups(stage.store, tmp_path)
        task = asyncio.create_task(backups.take())
        acknowledged = stage.numbers["kiosk"]
        while not task.done():
            await _enter(stage, 3)
        path = await task
    found = verified(path)
    assert found.faults == ()
    assert found.sessions == 1
    assert found.events - 1 >= acknowledged  # the restore is an entry too
    for file in (path, *packs(tmp_path)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert verify(tmp_path / "handrail.sqlite").events >= found.events - 1


async def test_a_document_that_is_dropped_meanwhile_stays_for_the_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database was read with it: its file is removed only once it was copied too."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, "Zorblatt")
        store, [document, *_] = stage.store, list(stage.store.document_store.names())

        def drop_one(point: Point) -> None:
            if point is Point.BACKING_UP:
                dropped = Transaction(dropped_documents=[document])
                store.write(dropped)
                store.sync(dropped)

        monkeypatch.setattr(failpoints, "reached", drop_one)
        path = await Backups(store, tmp_path).take()
        assert verified(path).faults == ()
        assert document in store.document_store.names()
        nothing = Transaction()
        store.write(nothing)
        store.sync(nothing)
        assert document not in store.document_store.names()


async def test_what_the_plan_does_not_keep_goes(tmp_path: Path) -> None:
    """The oldest go, and what only they need; drafts of a killed box are cleared away."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backups = Backups(stage.store, tmp_path, BackupPlan(keep=Keep(2, 0, 0, 0)))
        taken = []
        for n in range(3):
            (tmp_path / "backups").mkdir(exist_ok=True)
            (tmp_path / "backups" / "handrail-x.new").write_bytes(b"torn")
            await _enter(stage, n)
            taken.append(await backups.take())
    assert existing(tmp_path) == [taken[2], taken[1]]
    names = {path.name for path in (tmp_path / "backups").iterdir()}
    assert names == {taken[1].name, taken[2].name, KEYRING, "packs", "documents.log"}
    named = {name for path in taken[1:] for name in read_header(path).packs}
    assert {path.stem for path in packs(tmp_path)} == named
    assert all(verified(path).faults == () for path in taken[1:])


async def test_a_box_backs_itself_up_on_time(tmp_path: Path) -> None:
    """Once the newest backup is too old, the next is taken without anybody asking."""
    async with staged(tmp_path) as stage:
        backups = Backups(stage.store, tmp_path, BackupPlan(timedelta(milliseconds=20)))
        taken = asyncio.Event()
        take = backups.take

        async def take_and_tell() -> Path:
            path = await take()
            taken.set()
            return path

        backups.take = take_and_tell  # type: ignore[method-assign]
        task = asyncio.create_task(backups.keep_taking())
        await asyncio.wait_for(taken.wait(), 20)
        task.cancel()
        await backups.stop()
    assert existing(tmp_path)


async def test_a_backup_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """Where the folder is no folder, whoever asked hears of it."""
    async with staged(tmp_path) as stage:
        (tmp_path / "backups").write_text("in the way")
        with pytest.raises(BackupError):
            await Backups(stage.store, tmp_path).take()


async def test_after_a_restore_everyone_agrees_on_the_older_truth(tmp_path: Path) -> None:
    """The epoch rises, so newer views give way; what is sent again counts once."""
    async with staged(tmp_path) as stage:
        await stage.open()
        await _enter(stage, 3)
        backup = await Backups(stage.store, tmp_path).take()
        late = stage.say("kiosk", "ENTER_FIELD", field_id="birth-date", value="1990-02-01")
        await stage.service.settled()
        session, numbers, history = stage.session, stage.numbers, stage.history
    done = restore(tmp_path, backup, _now())
    assert done.replaced is not None
    assert verify(done.replaced / "handrail.sqlite").events > verified(backup).events - 1
    async with staged(tmp_path, history=history) as stage:
        stage.session, stage.numbers = session, numbers
        stage.online("kiosk", connection=2)
        stage.again("kiosk", late)
        stage.again("kiosk", late)
        await stage.service.settled()
    log = Log.read(tmp_path)
    assert log.epoch == done.epoch > 1
    assert check(history, log, quiet=False) == []
    ids = [e.command_id for e in log.sessions[session].accepted()]
    assert len(ids) == len(set(ids)) == 4


async def test_a_second_restore_has_a_higher_epoch(tmp_path: Path) -> None:
    """Also where the database in between cannot be read any more."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backup = await Backups(stage.store, tmp_path).take()
    first = restore(tmp_path, backup, _now())
    (tmp_path / "handrail.sqlite").write_bytes(b"\xff" * 8192)
    second = restore(tmp_path, backup, _now() + timedelta(seconds=1))
    assert second.epoch > first.epoch


async def test_nothing_is_restored_under_a_running_box(tmp_path: Path) -> None:
    """A restore needs the folder's lock."""
    async with staged(tmp_path) as stage:
        backup = await Backups(stage.store, tmp_path).take()
        with pytest.raises(StoreBusyError):
            restore(tmp_path, backup, _now())


async def test_what_is_no_whole_backup_is_not_restored(tmp_path: Path) -> None:
    """A torn list, a pack that is missing, keys that are missing: everything stays as it is."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backup = await Backups(stage.store, tmp_path).take()
    before = (tmp_path / "handrail.sqlite").read_bytes()
    torn = copy_folder(backup, tmp_path / "torn")
    torn.write_bytes(backup.read_bytes()[:-5])
    for path in copy_folder(backup, tmp_path / "packs-gone").parent.glob("packs/*"):
        path.unlink()
    copy_folder(backup, tmp_path / "keys-gone").with_name(KEYRING).unlink()
    others = [tmp_path / name / backup.name for name in ("packs-gone", "keys-gone")]
    for wrong in (torn, *others, tmp_path / "handrail.sqlite"):
        with pytest.raises(StoreError):
            restore(tmp_path, wrong, _now())
    assert (tmp_path / "handrail.sqlite").read_bytes() == before
    Store(tmp_path).close()


@pytest.mark.parametrize(
    ("step", "nth"),
    [("_put_aside", 1), ("sync_folder", 1), ("sync_folder", 2)],
    ids=["before-anything-moves", "once-the-old-is-aside", "once-the-new-is-there"],
)
async def test_a_restore_that_was_killed_can_be_done_again(
    step: str, nth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it has come to its end the box does not start, and says what to do."""
    async with staged(tmp_path) as stage:
        await stage.open()
        await _enter(stage, 3)
        backup = await Backups(stage.store, tmp_path).take()
    original, calls = getattr(restoring, step), count(1)

    def killed(*arguments: Any) -> Any:
        if next(calls) == nth:
            raise KeyboardInterrupt
        return original(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(restoring, step, killed)
        with pytest.raises(KeyboardInterrupt):
            restore(tmp_path, backup, _now())
    assert (tmp_path / RESTORING).exists()
    with pytest.raises(StoreDamagedError):
        Store(tmp_path)
    again = restore(tmp_path, backup, _now() + timedelta(seconds=1))
    assert again.sessions == 1
    assert verify(tmp_path / "handrail.sqlite").faults == ()
    Store(tmp_path).close()


async def test_the_replaced_keys_are_on_disk_before_others_replace_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them, what was put aside cannot be decrypted after a power failure."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backup = await Backups(stage.store, tmp_path).take()
    seen = list[bool]()

    def sync() -> None:
        seen.extend(path.exists() for path in tmp_path.glob("replaced-*/box.key"))

    monkeypatch.setattr(os, "sync", sync)
    done = restore(tmp_path, backup, _now())
    assert done.replaced is not None
    assert seen == [True]


async def test_the_advice_names_the_newest_whole_backup(tmp_path: Path) -> None:
    """A damaged newest one is passed over."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backups = Backups(stage.store, tmp_path)
        older = await backups.take()
        await _enter(stage, 1)
        newer = await backups.take()
    only = set(read_header(newer).packs) - set(read_header(older).packs)
    pack = pack_path(tmp_path / "backups", only.pop())
    _flip(pack, 100)
    assert str(older) in advice(tmp_path)
    assert str(newer) not in advice(tmp_path)


def _flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


async def test_a_changed_bit_in_a_backup_is_found(tmp_path: Path) -> None:
    """In a page, in a document, or in the list itself; a restore refuses each."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, "Zorblatt")
        backup = await Backups(stage.store, tmp_path).take()
    assert list(faults(backup)) == []
    [pack], [document] = packs(tmp_path), list(backup.parent.glob("documents/*/*"))
    for path, at in ((pack, 5000), (pack, -40), (document, 7), (backup, -3)):
        _flip(path, at)
        assert list(faults(backup))
        with pytest.raises(StoreError, match="cannot be restored"):
            restore(tmp_path, backup, _now())
        _flip(path, at)
    assert list(faults(backup)) == []


async def test_a_copy_of_a_document_that_cannot_be_read_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad sector of the disk stops no later backup, and a restore names the file."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, "Zorblatt")
        backups = Backups(stage.store, tmp_path)
        backup = await backups.take()
        [document] = backup.parent.glob("documents/*/*")
        read = Path.read_bytes

        def broken(path: Path) -> bytes:
            if path == document:
                raise OSError(5, "Input/output error")
            return read(path)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_bytes", broken)
            assert list(faults(backup)) == [f"{document} cannot be read: Input/output error"]
            with pytest.raises(StoreError, match=f"{document} cannot be read"):
                restore(tmp_path / "other", backup, _now(), signed_by=ANY_SIGNER)
            assert document.exists()
            assert list(faults(backup, discard=True)) != []
        assert not document.exists()
        assert list(faults(await backups.take())) == list(faults(backup)) == []


@pytest.mark.parametrize("damage", [b"", b"{}\n", None], ids=["empty", "another", "cut"])
async def test_a_damaged_list_stops_no_later_backup(damage: bytes | None, tmp_path: Path) -> None:
    """The next continues from the newest whole one."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backups = Backups(stage.store, tmp_path)
        older = await backups.take()
        await _enter(stage, 1)
        newest = await backups.take()
        newest.write_bytes(newest.read_bytes()[:-3] if damage is None else damage)
        backup = await backups.take()
        assert verified(backup).faults == verified(older).faults == ()
        assert set(read_header(older).packs) <= set(read_header(backup).packs)


async def test_a_backup_that_another_wrote_is_not_restored(tmp_path: Path) -> None:
    """Hashes can be computed by anybody; the box's signature cannot."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backup = await Backups(stage.store, tmp_path).take()
    manifest = read_manifest(backup)
    earlier = manifest.header.taken - timedelta(days=1)
    forged = manifest.header.model_copy(update={"taken": earlier})
    replace(manifest, header=forged).write(backup)
    with pytest.raises(StoreError, match="was changed after the box wrote it"):
        restore(tmp_path, backup, _now())


async def test_damage_of_the_database_is_found_by_a_backup(tmp_path: Path) -> None:
    """One value that SQLite's own check cannot see breaks the seal: the backup does not count."""
    async with staged(tmp_path) as stage:
        await stage.open()
        await _enter(stage, 2)
        where = "revision = (SELECT max(revision) FROM events)"
        db = stage.store._db.conn
        content = bytearray(db.execute(f"SELECT content FROM events WHERE {where}").fetchone()[0])
        content[-1] ^= 1
        db.execute(f"UPDATE events SET content = ? WHERE {where}", [bytes(content)])
        with pytest.raises(BackupError, match="is damaged"):
            await Backups(stage.store, tmp_path).take()
    assert existing(tmp_path) == []
    assert packs(tmp_path) == []


async def test_only_what_changed_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second backup writes the pages that differ, each once, and no document again."""
    read = list[bytes]()

    def note(point: Point) -> None:
        if point is Point.BACKING_UP:
            read.append((tmp_path / "handrail.sqlite").read_bytes())

    monkeypatch.setattr(failpoints, "reached", note)
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, "Zorblatt")
        await _enter(stage, 200)
        backups = Backups(stage.store, tmp_path)
        first = read_header(await backups.take())
        await _enter(stage, 3)
        second = read_header(await backups.take())
    before, after = read
    size = second.page_size
    changed = sum(
        before[at : at + size] != after[at : at + size] for at in range(0, len(after), size)
    )
    lists = sum(path.stat().st_size for path in existing(tmp_path)) + 1000
    assert second.written <= changed * (size + 32) + lists < first.written
    assert len(list((tmp_path / "backups").glob("documents/*/*"))) == 1


async def test_no_key_is_in_a_pack(tmp_path: Path) -> None:
    """Not one of hundreds, in a table of several pages; the database stays whole all the same."""
    async with staged(tmp_path) as stage:
        await stage.open()
        rows = [(f"session:s-{n:06}", bytes([n % 251]) * 20 + b"wrapped") for n in range(700)]
        stage.store._db.conn.executemany("INSERT INTO keys VALUES (?,?)", rows)
        keys = stage.store.wrapped_keys()
        backup = await Backups(stage.store, tmp_path).take()
    whole = b"".join(path.read_bytes() for path in packs(tmp_path))
    assert not [name for name, key in keys.items() if key in whole]
    assert b"session:s-000699" in whole
    assert verified(backup).faults == ()


async def test_a_purge_may_come_at_any_time(tmp_path: Path) -> None:
    """While pages are read the file does not change, unless a purge cannot wait."""
    async with staged(tmp_path) as stage:
        await stage.open()
        interrupted = Event()
        with stage.store.copied(interrupted.set):
            before = (tmp_path / "handrail.sqlite").read_bytes()
            await _enter(stage, 5)
            assert not stage.store.checkpoint()
            assert (tmp_path / "handrail.sqlite").read_bytes() == before
            assert not interrupted.is_set()
            stage.store.scrub()
            assert interrupted.is_set()
            assert (tmp_path / "handrail.sqlite").read_bytes() != before


async def test_a_large_write_ahead_log_interrupts_a_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not grow for as long as a slow disk is read."""
    monkeypatch.setattr(storing, "_MAX_FROZEN_BYTES", 20_000)
    async with staged(tmp_path) as stage:
        await stage.open()
        stage.store.checkpoint(empty=True)
        interrupted = Event()
        with stage.store.copied(interrupted.set):
            assert not stage.store.checkpoint()
            await _enter(stage, 100)
            assert stage.store.checkpoint()
            assert interrupted.is_set()


@pytest.mark.parametrize("phase", OF_A_BACKUP)
async def test_a_backup_that_ends_in_any_phase_leaves_the_others_whole(
    phase: Point, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it stays, or all of it; the next one is complete."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        backups = Backups(stage.store, tmp_path)
        older = await backups.take()
        await enter_everything(stage, "Zorblatt")

        def fail(point: Point) -> None:
            if point is phase:
                raise OSError(None, "broken")

        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "reached", fail)
            with pytest.raises(BackupError, match="broken"):
                await backups.take()
        assert not list((tmp_path / "backups").rglob("*.new"))
        named = {name for path in existing(tmp_path) for name in read_header(path).packs}
        assert {path.stem for path in packs(tmp_path)} == named
        assert list(faults(older)) == []
        newer = await backups.take()
        assert verified(newer).faults == ()
        assert list(newer.parent.glob("documents/*/*"))
