"""`view`: what a device may see of a session. Nothing else makes a view."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import JsonValue

from schemas.base import Role
from schemas.views import (
    DocumentStatus,
    DocumentView,
    FacilityView,
    FieldView,
    Masked,
    ParticipantView,
    PatientView,
    SignatureStatus,
    SignatureView,
    StepStatus,
    StepView,
)
from session_controller.engine.outlook import blocked
from session_controller.engine.session import Session, explain
from session_controller.engine.state import Document, SessionState, Signature


def view(
    session: Session, device: str, *, epoch: int, code: str | None = None
) -> PatientView | FacilityView | None:
    """Give a participant's whole view; None for a device that takes no part.

    `code` is the open pairing code in letters: the state holds only its serial.
    """
    participant = session.state.participants.get(device)
    if participant is None:
        return None
    if participant.role is Role.PATIENT:
        return _patient_view(session, device, epoch)
    return facility_view(session, device, epoch=epoch, code=code)


def _head(session: Session, device: str, epoch: int) -> dict[str, Any]:
    state = session.state
    return {
        "session": state.session,
        "revision": state.revision,
        "epoch": epoch,
        "updated_at": state.updated_at,
        "acknowledged_seq": state.acknowledged.get(device, 0),
        "status": state.shown_status,
        "flow_ref": state.flow_ref,
        "step_id": session.step.step_id,
        "step_index": state.step_index,
        "steps_total": len(session.flow.steps),
        "check_words": state.check_words,
        "highlight": state.highlight,
        "help_requested": state.help_requested,
        "covered": state.covered,
    }


def _patient_view(session: Session, device: str, epoch: int) -> PatientView:
    """Hold the current step alone: values, documents and reading of others stay away."""
    state = session.state
    host = state.participants.get(state.host) if state.host else None
    return PatientView.trusted(
        **_head(session, device, epoch),
        **_entered_here(session),
        reading_seconds=_seconds(state, session.shown_here),
        signature=_current_signature(session, for_staff=False),
        step_signatures=_signatures_here(session),
        host_online=host is not None and host.online,
    )


def facility_view(
    session: Session, device: str, *, epoch: int, code: str | None = None
) -> FacilityView:
    """Give the staff's view, also to who only asks and takes no part."""
    state = session.state
    faults = session.assessment.steps[state.step_index].faults
    return FacilityView.trusted(
        **_head(session, device, epoch),
        label=state.label,
        steps=_steps(session),
        **_entered_anywhere(session),
        reading_seconds=_seconds(state, state.reading_seconds),
        signature=_current_signature(session, for_staff=True),
        signatures=_signatures(session),
        participants=_participants(state),
        missing=tuple(dict.fromkeys(fault.field_id for fault in faults)),
        missing_reason=explain(faults) if faults else None,
        blocked=blocked(session, device),
        patient_focus=state.patient_focus,
        code=code if state.code else None,
        code_expires_at=state.code.expires_at if state.code else None,
    )


def _entered_here(session: Session) -> dict[str, Any]:
    """Give what the patient's screen shows of the answers; the same until one changes."""
    key = ("here", session.step.step_id)
    found = session.shown.get(key)
    if found is None:
        enabled, reading = session.shown_here, session.state.reading
        found = session.shown[key] = {
            "enabled": enabled,
            "fields": _fields(session, enabled, mask=False),
            "documents": _documents(session, enabled),
            "reading": {k: reading[k] for k in enabled if k in reading},
        }
    return found


def _entered_anywhere(session: Session) -> dict[str, Any]:
    """Give what a staff's screen shows of the answers; the same until one changes."""
    found = session.shown.get(("anywhere",))
    if found is None:
        enabled = tuple(session.assessment.enabled_ids)
        found = session.shown["anywhere",] = {
            "enabled": enabled,
            "fields": _fields(session, enabled, mask=True),
            "documents": _documents(session, enabled),
            "reading": session.state.reading,
        }
    return found


def _seconds(state: SessionState, wanted: Iterable[str]) -> Mapping[str, float] | None:
    """Tell how long texts were read; nothing before the patient's screen told any."""
    known = state.reading_seconds
    return {k: known[k] for k in wanted if k in known} or None if known else None


