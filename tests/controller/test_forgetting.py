"""What the box forgets by itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from session_controller.storage.entities import Code, CodeKind, StoredAnswer
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def test_answers_and_codes_are_forgotten_after_a_day(tmp_path: Path) -> None:
    """A request of yesterday's is not looked up any more, nor is a code that long expired."""
    store = Store(tmp_path)
    batch = Transaction()
    for name, at in (("old", NOW - timedelta(days=2)), ("new", NOW)):
        batch.answers.append(StoredAnswer("d", name, at, "{}"))
        batch.codes[name] = Code(name, CodeKind.DEVICE, "d", at)
    store.write(batch)
    store.sync(batch)
    store.prune(NOW - timedelta(days=1))
    assert store.answer("d", "old") is None
    assert store.answer("d", "new") == "{}"
    assert [c.code_hash for c in store.open_codes(NOW - timedelta(days=3))] == ["new"]
    store.close()
