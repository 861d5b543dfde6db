"""The write-ahead log: begun anew within its file, bounded, and empty where that was asked for."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from session_controller.service.jobs import maintenance
from session_controller.service.jobs.maintenance import Maintenance
from session_controller.storage.store import Store


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
