"""Bytes of documents: on disk before the commit of the state that counts them."""

from schemas.topics import RejectionTopic, UploadTopic
from schemas.wire.rejections import Rejection
from schemas.wire.views import DocumentStatus
from session_controller.engine.refusal import Refusal
from session_controller.engine.uploads import OutOfOrder, take_chunk
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Chunk
from session_controller.storage.store import Store


def handle_chunk(work: UnitOfWork, store: Store, topic: UploadTopic, chunk: bytes) -> bool:
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
    one = Chunk(topic.session, topic.upload, int(topic.offset), chunk)
    if not _continues(work, store, one):
        work.restart_upload(topic.session, taken.field_id)
        return False
    work.transaction.chunks.append(one)
    work.record(session, taken, device=topic.device)
    return True


def _continues(work: UnitOfWork, store: Store, chunk: Chunk) -> bool:
    """Return whether the bytes before a chunk are there: in this batch, or on disk."""
    upload = chunk.session, chunk.upload
    if any((c.session, c.upload) == upload for c in work.transaction.chunks):
        return True
    return store.document_store.holds(upload, chunk.offset)


def restart_lost_uploads(work: UnitOfWork, store: Store) -> None:
    """Begin uploads again whose bytes are not there, as after a restore; called at the start."""
    for session in work.open_sessions():
        name = session.state.session
        for field_id, document in session.state.documents.items():
            if document.status is not DocumentStatus.RECEIVING:
                continue
            if not store.document_store.holds((name, document.upload), document.received):
                work.restart_upload(name, field_id)


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
