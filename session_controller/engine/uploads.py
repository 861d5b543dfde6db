"""Which bytes of a document are taken: in order, from `received` on, no more than was announced."""

from dataclasses import dataclass

from schemas.topics import MAX_CHUNK
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import DocumentStatus
from session_controller.engine.events import UploadProgressed
from session_controller.engine.limits import Limit
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session

_DIGITS = 13
"""Of an offset: below the largest size that BEGIN_UPLOAD takes."""

TOO_LARGE = Refusal(
    RejectionCode.TOO_LARGE,
    "This is more than was announced, or than one message may hold.",
    {"limit": MAX_CHUNK},
    Limit.CHUNK,
)


@dataclass(frozen=True, slots=True)
class OutOfOrder:
    """Bytes that do not continue the upload: the view shows from where to go on."""

    duplicate: bool
    """Whether they were received before; else bytes before them are missing."""


def take_chunk(
    session: Session, device: str, upload: str, offset: str, size: int
) -> UploadProgressed | OutOfOrder | Refusal | None:
    """Decide about `size` bytes from `offset` on; None if nobody waits for them.

    A chunk that was received already, or that leaves a gap, changes nothing. Only one that can
    never be taken is refused.
    """
    state = session.state
    found = session.upload(upload)
    if state.patient != device or state.status.ended or found is None:
        return None
    field_id, document = found
    readable = offset.isdecimal() and len(offset) <= _DIGITS
    if not readable or document.status is not DocumentStatus.RECEIVING:
        return None
    start = int(offset)
    if size > MAX_CHUNK or start + size > document.size:
        return TOO_LARGE
    if start != document.received or not size:
        return OutOfOrder(duplicate=start < document.received)
    return UploadProgressed(field_id=field_id, received=start + size)
