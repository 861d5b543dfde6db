"""Bytes of documents: kept in the same commit as the state that counts them."""

from schemas.topics import RejectionTopic, UploadTopic
from schemas.wire.rejections import Rejection
from session_controller.engine.refusal import Refusal
from session_controller.engine.uploads import OutOfOrder, take_chunk
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Chunk


def handle_chunk(work: UnitOfWork, topic: UploadTopic, chunk: bytes) -> bool:
    """Keep a chunk if it continues its upload; return whether it was of any use."""
    session = work.session(topic.session)
    if session is None:
        return False
    taken = take_chunk(session, topic.device, topic.upload, topic.offset, len(chunk))
    if taken is None:
        return False
    if isinstance(taken, Refusal):
        _refuse(work, topic, taken)
        return False
    if isinstance(taken, OutOfOrder):
        work.refresh(topic.session, topic.device)
        return taken.duplicate
    chunks = work.transaction.chunks
    chunks.append(Chunk(topic.session, topic.upload, int(topic.offset), chunk))
    work.record(session, taken, device=topic.device)
    return True


def is_early(work: UnitOfWork, topic: UploadTopic, size: int) -> bool:
    """Return whether a chunk continues its upload once the bytes before it are here."""
    session = work.session(topic.session)
    if session is None:
        return False
    taken = take_chunk(session, topic.device, topic.upload, topic.offset, size)
    return isinstance(taken, OutOfOrder) and not taken.duplicate


def _refuse(work: UnitOfWork, topic: UploadTopic, refusal: Refusal) -> None:
    rejection = Rejection(code=refusal.code, message=refusal.message, details=dict(refusal.details))
    work.say(RejectionTopic(topic.session, topic.device), rejection)
    work.count(refusal)
