"""Requests for records, copies for patients, documents, keys and signatures of the log."""

from schemas.base import Role
from schemas.topics import MAX_CHUNK, DocumentTopic
from schemas.wire import exports as g
from schemas.wire.destinations import format_of
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import SessionStatus
from session_controller.audit.events import CopyLinkCreated
from session_controller.engine import membership
from session_controller.engine.refusal import UNKNOWN_SESSION, Refusal
from session_controller.engine.state import Document, SessionState
from session_controller.export.order import ExportOrder
from session_controller.service.copy_links import LASTS, CopyLink, hash_of
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device
from session_controller.storage.store import Store

_CHUNKS = 16
"""Of one READ_EXPORT: a megabyte, which any queue of a broker takes."""


_ONLY_RECORDS = Refusal(
    RejectionCode.NOT_ALLOWED_FOR_ROLE,
    "A front-desk screen reads the PDF of completed sessions only.",
)
_NOT_OFFERED = Refusal(
    RejectionCode.UNAVAILABLE, "This box offers patients no copies; please ask our staff for one."
)
_GONE_ON = Refusal(
    RejectionCode.UNAVAILABLE,
    "This screen is in another check-in now; please ask our staff for a copy.",
)


def export_session(
    work: UnitOfWork, store: Store, device: Device, request: g.ExportSession
) -> Refusal | None:
    """Order a record; the answer comes when it is ready."""
    live = work.session(request.session)
    state = live.state if live else store.state(request.session)
    if state is None:
        return UNKNOWN_SESSION
    if device.role is Role.FACILITY and not _is_record(request, state):
        return _ONLY_RECORDS
    work.exports.append(
        ExportOrder(
            device=device.device,
            person=work.who(device.device),
            request_id=request.request_id,
            session=request.session,
            format=request.format,
            field_id=request.field_id,
            paper=request.paper,
            at=work.at,
        )
    )
    return None


def _is_record(request: g.ExportSession, state: SessionState) -> bool:
    """Return whether it is what staff may print: the whole record, once it is submitted."""
    return request.format == "pdf" and state.status is SessionStatus.COMPLETED


def export_delivery(
    work: UnitOfWork, store: Store, device: Device, request: g.ExportDelivery
) -> Refusal | None:
    """Order a record as it is delivered; the answer comes when it is ready."""
    destination = work.registry.destinations.named(request.destination)
    state = store.state(request.session)
    if state is None:
        return UNKNOWN_SESSION
    if destination is None:
        message = f"There is no destination {request.destination}."
        return Refusal(RejectionCode.UNAVAILABLE, message)
    if state.status is not SessionStatus.COMPLETED:
        return Refusal(RejectionCode.UNAVAILABLE, "Only completed sessions are delivered.")
    work.exports.append(
        ExportOrder(
            device=device.device,
            person=work.who(device.device),
            request_id=request.request_id,
            session=request.session,
            format=format_of(destination),
            field_id=None,
            paper="us-letter",
            at=work.at,
            delivered=True,
        )
    )
    return None


def read_export(
    work: UnitOfWork, _: Store, device: Device, request: g.ReadExport
) -> g.RecordAnswer | Refusal:
    """Send some of an export; to its end, in as many requests as the reader likes."""
    export = work.registry.exports.get(device.device, request.export, work.steady_s)
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


def create_copy_link(
    work: UnitOfWork, _: Store, device: Device, request: g.CreateCopyLink
) -> g.RecordAnswer | Refusal:
    """Create a link that works once, for the patient of a completed session."""
    if not work.registry.offers_copies:
        return _NOT_OFFERED
    session = work.session(request.session)
    if session is None:
        return UNKNOWN_SESSION
    if refusal := membership.may_take_copy(session.state, device):
        return refusal
    if work.assigned_to(device.device) is not None:
        return _GONE_ON
    token = work.registry.copy_links.token(device.device, request.session, request.request_id)
    screen = session.state.patient_screen
    work.copy_links.append(
        CopyLink(
            token_hash=hash_of(token),
            session=request.session,
            device=device.device,
            language=screen.language if screen else None,
            until_s=work.steady_s + LASTS.total_seconds(),
        )
    )
    work.note(CopyLinkCreated(), device=device.device, session=request.session)
    return g.CopyLink(
        request_id=request.request_id, path=f"/copy#{token}", expires_at=work.at + LASTS
    )


def list_documents(
    work: UnitOfWork, store: Store, _: Device, request: g.ListDocuments
) -> g.RecordAnswer | Refusal:
    """List a session's documents: what they are, nothing of what is in them."""
    live = work.session(request.session)
    state = live.state if live else store.state(request.session)
    if state is None:
        return UNKNOWN_SESSION
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


def rotate_key(work: UnitOfWork, _: Store, device: Device, request: g.RotateKey) -> None:
    """Order that all keys are wrapped anew; the answer comes when that is on disk."""
    work.rotations.append(work.asked(device.device, request.request_id))


def sign_log(work: UnitOfWork, _: Store, device: Device, request: g.SignLog) -> None:
    """Order a signature of the log's head; the answer comes when that is on disk."""
    work.receipts.append(work.asked(device.device, request.request_id))
