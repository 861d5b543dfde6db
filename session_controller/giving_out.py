"""Facility IT's requests for records, documents, keys and signatures of the log."""

from schemas import given_out as g
from schemas.rejections import RejectionCode
from schemas.topics import MAX_CHUNK, DocumentTopic
from session_controller.engine.refusal import Refusal
from session_controller.engine.state import Document
from session_controller.records import Device
from session_controller.store import Store
from session_controller.work import ExportOrder, Work

_CHUNKS = 16
"""Of one READ_EXPORT: a megabyte, which any queue of a broker takes."""
_UNKNOWN = Refusal(RejectionCode.UNKNOWN_SESSION, "There is no such session.")


def export_session(
    work: Work, store: Store, device: Device, request: g.ExportSession
) -> Refusal | None:
    """Have a record made; it is answered when it is ready."""
    if not store.knows(request.session):
        return _UNKNOWN
    work.exports.append(
        ExportOrder(
            device=device.device,
            request_id=request.request_id,
            session=request.session,
            format=request.format,
            field_id=request.field_id,
            paper=request.paper,
            at=work.at,
        )
    )
    return None


def read_export(
    work: Work, _: Store, device: Device, request: g.ReadExport
) -> g.RecordAnswer | Refusal:
    """Send some of an export; to its end, in as many requests as the reader likes."""
    export = work.world.exports.get(device.device, request.export, work.steady_s)
    if export is None or export.seal.session != request.session:
        return Refusal(RejectionCode.UNAVAILABLE, "This export is over; make it again.")
    end = min(request.offset + _CHUNKS * MAX_CHUNK, len(export.data))
    for offset in range(request.offset, end, MAX_CHUNK):
        place = DocumentTopic(request.session, device.device, request.export, str(offset))
        work.say(place, export.data[offset : min(offset + MAX_CHUNK, end)])
    return g.ExportRead(
        request_id=request.request_id,
        export=request.export,
        offset=request.offset,
        sent=max(end - request.offset, 0),
    )


def list_documents(
    work: Work, store: Store, _: Device, request: g.ListDocuments
) -> g.RecordAnswer | Refusal:
    """List a session's documents: what they are, nothing of what is in them."""
    live = work.session(request.session)
    state = live.state if live else store.state(request.session)
    if state is None:
        return _UNKNOWN
    lines = tuple(_line(field_id, d) for field_id, d in state.documents.items())
    return g.Documents(request_id=request.request_id, session=request.session, documents=lines)


def _line(field_id: str, document: Document) -> g.DocumentLine:
    kept = document.stored
    return g.DocumentLine(
        field_id=field_id,
        status=document.status,
        media_type=kept.media_type if kept else document.media_type,
        size=kept.size if kept else document.size,
        sha256=kept.sha256 if kept else document.sha256,
        original_sha256=document.sha256,
        received_at=document.received_at,
    )


def rotate_key(work: Work, _: Store, device: Device, request: g.RotateKey) -> None:
    """Have all keys wrapped anew; it is answered when that is on disk."""
    work.rotations.append((device.device, request.request_id))


def sign_log(work: Work, _: Store, device: Device, request: g.SignLog) -> None:
    """Have the log's head signed; it is answered when that is on disk."""
    work.receipts.append((device.device, request.request_id))
