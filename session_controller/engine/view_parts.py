"""The parts of a view, each made of a session and of nothing else; `view` puts them together."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import JsonValue

from schemas.views import (
    Company,
    DocumentStatus,
    DocumentView,
    Entered,
    FacilityStanding,
    FieldView,
    Masked,
    Outlook,
    ParticipantView,
    PatientStanding,
    Progress,
    SignatureStatus,
    SignatureView,
    StepStatus,
    StepView,
)
from session_controller.engine.outlook import blocked
from session_controller.engine.session import Session, explain
from session_controller.engine.state import Document, SessionState, Signature


def patient_standing(session: Session, device: str, epoch: int) -> PatientStanding:
    """Tell the patient's screen where the session stands."""
    state = session.state
    host = state.participants.get(state.host) if state.host else None
    return PatientStanding.trusted(
        **_standing(session, device, epoch),
        signature=_current_signature(session, for_staff=False),
        step_signatures=_signatures_here(session),
        host_online=host is not None and host.online,
    )


def facility_standing(
    session: Session, device: str, epoch: int, code: str | None
) -> FacilityStanding:
    """Tell a staff's screen where the session stands."""
    state = session.state
    return FacilityStanding.trusted(
        **_standing(session, device, epoch),
        signature=_current_signature(session, for_staff=True),
        label=state.label,
        patient_focus=state.patient_focus,
        code=code if state.code else None,
        code_expires_at=state.code.expires_at if state.code else None,
    )


def _standing(session: Session, device: str, epoch: int) -> dict[str, Any]:
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


def entered_here(session: Session) -> Entered:
    """Hold the current step alone: values, documents and reading of others stay away."""
    enabled, reading = session.shown_here, session.state.reading
    return Entered.trusted(
        enabled=enabled,
        fields=_fields(session, enabled, mask=False),
        documents=_documents(session, enabled),
        reading={k: reading[k] for k in enabled if k in reading},
        reading_seconds=_seconds(session.state, enabled),
    )


def entered_anywhere(session: Session) -> Entered:
    """Hold all steps, with sensitive values masked."""
    enabled = tuple(session.assessment.enabled_ids)
    return Entered.trusted(
        enabled=enabled,
        fields=_fields(session, enabled, mask=True),
        documents=_documents(session, enabled),
        reading=session.state.reading,
        reading_seconds=_seconds(session.state, session.state.reading_seconds),
    )


def progress(session: Session) -> Progress:
    """Tell how far each step is, and what the current one lacks."""
    faults = session.assessment.steps[session.state.step_index].faults
    return Progress.trusted(
        steps=_steps(session),
        missing=tuple(dict.fromkeys(fault.field_id for fault in faults)),
        missing_reason=explain(faults) if faults else None,
        signatures=_signatures(session),
    )


def company(session: Session) -> Company:
    """Tell who takes part."""
    return Company.trusted(participants=_participants(session.state))


def outlook(session: Session, device: str) -> Outlook:
    """Tell what this staff's screen would be refused now."""
    return Outlook.trusted(blocked=blocked(session, device))


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
    return session.once(
        ("to sign", field_id), session.assessment, lambda: session.documents_sha256(field_id)
    )


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


def _participants(state: SessionState) -> Mapping[str, ParticipantView]:
    return {
        device: ParticipantView.trusted(
            role=participant.role,
            online=participant.online,
            since=participant.since,
            host=device == state.host,
        )
        for device, participant in state.participants.items()
    }
