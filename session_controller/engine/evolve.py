"""`evolve`: a session and an event give the session after it. Accepts every fact of the log."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, assert_never

from schemas.base import Role
from schemas.views import DocumentStatus, SessionStatus, SignatureStatus
from session_controller.engine import facts as f
from session_controller.engine.facts import Event
from session_controller.engine.forms import add_instance, clear, enter
from session_controller.engine.session import Session
from session_controller.engine.state import (
    Document,
    OpenCode,
    Participant,
    SessionState,
    Signature,
)

_K = TypeVar("_K")
_V = TypeVar("_V")


def evolve(session: Session, event: Event) -> Session:
    """Apply an event: the fact, then its place in the sequence."""
    changed = _apply(session, event)
    acknowledged = changed.acknowledged
    if event.seq is not None and event.device is not None:
        acknowledged = {**acknowledged, event.device: event.seq}
    if event.fact.type == "CommandRefused":
        return session.moved_to(changed.but(acknowledged=acknowledged))
    return session.moved_to(
        changed.but(revision=event.revision, updated_at=event.at, acknowledged=acknowledged)
    )


def _apply(session: Session, event: Event) -> SessionState:  # noqa: C901, PLR0911, PLR0912
    """One case per fact, what most events are first: long, and straight."""
    state, fact = session.state, event.fact
    match fact:
        case f.FieldEntered():
            entered = enter(session.flow, state, fact.field_id, fact.value)
            return entered.but(
                patient_focus=fact.field_id,
                corrections=_without(state.corrections, fact.field_id),
            )
        case f.Navigated(step_index=index):
            return _at_step(state, index)
        case f.FieldHighlighted():
            return state.but(highlight=fact.field_id)
        case f.FieldFocused():
            return state.but(patient_focus=fact.field_id)
        case f.DocumentFetched() | f.CommandRefused():
            return state
        case f.SessionOpened():
            host = Participant(fact.host_role, fact.host_online, event.at, event.at)
            return state.but(host=fact.host, participants={fact.host: host})
        case f.DeviceJoined():
            return _joined(state, event, fact.device, fact.role, online=fact.online)
        case f.DeviceLeft():
            return _left(state, fact.device)
        case f.PresenceChanged():
            return _present(state, event, fact.device, online=fact.online)
        case f.CodeIssued():
            return _code(state, fact)
        case f.CodeClosed():
            return state.but(code=None)
        case f.SignatureRequested():
            return _signature_requested(state, event, fact)
        case f.SignatureCancelled():
            return _signature_cancelled(state)
        case f.Signed():
            return _signed(state, event, fact)
        case f.SignatureDeclined():
            return _signature_declined(state, event, fact)
        case f.SignatureWithdrawn():
            return _signature_withdrawn(state, event, fact)
        case f.CorrectionRequested():
            corrections = {**state.corrections, fact.field_id: fact.message}
            return state.but(corrections=corrections)
        case f.DocumentReviewed():
            return _reviewed(state, fact)
        case f.HelpAsked():
            return state.but(help_requested=True)
        case f.HelpAnswered():
            return state.but(help_requested=False)
        case f.ScreenCovered():
            return state.but(covered=fact.covered)
        case f.Paused():
            return state.but(paused=True)
        case f.Resumed():
            return state.but(paused=False)
        case f.PatientDeviceReplaced():
            return _replaced(state, event, fact)
        case f.TookOver():
            return _took_over(state, event, fact)
        case f.Completed():
            return _ended(state, SessionStatus.COMPLETED)
        case f.Cancelled():
            return _ended(state, SessionStatus.CANCELLED)
        case f.Expired():
            return _ended(state, SessionStatus.EXPIRED)
        case f.FieldCleared():
            return clear(session.flow, state, fact.field_id)
        case f.ReadingReported():
            return _read(state, fact)
        case f.UploadBegun():
            return _upload_begun(session, fact)
        case f.UploadProgressed():
            return _document(state, fact.field_id, received=fact.received)
        case f.UploadFinished():
            return _finished(state, event, fact)
        case _:
            assert_never(fact)


def _without(mapping: Mapping[_K, _V], key: _K) -> Mapping[_K, _V]:
    return {k: v for k, v in mapping.items() if k != key} if key in mapping else mapping


def _joined(
    state: SessionState, event: Event, device: str, role: Role, *, online: bool
) -> SessionState:
    joined = Participant(role, online, event.at, event.at)
    participants = {**state.participants, device: joined}
    if role.leads:
        return state.but(participants=participants)
    status = SessionStatus.ACTIVE
    return state.but(participants=participants, status=status, code=None)


def _left(state: SessionState, device: str) -> SessionState:
    was_patient = device == state.patient
    return state.but(
        participants=_without(state.participants, device),
        host=None if state.host == device else state.host,
        status=SessionStatus.WAITING if was_patient else state.status,
        patient_focus=None if was_patient else state.patient_focus,
    )


def _present(state: SessionState, event: Event, device: str, *, online: bool) -> SessionState:
    participant = replace(state.participants[device], online=online, since=event.at)
    return state.but(participants={**state.participants, device: participant})


def _code(state: SessionState, fact: f.CodeIssued) -> SessionState:
    code = OpenCode(fact.serial, fact.expires_at)
    return state.but(code=code, last_code_serial=fact.serial)


def _at_step(state: SessionState, index: int) -> SessionState:
    furthest = max(state.furthest_step, index)
    return state.but(step_index=index, furthest_step=furthest, highlight=None, patient_focus=None)


def _signature_requested(
    state: SessionState, event: Event, fact: f.SignatureRequested
) -> SessionState:
    status = SignatureStatus.REQUESTED
    signature = Signature(status, fact.document_sha256, event.at, staff_name=fact.staff_name)
    return _with_signature(state, fact.field_id, signature, signing=fact.field_id)


def _signature_cancelled(state: SessionState) -> SessionState:
    signatures = {k: v for k, v in state.signatures.items() if k != state.signing}
    return state.but(signatures=signatures, signing=None)


def _signed(state: SessionState, event: Event, fact: f.Signed) -> SessionState:
    requested = state.signatures.get(fact.field_id)
    signature = Signature(
        SignatureStatus.SIGNED,
        fact.document_sha256,
        event.at,
        language=fact.language,
        printed_name=fact.printed_name,
        relationship=fact.relationship,
        staff_name=requested.staff_name if requested else None,
    )
    return _with_signature(state, fact.field_id, signature)


def _signature_declined(
    state: SessionState, event: Event, fact: f.SignatureDeclined
) -> SessionState:
    if state.signing is None:
        return state
    requested, status = state.signatures[state.signing], SignatureStatus.DECLINED
    declined = replace(requested, status=status, at=event.at, reason=fact.reason)
    return _with_signature(state, state.signing, declined)


def _signature_withdrawn(
    state: SessionState, event: Event, fact: f.SignatureWithdrawn
) -> SessionState:
    signed, status = state.signatures[fact.field_id], SignatureStatus.WITHDRAWN
    withdrawn = replace(signed, status=status, at=event.at, reason=fact.reason)
    return _with_signature(state, fact.field_id, withdrawn)


def _with_signature(
    state: SessionState, field_id: str, signature: Signature, signing: str | None = None
) -> SessionState:
    return state.but(signatures={**state.signatures, field_id: signature}, signing=signing)


def _read(state: SessionState, fact: f.ReadingReported) -> SessionState:
    read = state.but(reading={**state.reading, fact.field_id: fact.fraction})
    if fact.seconds is None:
        return read
    return read.but(reading_seconds={**state.reading_seconds, fact.field_id: fact.seconds})


def _reviewed(state: SessionState, fact: f.DocumentReviewed) -> SessionState:
    status = DocumentStatus.ACCEPTED if fact.accepted else DocumentStatus.REJECTED
    reason = None if fact.accepted else fact.reason
    return _document(state, fact.field_id, status=status, reason=reason)


def _document(state: SessionState, field_id: str, **changes: object) -> SessionState:
    document = replace(state.documents[field_id], **changes)  # type: ignore[arg-type]
    return state.but(documents={**state.documents, field_id: document})


def _replaced(state: SessionState, event: Event, fact: f.PatientDeviceReplaced) -> SessionState:
    if state.patient is not None:
        state = _left(state, state.patient)
    if fact.code is not None:
        return _code(state, fact.code)
    if fact.device is None:
        raise ValueError("a replacement names a device or a code")
    return _joined(state, event, fact.device, Role.PATIENT, online=fact.online)


def _took_over(state: SessionState, event: Event, fact: f.TookOver) -> SessionState:
    if fact.device not in state.participants:
        state = _joined(state, event, fact.device, fact.role, online=fact.online)
    return state.but(host=fact.device)


def _ended(state: SessionState, status: SessionStatus) -> SessionState:
    return state.but(
        status=status,
        paused=False,
        code=None,
        signing=None,
        highlight=None,
        patient_focus=None,
        help_requested=False,
    )


def _upload_begun(session: Session, fact: f.UploadBegun) -> SessionState:
    """Begin, or go on: who begins the same upload again keeps what has arrived of it.

    Where all has arrived and the document is not finished, it arrived damaged: it starts over.
    """
    state = session.state
    known = state.documents.get(fact.field_id)
    if known is not None and known.upload == fact.upload and known.received < known.size:
        return state
    state = add_instance(session.flow, state, fact.field_id)
    document = Document(fact.upload, fact.size, fact.sha256, fact.media_type)
    return state.but(documents={**state.documents, fact.field_id: document})


def _finished(state: SessionState, event: Event, fact: f.UploadFinished) -> SessionState:
    """Take a document as whole; one that staff has looked at already keeps their verdict."""
    if state.documents[fact.field_id].status is not DocumentStatus.RECEIVING:
        return state
    return _document(
        state,
        fact.field_id,
        status=DocumentStatus.RECEIVED,
        stored=fact.stored,
        received_at=event.at,
    )