def _current_signature(session: Session, *, for_staff: bool) -> SignatureView | None:
    """Tell of the signature asked for; else of the last one of this step that was answered."""
    state = session.state
    if state.signing:
        return _signature_view(session, state.signing, for_staff=for_staff)
    given = [k for k in session.shown_here if k in state.signatures]
    if not given:
        return None
    newest = max(given, key=lambda k: state.signatures[k].at)
    return _signature_view(session, newest, for_staff=for_staff)


def _signatures_here(session: Session) -> dict[str, SignatureView] | None:
    given = session.state.signatures
    here = [k for k in session.shown_here if k in given] if given else ()
    return {k: _signature_view(session, k, for_staff=False) for k in here} or None


def _signatures(session: Session) -> dict[str, SignatureView]:
    return {k: _signature_view(session, k, for_staff=True) for k in session.state.signatures}


def _signature_view(session: Session, field_id: str, *, for_staff: bool) -> SignatureView:
    signature = session.state.signatures[field_id]
    shown = {
        "field_id": field_id,
        "status": signature.status,
        "document_sha256": signature.document_sha256,
    }
    if signature.status is SignatureStatus.REQUESTED:
        hashes = _document_hashes(session, field_id)
        return SignatureView.trusted(**shown, documents_sha256=hashes)
    who = _who_signed(signature) if for_staff else {}
    return SignatureView.trusted(**shown, **who)


def _document_hashes(session: Session, field_id: str) -> Mapping[str, str] | None:
    """Hash what is to be signed in every language; once, while nothing else is entered."""
    key = ("to sign", field_id)
    if key not in session.shown:
        session.shown[key] = session.documents_sha256(field_id)
    hashes: Mapping[str, str] | None = session.shown[key]
    return hashes


def _who_signed(signature: Signature) -> dict[str, Any]:
    return {
        "at": signature.at,
        "language": signature.language,
        "printed_name": signature.printed_name,
        "relationship": signature.relationship,
        "staff_name": signature.staff_name,
        "reason": signature.reason,
    }


def _fields(session: Session, enabled: Iterable[str], *, mask: bool) -> dict[str, FieldView]:
    state, judged = session.state, session.assessment
    shown = {}
    for field_id in enabled:
        if field_id not in state.answers and field_id not in state.corrections:
            continue
        value = state.answers.get(field_id)
        shown[field_id] = FieldView.trusted(
            value=_masked(session, field_id, value) if mask else value,
            error=judged.errors.get(field_id),
            correction=state.corrections.get(field_id),
        )
    return shown


def _masked(session: Session, field_id: str, value: JsonValue) -> JsonValue | Masked:
    if value is None or not session.assessment.item(field_id).sensitive:
        return value
    return Masked.trusted(length=len(value if isinstance(value, str) else str(value)))


def _documents(session: Session, wanted: Iterable[str]) -> dict[str, DocumentView]:
    documents, attachments = session.state.documents, session.assessment.attachments
    return {f: _document(documents.get(f)) for f in wanted if f in attachments}


def _document(document: Document | None) -> DocumentView:
    if document is None:
        return _MISSING
    kept = document.stored  # what FETCH_DOCUMENT sends; metadata of images is gone
    return DocumentView.trusted(
        status=document.status,
        upload=document.upload,
        received=kept.size if kept else document.received,
        size=kept.size if kept else document.size,
        sha256=kept.sha256 if kept else document.sha256,
        media_type=kept.media_type if kept else document.media_type,
        reason=document.reason,
    )


_MISSING = DocumentView.trusted(status=DocumentStatus.MISSING)


def _steps(session: Session) -> dict[str, StepView]:
    return {
        step.step_id: _step_view(
            _step_status(session, step.index), judged.required_filled, judged.required
        )
        for step, judged in zip(session.flow.steps, session.assessment.steps, strict=True)
    }


@lru_cache(4096)
def _step_view(status: StepStatus, filled: int, required: int) -> StepView:
    return StepView.trusted(status=status, filled=filled, required=required)


def _step_status(session: Session, index: int) -> StepStatus:
    state = session.state
    if index == state.step_index and not state.status.ended:
        return StepStatus.CURRENT
    if index > state.furthest_step:
        return StepStatus.UPCOMING
    complete = session.assessment.steps[index].complete
    return StepStatus.COMPLETE if complete else StepStatus.INCOMPLETE


def _participants(state: SessionState) -> dict[str, ParticipantView]:
    return {
        device: ParticipantView.trusted(
            role=participant.role,
            online=participant.online,
            since=participant.since,
            host=device == state.host,
        )
        for device, participant in state.participants.items()
    }
