"""What the box does by itself, in between, must not be felt on the wire."""

import threading
from typing import Any

import pytest

from session_controller.store import Store
from tests.conftest import RunningBox

from .forms import VISIT
from .raw import Pair, Room


def test_nothing_uses_the_database_while_it_is_checkpointed(
    clinic: Room, box: RunningBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that comes during a checkpoint waits for it, and is answered as ever."""
    pair = Pair(clinic, VISIT)
    inside, go_on, read_inside = threading.Event(), threading.Event(), []
    checkpoint, answer = Store.checkpoint, Store.answer

    def slow_checkpoint(store: Store) -> None:
        inside.set()
        go_on.wait(5)
        inside.clear()
        checkpoint(store)

    def watched_answer(store: Store, device: str, request_id: str) -> Any:
        read_inside.append(inside.is_set())
        return answer(store, device, request_id)

    monkeypatch.setattr(Store, "checkpoint", slow_checkpoint)
    monkeypatch.setattr(Store, "answer", watched_answer)
    pair.enter(name="Ada")
    assert inside.wait(5), "the box checkpoints when it has nothing to do"
    threading.Timer(0.1, go_on.set).start()
    pair.staff.sync(pair.session)
    assert read_inside
    assert not any(read_inside)
    assert box.box.counters.get("bugs", 0) == 0
