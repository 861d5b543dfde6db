"""How often a document is written on its way: bytes that system calls write, for each of its own.

Counted are all files: the upload's, the document's, the write-ahead log and the database.
"""

import asyncio
import hashlib
import random
from pathlib import Path

import pikepdf
import pytest
from PIL import Image

from schemas.questionnaire.load import load_flow
from schemas.topics import MAX_CHUNK, UploadTopic
from session_controller.media.inspection import inspect
from session_controller.media.outcome import Inspected, Unfit
from tests.contract.forms import form, item
from tests.controller.entering import looked
from tests.faults.loopback import Stage, staged
from tests.media.samples import exif, pdf, written

from .test_years import counting

_FLOW = load_flow(form("papers", item("step", "group", item=[item("card", "attachment")])))
_SIZE = 2_000_000
_PHOTO = Image.frombytes("RGB", (1600, 1200), random.Random(1).randbytes(1600 * 1200 * 3))
_BATCH_BYTES = 12_000
"""Of the database for each chunk that is a batch of its own: two pages of 4 KiB with their headers,
and now and then a session's state."""


def _scan(document: pikepdf.Pdf) -> None:
    document.Root.Scan = document.make_stream(random.Random(2).randbytes(_SIZE))


async def _inspect(data: bytes, media_type: str, allowed: tuple[str, ...]) -> Inspected | Unfit:
    """Look at a document in this process: a pipe to another one would be counted, too."""
    return await asyncio.to_thread(inspect, data, media_type, allowed)


async def _begin(stage: Stage, data: bytes, media_type: str) -> None:
    stage.say(
        "kiosk",
        "BEGIN_UPLOAD",
        field_id="card",
        upload="photo",
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=media_type,
    )
    await stage.service.settled()


async def _send(stage: Stage, data: bytes) -> None:
    """Send each chunk alone: together, they share pages of the write-ahead log."""
    for offset in range(0, len(data), MAX_CHUNK):
        topic = UploadTopic(stage.session, "kiosk", "photo", str(offset)).under("main")
        stage.link.deliver(topic, data[offset : offset + MAX_CHUNK])
        await stage.service.settled()


@pytest.mark.parametrize(
    ("document", "media_type", "most"),
    [
        (pdf(_scan), "application/pdf", 1.5),
        (written(_PHOTO, "JPEG", quality=93), "image/jpeg", 1.5),
        (written(_PHOTO, "JPEG", quality=93, exif=exif()), "image/jpeg", 2.2),
    ],
    ids=["PDF", "JPEG without metadata", "JPEG with metadata"],
)
async def test_a_document_is_written_once(
    tmp_path: Path, document: bytes, media_type: str, most: float
) -> None:
    """A picture that is stored without its metadata is written twice; and little else is."""
    assert 0.9 * _SIZE < len(document) < 1.2 * _SIZE
    chunks = -(-len(document) // MAX_CHUNK)
    async with staged(tmp_path, inspect=_inspect) as stage:
        await stage.open(_FLOW)
        stage.store.checkpoint()
        with counting() as whole:
            await _begin(stage, document, media_type)
            with counting() as sending:
                await _send(stage, document)
            stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
            await looked(stage)
            stage.store.checkpoint()
        state = stage.store.state(stage.session)
        assert state is not None
        assert state.documents["card"].stored is not None
    assert 1 < whole.written / len(document) <= most
    assert sending.written - len(document) < chunks * _BATCH_BYTES
