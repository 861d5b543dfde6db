"""A patient's screen without a socket: values, a photo and a signature for the quick check-in."""

import asyncio
import hashlib

from schemas.topics import UploadTopic
from session_controller.media.outcome import Inspected
from tests.faults.loopback import Stage
from tests.pictures import png

STROKES = [[[0.1, 0.2, 0], [0.5, 0.25, 16], [0.9, 0.2, 33]]]


async def looked(stage: Stage) -> None:
    """Wait until no document is being looked at any more, and all that waited for it is done."""
    await stage.service.settled()
    while stage.service._inspections._tasks:
        await asyncio.wait(stage.service._inspections._tasks)
        await stage.service.settled()


async def upload(
    stage: Stage,
    name: str,
    document: bytes,
    media_type: str = "image/png",
    *,
    whole: bytes | None = None,
) -> None:
    """Send a document's announcement and bytes, not its end; `whole`: they are its first ones."""
    whole = whole or document
    stage.say(
        "kiosk",
        "BEGIN_UPLOAD",
        field_id="new-card",
        upload=name,
        size=len(whole),
        sha256=hashlib.sha256(whole).hexdigest(),
        media_type=media_type,
    )
    for offset in range(0, len(document), 65_536):
        topic = UploadTopic(stage.session, "kiosk", name, str(offset)).under("main")
        stage.link.deliver(topic, document[offset : offset + 65_536])
    await stage.service.settled()


async def enter_step_one(stage: Stage, value: str) -> None:
    """Fill the first step in, and go to the second."""
    stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value=value)
    stage.say("kiosk", "ENTER_FIELD", field_id="birth-date", value="1990-02-01")
    stage.say("desk", "NAVIGATE", step_id="changes")
    stage.say("kiosk", "ENTER_FIELD", field_id="anything-changed", value=True)
    stage.say("kiosk", "ENTER_FIELD", field_id="what-changed", value=f"{value} moved")
    await stage.service.settled()


async def enter_photo(stage: Stage, name: str, *, seed: int) -> None:
    """Upload a photo to its end; the first step is filled in where that is still to be done."""
    state = stage.store.state(stage.session)
    assert state is not None
    if state.step_index == 0:
        await enter_step_one(stage, "Ada")
    await upload(stage, name, png(2_000 + seed))
    stage.say("kiosk", "FINISH_UPLOAD", upload=name)
    await looked(stage)


async def enter_everything(stage: Stage, value: str) -> None:
    """Enter values, a photo and a signature."""
    await enter_step_one(stage, value)
    await enter_photo(stage, "photo", seed=3)
    stage.say("desk", "NAVIGATE", step_id="agreement")
    stage.say("kiosk", "REPORT_READING", field_id="treatment-consent", fraction=1)
    stage.say("desk", "REQUEST_SIGNATURE", field_id="signature")
    await stage.service.settled()
    state = stage.store.state(stage.session)
    assert state is not None
    stage.say(
        "kiosk",
        "SUBMIT_SIGNATURE",
        field_id="signature",
        strokes=STROKES,
        document_sha256=state.signatures["signature"].document_sha256,
        printed_name=value,
    )
    await stage.service.settled()
    state = stage.store.state(stage.session)
    assert state is not None
    assert state.signatures["signature"].status == "signed"
    assert state.documents["new-card"].stored is not None


async def take_as_it_is(data: bytes, media_type: str, _: tuple[str, ...]) -> Inspected:
    """Look at a document without looking: for tests of what comes before and after."""
    return Inspected(media_type=media_type, data=data)
