"""The parts of a view, each derived from a session alone; `view` puts them together.

A part is a mapping of view members to JSON values, without a model: it is only serialized.
Optional members are left out if absent.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import JsonValue

from schemas.base import VERSION
from schemas.questionnaire.model import Flow
from schemas.wire.views import DocumentStatus, HelpStatus, HelpView, SignatureStatus, StepStatus
from session_controller.engine.fields import next_instances
from session_controller.engine.membership import copy_refused
from session_controller.engine.outlook import blocked, blocked_while_signed_out
from session_controller.engine.session import Session, explain, fields_of
from session_controller.engine.state import CorrectionWords, Document, SessionState, Signature
from session_controller.forms.choices import offered
from session_controller.forms.validation import is_empty

Members = dict[str, Any]


def fixed(session: Session, epoch: int) -> Members:
    """Return what every screen sees and never changes during the session."""
    state = session.state
    return {
        "v": VERSION,
        "session": state.session,
        "epoch": epoch,
        "flow_ref": state.flow_ref,
        "check_words": state.check_words,
        **_those_there(test=state.test or None),
    }


def standing(session: Session) -> Members:
    """Return what every screen sees and almost every event changes."""
    state, steps = session.state, session.steps_on
    return {
        "revision": state.revision,
        "updated_at": state.updated_at,
        "status": state.shown_status,
        "step_id": session.step.step_id,
        "step_index": steps.index(state.step_index),
        "steps_total": len(steps),
        "highlight": state.highlight,
        "help_requested": state.help_requested,
        **_those_there(
            help=help_view(state),
            help_step=state.help_step,
            ready_since=state.ready_since,
            may_advance=session.may_advance or None,
        ),
        "covered": state.covered,
        "locked": state.locked,
    }


def help_view(state: SessionState) -> HelpView | None:
    """Return the patient's call for help, or None."""
    known = state.help
    if known is None:
        return None
    status = HelpStatus.COMING if known.coming else HelpStatus.ASKED
    return HelpView(status=status, since=known.since, staff_name=known.staff_name)


def patient_standing(
    session: Session,
    device: str,
    screen_key: Callable[[str], str | None] | None,
    person_at: Callable[[str], str | None] | None,
    *,
    offers_copies: bool,
) -> Members:
    """Return what changes for the patient screen besides `standing`.

    The key of what it stores is part of it only until the session ends.
    """
    key = None if screen_key is None or session.state.status.ended else screen_key(device)
    standing: Members = {
        **_those_there(
            storage_key=key,
            host_name=_host_name(session.state, person_at),
            copy_offered=(offers_copies and copy_refused(session.state) is None) or None,
        ),
        **_decided(session.state, device),
        "signature": _current_signature(session, for_staff=False),
        "host_online": session.state.is_led,
    }
    if given := _given_here(session):
        standing["step_signatures"] = {k: _signature(session, k, for_staff=False) for k in given}
    return standing


def _host_name(state: SessionState, person_at: Callable[[str], str | None] | None) -> str | None:
    """Return who is signed in at the host's screen while it is there, if anybody is known."""
    if person_at is None or state.host is None or not state.is_led or state.status.ended:
        return None
    return person_at(state.host)


def facility_standing(session: Session, device: str, code: str | None) -> Members:
    """Return what changes for a facility screen besides `standing`."""
    state = session.state
    return {
        **_decided(state, device),
        "not_taken": _not_taken(state),
        "signature": _current_signature(session, for_staff=True),
        "label": state.label,
        "patient_focus": state.patient_focus,
        "patient_idle": state.idle,
        **_those_there(self_paced=state.self_paced),
        "code": code if state.code else None,
        "code_expires_at": state.code.expires_at if state.code else None,
        **_screen(state),
        **_away(state),
        **_identified(state),
    }


def _screen(state: SessionState) -> Members:
    screen = state.patient_screen
    if screen is None:
        return {}
    shown = _those_there(language=screen.language)
    return {"patient_screen": {"text_percent": screen.text_percent, **shown}}


def _away(state: SessionState) -> Members:
    since = state.patient_away_since
    return {} if since is None else {"patient_away_since": since}


def _identified(state: SessionState) -> Members:
    known = state.identified
    if known is None:
        return {}
    shown = _those_there(
        staff_name=known.staff_name,
        family=known.family,
        birth_date=known.birth_date,
        gender=known.gender,
    )
    return {"identified": {"at": known.at, "device": known.device, "given": known.given, **shown}}


