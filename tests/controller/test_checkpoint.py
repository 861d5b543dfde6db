"""The write-ahead log: begun anew within its file, bounded, and empty where that was asked for."""

from pathlib import Path

from session_controller.store import Store


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


def test_the_file_that_is_kept_is_bounded(tmp_path: Path) -> None:
    """Once a large log was moved, the next commit cuts the file."""
    store, log = Store(tmp_path), tmp_path / "handrail.sqlite-wal"
    store.set_meta("note", "x" * (20 << 20))
    assert log.stat().st_size > 20 << 20
    assert store.checkpoint()
    store.set_meta("other", "")
    assert log.stat().st_size <= 16 << 20
    store.close()


def test_a_purge_leaves_no_byte_in_it(tmp_path: Path) -> None:
    """Not even of what was moved before."""
    store, log = Store(tmp_path), tmp_path / "handrail.sqlite-wal"
    store.set_meta("note", "x")
    assert store.checkpoint()
    store.scrub(())
    assert log.stat().st_size == 0
    store.close()
