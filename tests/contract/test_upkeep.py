"""What the box does by itself, in between, must not be felt on the wire."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from session_controller.settings import Settings
from session_controller.storage.store import Store
from tests.conftest import RunningBox, StartBox

from .forms import VISIT
from .raw import ROOT, Pair, Room, on, room


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


def test_a_screen_at_which_nobody_answers_is_locked(start_box: StartBox, tmp_path: Path) -> None:
    """REPORT_IDLE, and after the site's time a view without values, until the host shows it."""
    settings = Settings(screen_lock=timedelta(seconds=1))
    with start_box(tmp_path / "data", settings=settings) as box, room(box.port, box.admins) as here:
        pair = Pair(here, VISIT)
        pair.enter(name="Ada")
        status = f"{ROOT}/controller/status"
        assert pair.patient.wait(on(status)).json["screen_lock_s"] == 1
        pair.fill("REPORT_IDLE", idle=True)
        locked = pair.patient.view(pair.session, lambda v: v["locked"])
        assert (locked["fields"], locked["enabled"]) == ({}, [])
        staff = pair.staff.view(pair.session, lambda v: v["locked"])
        assert staff["patient_idle"]
        lobby = f"{ROOT}/devices/{pair.staff.device}/lobby"
        pair.staff.wait(lambda m: m.topic == lobby and m.json["sessions"][0]["patient_locked"])
        pair.fill("REPORT_IDLE", idle=False)
        assert pair.both()[1]["locked"]
        pair.lead("COVER_SCREEN", covered=False)
        assert pair.both()[1]["fields"]["name"] == {"value": "Ada"}
