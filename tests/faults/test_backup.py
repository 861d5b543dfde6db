"""Backups: taken under load, whole, rotated; and restores, after which everybody agrees again."""

import asyncio
import sqlite3
import stat
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from session_controller import restoring
from session_controller.backups import BackupError, BackupPlan, Backups, advice, existing
from session_controller.errors import KeyringError, StoreBusyError, StoreDamagedError, StoreError
from session_controller.keyring import KEYRING
from session_controller.opening import RESTORING
from session_controller.restoring import restore
from session_controller.store import Store
from session_controller.verification import verify

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
    verified = verify(path)
    assert verified.faults == ()
    assert verified.sessions == 1
    assert verified.events >= acknowledged
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verify(tmp_path / "handrail.sqlite").events >= verified.events


async def test_only_so_many_are_kept(tmp_path: Path) -> None:
    """The oldest go, the newest stay; drafts of a killed box are cleared away."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backups = Backups(stage.store, tmp_path, BackupPlan(keep=2))
        taken = []
        for _ in range(3):
            (tmp_path / "backups").mkdir(exist_ok=True)
            (tmp_path / "backups" / "handrail-x.new").write_bytes(b"torn")
            taken.append(await backups.take())
    assert existing(tmp_path) == [taken[2], taken[1]]
    names = {path.name for path in (tmp_path / "backups").iterdir()}
    assert names == {taken[1].name, taken[2].name, KEYRING}


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
    assert verify(done.replaced / "handrail.sqlite").events > verify(backup).events
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
    """A torn backup, and a database that is none, leave everything as it is."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backup = await Backups(stage.store, tmp_path).take()
    before = (tmp_path / "handrail.sqlite").read_bytes()
    torn, alone = backup.with_name("torn"), tmp_path / "without-its-keyring"
    torn.write_bytes(backup.read_bytes()[:-5000])
    alone.write_bytes(backup.read_bytes())
    for wrong in (torn, alone, tmp_path / "handrail.sqlite"):
        with pytest.raises((StoreError, KeyringError)):
            restore(tmp_path, wrong, _now())
    assert (tmp_path / "handrail.sqlite").read_bytes() == before
    Store(tmp_path).close()


@pytest.mark.parametrize(
    ("step", "nth"),
    [("_put_aside", 1), ("sync_folder", 2), ("sync_folder", 3)],
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


async def test_the_advice_names_the_newest_whole_backup(tmp_path: Path) -> None:
    """A damaged newest one is passed over."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backups = Backups(stage.store, tmp_path)
        older, newer = await backups.take(), await backups.take()
    content = bytearray(newer.read_bytes())
    content[4096:8192] = b"\xff" * 4096
    newer.write_bytes(content)
    assert str(older) in advice(tmp_path)
    assert str(newer) not in advice(tmp_path)


async def test_a_changed_value_in_a_backup_is_found(tmp_path: Path) -> None:
    """One bit that SQLite's own check cannot see breaks the seal, and the chain."""
    async with staged(tmp_path) as stage:
        await stage.open()
        await _enter(stage, 2)
        backup = await Backups(stage.store, tmp_path).take()
    with sqlite3.connect(backup) as db:
        where = "revision = (SELECT max(revision) FROM events)"
        content = bytearray(db.execute(f"SELECT content FROM events WHERE {where}").fetchone()[0])
        content[-1] ^= 1
        db.execute(f"UPDATE events SET content = ? WHERE {where}", [bytes(content)])
    db.close()
    assert verify(backup).faults
