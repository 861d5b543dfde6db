"""A document is looked at before it counts; whoever sends more meanwhile is answered in order."""

import asyncio
import json
import sqlite3
import threading
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from schemas.topics import StateTopic
from schemas.wire.views import DocumentStatus
from session_controller.media.outcome import Inspected, Unfit
from session_controller.settings import Settings
from session_controller.storage.entities import Chunk
from session_controller.storage.transaction import Transaction
from tests.controller.entering import enter_step_one, looked, take_as_it_is, upload
from tests.faults.loopback import Stage, staged
from tests.pictures import png
from tests.waiting import turns

PICTURE = png(3_000)


class Door:
    """An inspection that waits to be opened."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.open = asyncio.Event()
        self.looks = 0

    async def inspect(
        self, data: bytes, media_type: str, allowed: tuple[str, ...]
    ) -> Inspected | Unfit:
        """Wait, then take the document as it is."""
        self.looks += 1
        self.begun.set()
        await self.open.wait()
        return await take_as_it_is(data, media_type, allowed)


def refusals(stage: Stage) -> list[tuple[int, str]]:
    """Return the rejections that the patient's screen received."""
    begins = f"/sessions/{stage.session}/rejections/kiosk"
    found = [json.loads(p) for topic, p in stage.link.published if topic.endswith(begins)]
    return [(body["seq"], body["code"]) for body in found]


def acknowledged(stage: Stage) -> int:
    """Return how many of the patient's commands are decided."""
    state = stage.store.state(stage.session)
    assert state is not None
    return state.acknowledged["kiosk"]


async def test_what_a_screen_says_during_a_look_waits_and_is_answered_in_order(tmp_path) -> None:
    """No gap is seen, nothing is lost, and the other screen is not held up."""
    door = Door()
    async with staged(tmp_path, inspect=door.inspect) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "photo", PICTURE)
        before = acknowledged(stage)
        finish = stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
        await asyncio.wait_for(door.begun.wait(), 20)
        stage.again("kiosk", finish)
        stage.say("kiosk", "FOCUS_FIELD", field_id="what-changed")
        stage.say("kiosk", "ASK_FOR_HELP")
        stage.say("desk", "HIGHLIGHT_FIELD", field_id="what-changed")
        await stage.service.settled()
        assert acknowledged(stage) == before
        state = stage.store.state(stage.session)
        assert state is not None
        assert state.highlight == "what-changed"
        door.open.set()
        await looked(stage)
        assert acknowledged(stage) == before + 3
        assert refusals(stage) == []
        assert door.looks == 1
        state = stage.store.state(stage.session)
        assert state is not None
        assert state.help_requested
        assert state.documents["new-card"].status is DocumentStatus.RECEIVED


async def test_a_document_that_is_unfit_is_refused_and_nothing_stays(tmp_path) -> None:
    """The refusal says why in a word; the upload can begin again under another id."""

    async def unfit(*_: object) -> Unfit:
        return Unfit("pretends")

    async with staged(tmp_path, inspect=unfit) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "photo", PICTURE)
        stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
        await looked(stage)
        assert refusals(stage)[-1][1] == "upload_corrupt"
        body = json.loads(
            [p for t, p in stage.link.published if t.endswith("rejections/kiosk")][-1]
        )
        assert body["details"] == {"reason": "pretends"}
        assert list(stage.store.document_store.names()) == []


async def test_bytes_that_are_not_what_was_announced_are_not_even_looked_at(tmp_path) -> None:
    """The hash is checked first; what can be opened depends on nothing that was not announced."""
    door = Door()
    async with staged(tmp_path, inspect=door.inspect) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        announced = PICTURE[:-1] + b"!"
        await upload(stage, "photo", announced)
        others = [Chunk(stage.session, "photo", 0, PICTURE)]
        stage.store.document_store.append(others, stage.store.cipher)
        stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
        await looked(stage)
        assert refusals(stage)[-1][1] == "upload_corrupt"
        assert door.looks == 0


async def test_a_disk_that_takes_no_document_loses_none(tmp_path, monkeypatch) -> None:
    """The sender hears `unavailable`, nothing is decided, and the same command works later."""
    impatient = Settings(commit_patience=timedelta(0))
    async with staged(tmp_path, inspect=take_as_it_is, settings=impatient) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "photo", PICTURE)
        before = acknowledged(stage)
        with monkeypatch.context() as patch:

            def full(*_: object) -> str:
                raise OSError(28, "No space left on device")

            patch.setattr(stage.store.document_store, "keep", full)
            finish = stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
            await looked(stage)
        assert refusals(stage)[-1] == (before + 1, "unavailable")
        assert acknowledged(stage) == before
        refused = stage.link.delivered[-1]
        assert (refused.acknowledged, refused.given_back) == (0, 1)
        stage.again("kiosk", finish)
        await looked(stage)
        assert acknowledged(stage) == before + 1
        state = stage.store.state(stage.session)
        assert state is not None
        assert state.documents["new-card"].status is DocumentStatus.RECEIVED


