"""`evolve`: apply an event to a session. Accepts every fact that a log contains."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, assert_never

from schemas.base import Role
from schemas.wire.views import DocumentStatus, SessionStatus, SignatureStatus
from session_controller.engine import events as f
from session_controller.engine.answering import add_instance, clear, enter
from session_controller.engine.attesting import lapsed
from session_controller.engine.events import Event
from session_controller.engine.limits import MAX_REFUSALS
from session_controller.engine.session import Session
from session_controller.engine.state import (
    CorrectionWords,
    Document,
    Help,
    Identification,
    NotTaken,
    OpenCode,
    Participant,
    PatientScreen,
    RefusedCommand,
    SessionState,
    Signature,
)

_K = TypeVar("_K")
_V = TypeVar("_V")


def evolve(session: Session, event: Event) -> Session:
    """Apply an event: its fact, then its revision and sequence number."""
    changed = _apply(session, event)
    if isinstance(event.fact, f.FieldEntered | f.FieldCleared | f.UploadBegun):
        changed = lapsed(session.flow, session.state, changed, event.fact.field_id)
    acknowledged = changed.acknowledged
    if event.seq is not None and event.device is not None:
        acknowledged = {**acknowledged, event.device: event.seq}
    if event.fact.type == "CommandRefused":
        return session.moved_to(_refused(changed, event, event.fact, acknowledged))
    # A completed session bears the time of its completion, whoever is named afterwards.
    late = event.fact.type == "PatientIdentified"
    updated_at = session.state.updated_at if late else event.at
    moved = session.moved_to(
        changed.but(revision=event.revision, updated_at=updated_at, acknowledged=acknowledged)
    )
    return _not_ready(moved) if moved.state.ready_since and moved.patient_faults else moved


def _not_ready(session: Session) -> Session:
    """Clear `ready_since`: something is missing again."""
    return session.moved_to(session.state.but(ready_since=None))


def _apply(session: Session, event: Event) -> SessionState:  # noqa: C901, PLR0911, PLR0912, PLR0915
    """Apply a fact, one case each; the most frequent facts come first."""
    state, fact = session.state, event.fact
    match fact:
        case f.FieldEntered():
            entered = enter(session.flow, state, fact.field_id, fact.value)
            return entered.but(
                corrections=_without(state.corrections, fact.field_id),
                not_taken=_without(state.not_taken, fact.field_id),
            )
        case f.Calculated():
            return _calculated(session, event, fact)
        case f.Navigated(step_index=index) | f.StepPassed(step_index=index):
            return _at_step(session, event, index)
        case f.ReadyReported():
            return state.but(ready_since=state.ready_since or event.at)
        case f.SelfPacedSet():
            return state.but(self_paced=fact.self_paced)
        case f.FieldHighlighted():
            return state.but(highlight=fact.field_id)
        case f.FieldFocused():
            return state.but(patient_focus=fact.field_id)
        case f.DocumentFetched() | f.CommandRefused():
            return state
        case f.SessionOpened():
            host = Participant(fact.host_role, fact.host_online, event.at, event.at)
            opened = state.but(host=fact.host, participants={fact.host: host})
            first = session.nearest_shown(0) or 0
            return _at_step(session.moved_to(opened), event, first)
        case f.DeviceJoined():
            return _joined(state, event, fact.device, fact.role, online=fact.online, name=fact.name)
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
            words = CorrectionWords(fact.message_code, fact.language)
            correction_words = {**state.correction_words, fact.field_id: words}
            return state.but(corrections=corrections, correction_words=correction_words)
        case f.DocumentReviewed():
            return _reviewed(state, fact)
        case f.HelpAsked():
            return _help_asked(state, event, fact)
        case f.HelpSent():
            return _help_sent(state, event, fact)
        case f.HelpAnswered():
            return state.but(help_requested=False, help=None, help_step=None)
        case f.ScreenCovered():
            return _covered(state, covered=fact.covered)
        case f.IdleReported():
            return state.but(idle=fact.idle, idle_since=event.at if fact.idle else None)
        case f.ScreenReported():
            screen = PatientScreen(fact.language, fact.text_percent)
            return state.but(patient_screen=screen)
        case f.ScreenLocked():
            return state.but(locked=True)
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
        case f.PatientIdentified():
            return state.but(identified=_identification(event, fact))
        case f.FieldCleared():
            return clear(session.flow, state, fact.field_id)
        case f.ReadingReported():
            return _read(state, fact)
        case f.UploadBegun():
            return _upload_begun(session, fact)
        case f.UploadProgressed():
            document = replace(state.documents[fact.field_id], received=fact.received)
            return _with_document(state, fact.field_id, document)
        case f.UploadFinished():
            return _finished(state, event, fact)
        case _:
            assert_never(fact)


def _refused(
    state: SessionState, event: Event, fact: f.CommandRefused, acknowledged: Mapping[str, int]
) -> SessionState:
    refused, not_taken = state.refused, state.not_taken
    if event.device is not None and event.seq is not None:
        one = RefusedCommand(event.seq, event.command_id, fact.code, fact.message, fact.details)
        kept = (*refused.get(event.device, ()), one)[-MAX_REFUSALS:]
        refused = {**refused, event.device: kept}
    if fact.field_id is not None:
        not_taken = {**not_taken, fact.field_id: NotTaken(fact.code, fact.message, event.at)}
    return state.but(acknowledged=acknowledged, refused=refused, not_taken=not_taken)


def _covered(state: SessionState, *, covered: bool) -> SessionState:
    """Cover the screen, or show it again: also one that was locked."""
    if covered:
        return state.but(covered=True)
    return state.but(covered=False, locked=False, idle=False)


def _without(mapping: Mapping[_K, _V], key: _K) -> Mapping[_K, _V]:
    return {k: v for k, v in mapping.items() if k != key} if key in mapping else mapping


def _joined(
    state: SessionState,
    event: Event,
    device: str,
    role: Role,
    *,
    online: bool,
    name: str | None = None,
) -> SessionState:
    joined = Participant(role, online, event.at, event.at, name)
    participants = {**state.participants, device: joined}
    if role.leads:
        return state.but(participants=participants)
    shown = state.shown_steps
    if state.status is SessionStatus.WAITING and not state.reading:
        shown = dict.fromkeys(shown, event.at)  # until now, no patient saw them
    return state.but(
        participants=participants,
        status=SessionStatus.ACTIVE,
        code=None,
        shown_steps=shown,
        idle=False,
        idle_since=None,
        patient_screen=None,
        locked=False,
    )


def _left(state: SessionState, device: str) -> SessionState:
    was_patient = device == state.patient
    if was_patient:
        state = _let_go(state)
    return state.but(
        participants=_without(state.participants, device),
        host=None if state.host == device else state.host,
        status=SessionStatus.WAITING if was_patient else state.status,
        patient_focus=None if was_patient else state.patient_focus,
    )


def _let_go(state: SessionState) -> SessionState:
    """Keep since when the patient screen is away: what was typed there may never arrive."""
    patient = state.participants.get(state.patient or "")
    if patient is None or patient.online:
        return state
    return state.but(patient_away_since=patient.since)


def _present(state: SessionState, event: Event, device: str, *, online: bool) -> SessionState:
    participant = replace(state.participants[device], online=online, since=event.at)
    return state.but(participants={**state.participants, device: participant})


def _code(state: SessionState, fact: f.CodeIssued) -> SessionState:
    code = OpenCode(fact.serial, fact.expires_at)
    return state.but(code=code, last_code_serial=fact.serial)


def _at_step(session: Session, event: Event, index: int) -> SessionState:
    state, step_id = session.state, session.flow.steps[index].step_id
    shown = {step_id: event.at, **state.shown_steps}
    moved = state.but(
        step_index=index,
        shown_steps=shown,
        highlight=None,
        patient_focus=None,
        ready_since=None,
    )
    if state.help_step != step_id:
        return moved
    return moved.but(help_requested=False, help=None, help_step=None)


def _calculated(session: Session, event: Event, fact: f.Calculated) -> SessionState:
    state = session.state
    emptied = {field_id for field_id, value in fact.answers.items() if value is None}
    answers = {k: v for k, v in {**state.answers, **fact.answers}.items() if k not in emptied}
    after = state.but(answers=answers, computed={**state.computed, **fact.computed})
    for field_id in fact.answers:
        after = lapsed(session.flow, state, after, field_id)
    if not fact.opening:
        return after
    moved = session.moved_to(after)
    first = moved.nearest_shown(0) or 0
    return _at_step(moved, event, first).but(
        shown_steps={session.flow.steps[first].step_id: event.at}
    )


def _help_asked(state: SessionState, event: Event, fact: f.HelpAsked) -> SessionState:
    """Call for help; whoever asks again waits since the first time, unless somebody came."""
    waiting = state.help is not None and not state.help.coming
    return state.but(
        help_requested=True,
        help=state.help if waiting else Help(event.at),
        help_step=fact.step_id or state.help_step,
    )


def _help_sent(state: SessionState, event: Event, fact: f.HelpSent) -> SessionState:
    if not state.help_requested:
        return state
    since = state.help.since if state.help else event.at
    return state.but(help=Help(since, coming=True, staff_name=fact.staff_name))


def _signature_requested(
    state: SessionState, event: Event, fact: f.SignatureRequested
) -> SessionState:
    status = SignatureStatus.REQUESTED
    signature = Signature(
        status, fact.document_sha256, event.at, fact.covers, staff_name=fact.staff_name
    )
    return _with_signature(state, fact.field_id, signature, signing=fact.field_id)


def _signature_cancelled(state: SessionState) -> SessionState:
    signatures = {k: v for k, v in state.signatures.items() if k != state.signing}
    return state.but(signatures=signatures, signing=None)


def _signed(state: SessionState, event: Event, fact: f.Signed) -> SessionState:
    signature = replace(
        state.signatures[fact.field_id],
        status=SignatureStatus.SIGNED,
        document_sha256=fact.document_sha256,
        covered_sha256=fact.covered_sha256,
        at=event.at,
        language=fact.language,
        printed_name=fact.printed_name,
        relationship=fact.relationship,
    )
    return _with_signature(state, fact.field_id, signature)


def _signature_declined(
    state: SessionState, event: Event, fact: f.SignatureDeclined
) -> SessionState:
    if state.signing is None:
        return state
    requested, status = state.signatures[state.signing], SignatureStatus.DECLINED
    declined = replace(
        requested,
        status=status,
        at=event.at,
        reason=fact.reason,
        covered_sha256=fact.covered_sha256,
    )
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
    document = replace(
        state.documents[fact.field_id],
        status=status,
        reason_code=None if fact.accepted else fact.reason_code,
        reason=None if fact.accepted else fact.reason,
    )
    return _with_document(state, fact.field_id, document)


def _with_document(state: SessionState, field_id: str, document: Document) -> SessionState:
    return state.but(documents={**state.documents, field_id: document})


def _replaced(state: SessionState, event: Event, fact: f.PatientDeviceReplaced) -> SessionState:
    if state.patient is not None:
        state = _left(state, state.patient)
    if fact.code is not None:
        return _code(state, fact.code)
    if fact.device is None:
        raise ValueError("a replacement needs a device or a code")
    return _joined(state, event, fact.device, Role.PATIENT, online=fact.online)


def _took_over(state: SessionState, event: Event, fact: f.TookOver) -> SessionState:
    if fact.device not in state.participants:
        state = _joined(state, event, fact.device, fact.role, online=fact.online)
    return state.but(host=fact.device)


def _ended(state: SessionState, status: SessionStatus) -> SessionState:
    return _let_go(state).but(
        status=status,
        paused=False,
        code=None,
        signing=None,
        highlight=None,
        patient_focus=None,
        help_requested=False,
        help=None,
        help_step=None,
        ready_since=None,
    )


def _identification(event: Event, fact: f.PatientIdentified) -> Identification:
    if event.device is None:
        raise ValueError("an identification names its device")
    return Identification(
        event.at,
        event.device,
        fact.family,
        fact.given,
        fact.birth_date,
        fact.gender,
        fact.staff_name,
        event.person,
    )


def _upload_begun(session: Session, fact: f.UploadBegun) -> SessionState:
    """Begin or resume an upload: beginning the same one again keeps the bytes received so far.

    An upload that was fully received but not finished arrived damaged: it starts over.
    """
    state = session.state
    known = state.documents.get(fact.field_id)
    if known is not None and known.upload == fact.upload and known.received < known.size:
        return state
    state = add_instance(session.flow, state, fact.field_id)
    document = Document(fact.upload, fact.size, fact.sha256, fact.media_type)
    begun = _with_document(state, fact.field_id, document)
    return begun.but(not_taken=_without(state.not_taken, fact.field_id))


def _finished(state: SessionState, event: Event, fact: f.UploadFinished) -> SessionState:
    """Mark a document as received; one that staff already reviewed keeps its status."""
    document = state.documents[fact.field_id]
    if document.status is not DocumentStatus.RECEIVING:
        return state
    whole = replace(
        document, status=DocumentStatus.RECEIVED, stored=fact.stored, received_at=event.at
    )
    return _with_document(state, fact.field_id, whole)