def _decided(state: SessionState, device: str) -> Members:
    """Return what became of a device's commands."""
    refused = state.refused.get(device, ())
    return {
        "acknowledged_seq": state.acknowledged.get(device, 0),
        "refused": tuple(
            {
                "seq": one.seq,
                "command_id": one.command_id,
                "code": one.code,
                "message": one.message,
                "details": one.details,
            }
            for one in refused
        ),
    }


def _not_taken(state: SessionState) -> Members:
    return {
        field_id: {"code": one.code, "message": one.message, "at": one.at}
        for field_id, one in state.not_taken.items()
    }


def entered_here(session: Session) -> Members:
    """Return values, documents and reading of the current step only; nothing on a locked screen."""
    if session.state.locked:
        return {"enabled": (), "fields": {}, "documents": {}, "reading": {}, "to_do": ()}
    enabled, reading = session.shown_here, session.state.reading
    return {
        "enabled": enabled,
        "fields": _fields(session, enabled, mask=False),
        "documents": _documents(session, enabled),
        "reading": {k: reading[k] for k in enabled if k in reading},
        "to_do": tuple(fields_of(session.patient_faults)),
        **_seconds(session.state, enabled),
        **_next_instances(session),
        **_review(session),
    }


def entered_anywhere(session: Session) -> Members:
    """Return values, documents and reading of all steps, with sensitive values masked."""
    enabled = tuple(session.assessment.enabled_ids)
    return {
        "enabled": enabled,
        "fields": _fields(session, enabled, mask=True),
        "documents": _documents(session, enabled),
        "reading": session.state.reading,
        **_seconds(session.state, session.state.reading_seconds),
    }


def around(session: Session, device: str) -> Members:
    """Return progress of steps, participants, and what this facility screen may not do now."""
    faults = session.assessment.steps[session.state.step_index].faults
    return {
        "steps": _steps(session),
        "missing": tuple(dict.fromkeys(fault.field_id for fault in faults)),
        "missing_reason": explain(faults) if faults else None,
        "signatures": _signatures(session),
        "participants": _participants(session.state),
        "blocked": blocked(session, device),
    }


def signed_out(session: Session, device: str) -> Members:
    """Return what a facility screen shows while nobody is signed in: nothing of the patient."""
    return {
        **standing(session),
        **_decided(session.state, device),
        "highlight": None,
        "signature": None,
        "label": None,
        "patient_focus": None,
        "code": None,
        "code_expires_at": None,
        "enabled": (),
        "fields": {},
        "documents": {},
        "reading": {},
        "not_taken": {},
        "steps": {},
        "signatures": {},
        "participants": _participants(session.state),
        "signed_out": True,
        "blocked": blocked_while_signed_out(),
    }


def _review(session: Session) -> Members:
    """Return all other answers, if this step asks the patient to check them; not after the end."""
    state, assessment = session.state, session.assessment
    here = session.step.step_id
    if state.status.ended or here not in _review_steps(session.flow):
        return {}
    if not any(assessment.item(field_id).review for field_id in session.shown_here):
        return {}
    lines = [
        line
        for step in assessment.steps
        if step.step_id in state.shown_steps and step.step_id != here
        for field_id in step.fields
        if (line := _review_line(session, step.step_id, field_id))
    ]
    return {"review": tuple(lines)}


def _review_steps(flow: Flow) -> frozenset[str]:
    found: frozenset[str] | None = flow.cache.get("review-steps")
    if found is None:
        steps = frozenset(item.step_id for item in flow.items.values() if item.review)
        found = flow.cache["review-steps"] = steps
    return found


def _review_line(session: Session, step_id: str, field_id: str) -> Members | None:
    place = {"field_id": field_id, "step_id": step_id}
    document = session.state.documents.get(field_id)
    if document is not None:
        return {**place, "document": document.status}
    value = session.state.answers.get(field_id)
    return None if is_empty(value) else {**place, "value": _masked(session, field_id, value)}


def _next_instances(session: Session) -> Members:
    found = next_instances(session)
    return {"next_instances": found} if found else {}


def _seconds(state: SessionState, wanted: Iterable[str]) -> Members:
    """Return how long texts were read, or nothing if the patient screen never reported it."""
    known = state.reading_seconds
    found = {k: known[k] for k in wanted if k in known} if known else {}
    return {"reading_seconds": found} if found else {}


def _current_signature(session: Session, *, for_staff: bool) -> Members | None:
    """Return the requested signature, else the latest decided one of this step, else None."""
    state = session.state
    if state.signing:
        return _signature(session, state.signing, for_staff=for_staff)
    given = _given_here(session)
    if not given:
        return None
    newest = max(given, key=lambda k: state.signatures[k].at)
    return _signature(session, newest, for_staff=for_staff)


