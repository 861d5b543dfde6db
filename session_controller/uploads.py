"""Bytes of documents: taken in order from `received` on, kept in the same commit as the state."""

from schemas.rejections import Rejection, RejectionCode
from schemas.topics import MAX_CHUNK, RejectionTopic, UploadTopic
from schemas.views import DocumentStatus
from session_controller.engine.facts import UploadProgressed
from session_controller.engine.moves import Phase, phase_of
from session_controller.records import Chunk
from session_controller.work import Work

_DIGITS = 13
"""Of an offset: below the largest size that BEGIN_UPLOAD takes."""


def handle_chunk(work: Work, topic: UploadTopic, payload: bytes) -> bool:
    """Keep a chunk that goes on where the upload stands; tells whether it was of any use.

    A chunk that is here already, or that leaves a gap, changes nothing: the view says from where
    to go on. Only a chunk that can never be taken is refused.
    """
    work.excuse(RejectionTopic(topic.session, topic.device))
    session = work.session(topic.session)
    if session is None or session.state.patient != topic.device:
        return False
    found = session.upload(topic.upload)
    if found is None or not (topic.offset.isdecimal() and len(topic.offset) <= _DIGITS):
        return False
    field_id, document = found
    if document.status is not DocumentStatus.RECEIVING or phase_of(session.state) is Phase.ENDED:
        return False
    offset = int(topic.offset)
    if len(payload) > MAX_CHUNK or offset + len(payload) > document.size:
        _refuse(work, topic)
        return False
    if offset != document.received or not payload:
        work.refresh(topic.session, topic.device)
        return offset < document.received
    work.batch.chunks.append(Chunk(topic.session, topic.upload, offset, payload))
    fact = UploadProgressed(field_id=field_id, received=offset + len(payload))
    work.record(session, fact, device=topic.device)
    return True


def _refuse(work: Work, topic: UploadTopic) -> None:
    rejection = Rejection(
        code=RejectionCode.TOO_LARGE,
        message="This is more than was announced, or than one message may hold.",
        details={"limit": MAX_CHUNK},
    )
    work.say(RejectionTopic(topic.session, topic.device), rejection)
