"""The parts of a view, each made of a session and of nothing else; `view` puts them together.

A part is the members that it brings to the view, as JSON has them; no model is made of what is only
to be written. Those that may be absent are left out where they are.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import JsonValue

from schemas.base import VERSION
from schemas.views import DocumentStatus, SignatureStatus, StepStatus
from session_controller.engine.outlook import blocked
from session_controller.engine.session import Session, explain
from session_controller.engine.state import Document, SessionState, Signature

Members = dict[str, Any]


def fixed(session: Session, epoch: int) -> Members:
    """Tell every screen what stays as it is while the session lives."""
    state = session.state
    return {
        "v": VERSION,
        "session": state.session,
        "epoch": epoch,
        "flow_ref": state.flow_ref,
        "steps_total": len(session.flow.steps),
        "check_words": state.check_words,
    }


def standing(session: Session) -> Members:
    """Tell every screen where the session stands; almost every event changes it."""
    state = session.state
    return {
        "revision": state.revision,
        "updated_at": state.updated_at,
        "status": state.shown_status,
        "step_id": session.step.step_id,
        "step_index": state.step_index,
        "highlight": state.highlight,
        "help_requested": state.help_requested,
        "covered": state.covered,
    }


def patient_standing(session: Session, device: str) -> Members:
    """Tell what beside `standing` changes for the patient's screen."""
    standing: Members = {
        "acknowledged_seq": session.state.acknowledged.get(device, 0),
        "signature": _current_signature(session, for_staff=False),
        "host_online": session.state.is_led,
    }
    if given := _given_here(session):
        standing["step_signatures"] = {k: _signature(session, k, for_staff=False) for k in given}
    return standing


def facility_standing(session: Session, device: str, code: str | None) -> Members:
    """Tell what beside `standing` changes for a staff's screen."""
    state = session.state
    return {
        "acknowledged_seq": state.acknowledged.get(device, 0),
        "signature": _current_signature(session, for_staff=True),
        "label": state.label,
        "patient_focus": state.patient_focus,
        "code": code if state.code else None,
        "code_expires_at": state.code.expires_at if state.code else None,
    }


def entered_here(session: Session) -> Members:
    """Hold the current step alone: values, documents and reading of others stay away."""
    enabled, reading = session.shown_here, session.state.reading
    return {
        "enabled": enabled,
        "fields": _fields(session, enabled, mask=False),
        "documents": _documents(session, enabled),
        "reading": {k: reading[k] for k in enabled if k in reading},
        **_seconds(session.state, enabled),
    }


def entered_anywhere(session: Session) -> Members:
    """Hold all steps, with sensitive values masked."""
    enabled = tuple(session.assessment.enabled_ids)
    return {
        "enabled": enabled,
        "fields": _fields(session, enabled, mask=True),
        "documents": _documents(session, enabled),
        "reading": session.state.reading,
        **_seconds(session.state, session.state.reading_seconds),
    }


def around(session: Session, device: str) -> Members:
    """Tell how far each step is, who takes part, and what this staff's screen may not do now."""
    faults = session.assessment.steps[session.state.step_index].faults
    return {
        "steps": _steps(session),
        "missing": tuple(dict.fromkeys(fault.field_id for fault in faults)),
        "missing_reason": explain(faults) if faults else None,
        "signatures": _signatures(session),
        "participants": _participants(session.state),
        "blocked": blocked(session, device),
    }


def _seconds(state: SessionState, wanted: Iterable[str]) -> Members:
    """Tell how long texts were read; nothing before the patient's screen told any."""
    known = state.reading_seconds
    found = {k: known[k] for k in wanted if k in known} if known else {}
    return {"reading_seconds": found} if found else {}