def _given_here(session: Session) -> Sequence[str]:
    """Return the field ids of the current step's signatures, in order."""
    given = session.state.signatures
    return [k for k in session.shown_here if k in given] if given else ()


def _signatures(session: Session) -> Members:
    return {k: _signature(session, k, for_staff=True) for k in session.state.signatures}


def _signature(session: Session, field_id: str, *, for_staff: bool) -> Members:
    signature = session.state.signatures[field_id]
    shown: Members = {
        "field_id": field_id,
        "status": signature.status,
        "document_sha256": signature.document_sha256,
    }
    if signature.status in _GIVEN_FOR:
        # Cached: no answer can change while a signature is requested.
        shown["covers"] = session.once(session.assessment, _covers, field_id)
    if signature.status is SignatureStatus.REQUESTED:
        hashes = session.once(session.assessment, Session.documents_sha256, field_id)
        return {**shown, "documents_sha256": hashes} if hashes else shown
    if session.once(session.assessment, Session.is_stale, field_id):
        shown["changed"] = True
    return {**shown, **_who_signed(signature)} if for_staff else shown


_GIVEN_FOR = (SignatureStatus.REQUESTED, SignatureStatus.SIGNED)


def _covers(session: Session, field_id: str) -> Members:
    signature = session.state.signatures[field_id]
    covered = session.covered(field_id, signature.document_sha256)
    return {
        "patient": covered.patient,
        "fields": covered.fields,
        "scope": signature.covers.scope,
    }


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
    options = _options(session, mask=mask)
    for field_id in enabled:
        if (
            field_id not in answers
            and field_id not in corrections
            and field_id not in errors
            and field_id not in options
        ):
            continue
        value = answers.get(field_id)
        field = {"value": _masked(session, field_id, value) if mask else value}
        if field_id in errors:
            field["error"] = errors[field_id]
        if field_id in options:
            field["options"] = options[field_id]
        if field_id in corrections:
            field["correction"] = corrections[field_id]
            words = session.state.correction_words.get(field_id, CorrectionWords())
            field |= _those_there(correction_code=words.code, correction_language=words.language)
        shown[field_id] = field
    return shown


def _options(session: Session, *, mask: bool) -> Members:
    """Return the options of each field where expressions give or leave them."""
    index, found = session.assessment.layout.index, {}
    for field_id, computed in session.state.computed.items():
        if ("options" in computed or "toggled" in computed) and field_id in index:
            item = session.assessment.item(field_id)
            options = None if mask and item.sensitive else offered(item, computed)
            if options is not None:
                found[field_id] = tuple(option.to_json() for option in options)
    return found


def _masked(session: Session, field_id: str, value: JsonValue) -> JsonValue:
    """Mask a sensitive value: staff see that it is present and its length."""
    if value is None or not session.assessment.item(field_id).sensitive:
        return value
    return masked(value)


def masked(value: JsonValue) -> JsonValue:
    """Return what replaces a sensitive value on a staff screen."""
    return {"masked": True, "length": len(value if isinstance(value, str) else str(value))}


def _documents(session: Session, wanted: Iterable[str]) -> Members:
    documents, attachments = session.state.documents, session.assessment.attachments
    return {f: _document(documents.get(f)) for f in wanted if f in attachments}


def _document(document: Document | None) -> Members:
    if document is None:
        return {"status": DocumentStatus.MISSING}
    kept = document.stored  # what FETCH_DOCUMENT sends: images without metadata
    return _those_there(
        status=document.status,
        upload=document.upload,
        received=kept.size if kept else document.received,
        size=kept.size if kept else document.size,
        sha256=kept.sha256 if kept else document.sha256,
        media_type=kept.media_type if kept else document.media_type,
        reason_code=document.reason_code,
        reason=document.reason,
    )


def _steps(session: Session) -> Members:
    judged = ((index, session.assessment.steps[index]) for index in session.steps_on)
    return {
        step.step_id: {
            "status": _step_status(session, index),
            "filled": step.required_filled,
            "required": step.required,
        }
        for index, step in judged
    }


def _step_status(session: Session, index: int) -> StepStatus:
    state = session.state
    if index == state.step_index and not state.status.ended:
        return StepStatus.CURRENT
    step_of = session.flow.step_of
    if index > max((step_of[shown].index for shown in state.shown_steps), default=0):
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