async def test_a_box_that_stops_during_a_look_takes_the_document_after_its_start(tmp_path) -> None:
    """What was held was never acknowledged: the screen sends it again."""
    door = Door()
    async with staged(tmp_path, inspect=door.inspect) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "photo", PICTURE)
        finish = stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
        await asyncio.wait_for(door.begun.wait(), 20)
        session, numbers, history = stage.session, stage.numbers, stage.history
    async with staged(tmp_path, history=history, inspect=take_as_it_is) as stage:
        stage.session, stage.numbers = session, numbers
        stage.again("kiosk", finish)
        await looked(stage)
        state = stage.store.state(session)
        assert state is not None
        assert state.documents["new-card"].stored is not None
        assert stage.store.document(session, state.documents["new-card"]) == PICTURE


@dataclass
class Disk:
    """A file system of this size, for a test to fill."""

    total: int
    free: int


async def test_documents_leave_a_tenth_of_the_disk_free(tmp_path) -> None:
    """The file system is asked at each upload; going on with one counts it once."""
    disk = Disk(total=100_000, free=10_000 + len(PICTURE) - 1)
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        stage.store.document_store.usage = lambda _: disk
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "large", PICTURE)
        assert refusals(stage)[-1][1] == "too_many"
        disk.free += 1
        await upload(stage, "photo", PICTURE)
        await upload(stage, "photo", PICTURE)
        assert [code for _, code in refusals(stage)] == ["too_many"]
        disk.free = 0
        await upload(stage, "photo", PICTURE)
        assert [code for _, code in refusals(stage)] == ["too_many", "too_many"]


async def test_documents_under_way_count_as_if_they_were_stored(tmp_path) -> None:
    """Two uploads that fit one by one, but not both, are not both begun."""
    disk = Disk(total=100_000, free=10_000 + 2 * len(PICTURE) - 1)
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        stage.store.document_store.usage = lambda _: disk
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "first", PICTURE)
        await upload(stage, "second", PICTURE)
        assert refusals(stage)[-1][1] == "too_many"


async def test_that_the_disk_is_full_is_said_to_patient_and_staff(tmp_path) -> None:
    """The patient's view has the refusal, and that of the front desk the field and the reason."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        stage.store.document_store.usage = lambda _: Disk(total=100_000, free=10_000)
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "photo", PICTURE)
        patient, desk = (
            stage.said(StateTopic(stage.session, device))[-1] for device in ("kiosk", "desk")
        )
        message = "This box is out of space for documents. Facility IT can purge old sessions."
        assert patient["refused"][-1]["message"] == message
        assert desk["not_taken"]["new-card"]["message"] == message


async def test_what_a_batch_on_its_way_holds_back_keeps_its_place(tmp_path, monkeypatch) -> None:
    """A look may end while the disk syncs: whoever spoke meanwhile is still answered in order."""
    door, disk = Door(), threading.Event()
    async with staged(tmp_path, inspect=door.inspect) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "photo", PICTURE)
        stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
        await asyncio.wait_for(door.begun.wait(), 20)
        sync = stage.store.sync
        syncing = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slowly(batch: Transaction) -> None:
            loop.call_soon_threadsafe(syncing.set)
            assert disk.wait(20)
            sync(batch)

        monkeypatch.setattr(stage.service._disk, "_sync", slowly)
        monkeypatch.setattr(stage.service._disk, "_wary", 2)
        stage.say("desk", "HIGHLIGHT_FIELD", field_id="what-changed")
        stage.say("kiosk", "ASK_FOR_HELP")
        await asyncio.wait_for(syncing.wait(), 20)
        keep, kept = stage.store.document_store.keep, asyncio.Event()

        def keep_and_tell(*given: Any) -> str:
            name = keep(*given)
            loop.call_soon_threadsafe(kept.set)
            return name

        monkeypatch.setattr(stage.store.document_store, "keep", keep_and_tell)
        door.open.set()
        await asyncio.wait_for(kept.wait(), 20)
        await turns(100)  # every chance to come first
        disk.set()
        await looked(stage)
        assert refusals(stage) == []
        state = stage.store.state(stage.session)
        assert state is not None
        assert state.help_requested


async def test_a_file_of_which_no_document_came_is_removed(tmp_path) -> None:
    """The session ended during the look: what it found is kept nowhere."""
    door = Door()
    async with staged(tmp_path, inspect=door.inspect) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "photo", PICTURE)
        stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
        await asyncio.wait_for(door.begun.wait(), 20)
        stage.say("desk", "CANCEL", reason="Left for lunch")
        await stage.service.settled()
        door.open.set()
        await looked(stage)
        assert list(stage.store.document_store.names()) == []
        assert stage.service._inspections._found == {}


async def test_a_commit_that_fails_needs_no_second_look(tmp_path, monkeypatch) -> None:
    """What a look found counts until a decision is on disk: no file is left of one that was not."""
    door = Door()
    door.open.set()
    async with staged(tmp_path, inspect=door.inspect) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "photo", PICTURE)
        sync, failures = stage.store.sync, iter(range(1))

        def failing_once(batch: Transaction) -> None:
            found = [e for e in batch.events if e.fact.type == "UploadFinished"]
            if found and next(failures, None) is not None:
                stage.store._db.conn.execute("ROLLBACK")
                stage.store._head = stage.store._stored_head
                raise sqlite3.OperationalError("disk I/O error")
            sync(batch)

        monkeypatch.setattr(stage.service._disk, "_sync", failing_once)
        stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
        await looked(stage)
        await stage.retry()
        await looked(stage)
        state = stage.store.state(stage.session)
        assert state is not None
        assert state.documents["new-card"].status is DocumentStatus.RECEIVED
        assert len(list(stage.store.document_store.names())) == 1
        assert door.looks == 1