def _current_signature(session: Session, *, for_staff: bool) -> Members | None:
    """Tell of the signature asked for; else of the last one of this step that was answered."""
    state = session.state
    if state.signing:
        return _signature(session, state.signing, for_staff=for_staff)
    given = _given_here(session)
    if not given:
        return None
    newest = max(given, key=lambda k: state.signatures[k].at)
    return _signature(session, newest, for_staff=for_staff)


def _given_here(session: Session) -> Sequence[str]:
    """List the signatures of the current step, in its order."""
    given = session.state.signatures
    return [k for k in session.shown_here if k in given] if given else ()


def _signatures(session: Session) -> Members:
    return {k: _signature(session, k, for_staff=True) for k in session.state.signatures}


def _signature(session: Session, field_id: str, *, for_staff: bool) -> Members:
    signature = session.state.signatures[field_id]
    shown = {
        "field_id": field_id,
        "status": signature.status,
        "document_sha256": signature.document_sha256,
    }
    if signature.status is SignatureStatus.REQUESTED:
        # Once, while nothing else is entered.
        hashes = session.once(session.assessment, Session.documents_sha256, field_id)
        return {**shown, "documents_sha256": hashes} if hashes else shown
    return {**shown, **_who_signed(signature)} if for_staff else shown


def _who_signed(signature: Signature) -> Members:
    return _those_there(
        at=signature.at,
        language=signature.language,
        printed_name=signature.printed_name,
        relationship=signature.relationship,
        staff_name=signature.staff_name,
        reason=signature.reason,
    )


def _those_there(**members: object) -> Members:
    return {name: value for name, value in members.items() if value is not None}


def _fields(session: Session, enabled: Iterable[str], *, mask: bool) -> Members:
    answers, corrections = session.state.answers, session.state.corrections
    errors, shown = session.assessment.errors, {}
    for field_id in enabled:
        if field_id not in answers and field_id not in corrections:
            continue
        value = answers.get(field_id)
        field = {"value": _masked(session, field_id, value) if mask else value}
        if field_id in errors:
            field["error"] = errors[field_id]
        if field_id in corrections:
            field["correction"] = corrections[field_id]
        shown[field_id] = field
    return shown


def _masked(session: Session, field_id: str, value: JsonValue) -> JsonValue:
    """Give a value as the staff may see it: of a sensitive one, that it is there and how long."""
    if value is None or not session.assessment.item(field_id).sensitive:
        return value
    return {"masked": True, "length": len(value if isinstance(value, str) else str(value))}


def _documents(session: Session, wanted: Iterable[str]) -> Members:
    documents, attachments = session.state.documents, session.assessment.attachments
    return {f: _document(documents.get(f)) for f in wanted if f in attachments}


def _document(document: Document | None) -> Members:
    if document is None:
        return {"status": DocumentStatus.MISSING}
    kept = document.stored  # what FETCH_DOCUMENT sends; metadata of images is gone
    return _those_there(
        status=document.status,
        upload=document.upload,
        received=kept.size if kept else document.received,
        size=kept.size if kept else document.size,
        sha256=kept.sha256 if kept else document.sha256,
        media_type=kept.media_type if kept else document.media_type,
        reason=document.reason,
    )


def _steps(session: Session) -> Members:
    return {
        step.step_id: {
            "status": _step_status(session, step.index),
            "filled": judged.required_filled,
            "required": judged.required,
        }
        for step, judged in zip(session.flow.steps, session.assessment.steps, strict=True)
    }


def _step_status(session: Session, index: int) -> StepStatus:
    state = session.state
    if index == state.step_index and not state.status.ended:
        return StepStatus.CURRENT
    if index > state.furthest_step:
        return StepStatus.UPCOMING
    complete = session.assessment.steps[index].complete
    return StepStatus.COMPLETE if complete else StepStatus.INCOMPLETE


def _participants(state: SessionState) -> Members:
    return {
        device: {
            "role": participant.role,
            "online": participant.online,
            "since": participant.since,
            "host": device == state.host,
        }
        for device, participant in state.participants.items()
    }
