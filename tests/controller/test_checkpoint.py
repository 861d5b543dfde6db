"""The write-ahead log: begun anew within its file, bounded, and empty where that was asked for."""

import sqlite3
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from session_controller.service.jobs import maintenance
from session_controller.service.jobs.maintenance import Maintenance
from session_controller.storage.store import Store
from tests.faults.loopback import staged


def test_a_checkpoint_keeps_the_file_and_begins_it_anew(tmp_path: Path) -> None:
    """What was moved is written over: the file does not grow with each checkpoint."""
    store, log = Store(tmp_path), tmp_path / "handrail.sqlite-wal"
    sizes = []
    for number in range(5):
        store.set_meta("note", str(number))
        assert store.checkpoint()
        sizes.append(log.stat().st_size)
    assert sizes[-1] == sizes[0] > 0
    store.close()


def test_each_commit_is_synced(tmp_path: Path) -> None:
    """With NORMAL in place of FULL, SQLite syncs at checkpoints, and a power cut loses commits."""
    store, full = Store(tmp_path), 2
    assert store._db.execute("PRAGMA synchronous").fetchone()[0] == full
    store.close()


def test_the_file_that_is_kept_is_bounded(tmp_path: Path) -> None:
    """Once a large log was moved, the next commit cuts the file."""
    store, log = Store(tmp_path), tmp_path / "handrail.sqlite-wal"
    store.set_meta("note", "x" * (20 << 20))
    assert log.stat().st_size > 20 << 20
    assert store.checkpoint()
    store.set_meta("other", "")
    assert log.stat().st_size <= 16 << 20
    store.close()


def test_a_large_log_is_moved_though_somebody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few commits that hold much, such as documents, are as good a reason as many."""
    monkeypatch.setattr(maintenance, "MAX_LOG_BYTES", 1 << 20)
    store = Store(tmp_path)
    upkeep = Maintenance(store, None, lambda: datetime.now(UTC), lambda: 0.0)
    assert not upkeep.is_due(idle=False)
    store.set_meta("note", "x" * (2 << 20))
    assert upkeep.is_due(idle=False)
    store.close()


def test_a_purge_leaves_no_byte_in_it(tmp_path: Path) -> None:
    """Not even of what was moved before."""
    store, log = Store(tmp_path), tmp_path / "handrail.sqlite-wal"
    store.set_meta("note", "x")
    assert store.checkpoint()
    store.scrub()
    assert log.stat().st_size == 0
    store.close()


async def test_a_lone_command_writes_two_pages(tmp_path: Path) -> None:
    """One of the log and one of its index; now and then more, where a page is full."""
    async with staged(tmp_path) as stage:
        await stage.open()
        stage.store.checkpoint(empty=True)
        sizes = [0]
        for number in range(100):
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value=f"Ada {number}")
            await stage.service.settled()
            sizes.append(stage.store.log_bytes)
    frame, header = 4096 + 24, 32
    pages = [round((now - before - header) / frame) for before, now in pairwise(sizes)]
    assert sorted(pages)[len(pages) // 2] == 2
    assert sum(pages) < 2.5 * len(pages)


def test_commands_share_a_checkpoint(tmp_path: Path) -> None:
    """Each that comes alone would write its pages once more; so do they after a while only."""
    store = Store(tmp_path)
    upkeep = Maintenance(store, None, lambda: datetime.now(UTC), lambda: 0.0)
    assert upkeep.is_due(idle=True), "the file may have been left too large"
    upkeep.run()
    for _ in range(maintenance._IDLE_COMMITS):
        assert not upkeep.is_due(idle=True)
        upkeep.commits += 1
    assert upkeep.is_due(idle=True)
    assert not upkeep.is_due(idle=False)
    upkeep.run()
    assert not upkeep.is_due(idle=True)
    store.close()


def test_a_backup_on_a_full_disk_does_not_wait(tmp_path: Path) -> None:
    """What passes is waited for: a transaction that is being written, or a reader."""
    store = Store(tmp_path)
    store.set_meta("note", "x")

    class Full:
        def execute(self, _: str) -> None:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    real, store._db.conn = store._db.conn, cast("Any", Full())
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        store._freeze()
    store._db.conn = real
    store.close()
