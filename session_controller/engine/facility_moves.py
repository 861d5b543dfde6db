"""The facility's commands, decided one by one after role, phase and host have been checked."""

from collections.abc import Mapping, Sequence

from pydantic import JsonValue

from schemas.questionnaire.model import FieldKind
from schemas.wire import commands as c
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import DocumentStatus
from session_controller.engine import events as f
from session_controller.engine.context import Context
from session_controller.engine.fields import field_at, field_on_step, refuse_kind
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session, explain, fields_of
from session_controller.engine.state import Document
from session_controller.forms.field_status import DECLINED, Fault

_REVIEWABLE = (DocumentStatus.RECEIVED, DocumentStatus.ACCEPTED, DocumentStatus.REJECTED)


def navigate(session: Session, command: c.Navigate, _: Context) -> f.Fact | Refusal:
    """Move to a step: back freely, forward past steps that are complete.

    With a reason, also past a step that may be skipped, or where the patient declined to sign. A
    step that shows nothing is none: the next one beyond it is opened.
    """
    named = session.flow.step_of.get(command.step_id)
    if named is None:
        return Refusal(RejectionCode.UNKNOWN_STEP, "The flow has no such step.")
    target = session.nearest_shown(named.index)
    if target is None:
        return Refusal(
            RejectionCode.UNKNOWN_STEP, "Nothing of that step, or beyond it, is to be shown now."
        )
    for step in session.flow.steps[session.state.step_index : target]:
        faults = _remaining(session.assessment.steps[step.index].faults, command.override_reason)
        if faults and not (step.skippable and command.override_reason):
            return Refusal(
                RejectionCode.STEP_INCOMPLETE,
                f"{session.title_of(step.index)}: {explain(faults)}",
                {"step_id": step.step_id, **_details(faults)},
            )
    return f.Navigated(step_index=target, override_reason=command.override_reason)


def _remaining(faults: Sequence[Fault], reason: str | None) -> Sequence[Fault]:
    """Return what keeps staff from going on; a refusal to sign does not, if they say why."""
    return [one for one in faults if one.code != DECLINED] if reason else faults


def _details(faults: Sequence[Fault]) -> Mapping[str, JsonValue]:
    """Return the fields, and whether a reason is all that is missing: all were declined."""
    declined = all(one.code == DECLINED for one in faults)
    fields = {"fields": fields_of(faults)}
    return {**fields, "declined": True} if declined else fields


def highlight_field(session: Session, command: c.HighlightField, _: Context) -> f.Fact | Refusal:
    """Highlight a field; it must be shown on the patient screen."""
    if command.field_id is not None:
        place = field_on_step(session, command.field_id)
        if isinstance(place, Refusal):
            return place
    return f.FieldHighlighted(field_id=command.field_id)


def request_correction(
    session: Session, command: c.RequestCorrection, _: Context
) -> f.Fact | Refusal:
    """Ask for a correction of an entered value; documents are reviewed instead."""
    place = field_at(session, command.field_id)
    if isinstance(place, Refusal):
        return place
    if not place.item.takes_value:
        return refuse_kind("Only an entered value can be corrected. Review a document instead.")
    return f.CorrectionRequested(
        field_id=command.field_id,
        message=command.message,
        message_code=command.message_code,
        language=command.language,
    )


def review_document(session: Session, command: c.ReviewDocument, _: Context) -> f.Fact | Refusal:
    """Accept or reject a received document."""
    document = _whole_document(session, command.field_id)
    if isinstance(document, Refusal):
        return document
    return f.DocumentReviewed(
        field_id=command.field_id,
        accepted=command.accepted,
        reason_code=command.reason_code,
        reason=command.reason,
    )


def fetch_document(session: Session, command: c.FetchDocument, _: Context) -> f.Fact | Refusal:
    """Fetch a received document; that staff viewed it is recorded as a fact."""
    document = _whole_document(session, command.field_id)
    if isinstance(document, Refusal):
        return document
    return f.DocumentFetched(field_id=command.field_id, upload=document.upload)


def _whole_document(session: Session, field_id: str) -> Document | Refusal:
    place = field_at(session, field_id)
    if isinstance(place, Refusal):
        return place
    if place.item.kind is not FieldKind.ATTACHMENT:
        return refuse_kind("This field does not take a document.")
    document = session.state.documents.get(field_id)
    if document is None or document.status not in _REVIEWABLE:
        return Refusal(RejectionCode.UPLOAD_INCOMPLETE, "The document has not arrived yet.")
    return document


def send_help(_: Session, command: c.SendHelp, context: Context) -> f.Fact | Refusal:
    """Announce that somebody is coming; without effect if nobody asked."""
    return f.HelpSent(staff_name=command.staff_name or context.person_name)


def answer_help(_: Session, __: c.AnswerHelp, ___: Context) -> f.Fact | Refusal:
    """Clear the call for help: it is done; idempotent."""
    return f.HelpAnswered()


def set_self_paced(_: Session, command: c.SetSelfPaced, __: Context) -> f.Fact | Refusal:
    """Allow the patient to pass complete steps alone, forbid it, or leave it to the flow."""
    return f.SelfPacedSet(self_paced=command.self_paced)


def cover_screen(_: Session, command: c.CoverScreen, __: Context) -> f.Fact | Refusal:
    """Cover the patient screen, or show it again; showing it reopens a locked one."""
    return f.ScreenCovered(covered=command.covered)


def pause(_: Session, __: c.Pause, ___: Context) -> f.Fact | Refusal:
    """Pause the session; a signature request stays open."""
    return f.Paused()


def resume(_: Session, __: c.Resume, ___: Context) -> f.Fact | Refusal:
    """Resume the session; idempotent."""
    return f.Resumed()


def replace_patient_device(
    session: Session, command: c.ReplacePatientDevice, context: Context
) -> f.Fact | Refusal:
    """Move the patient's side to a free patient screen, or issue a new code."""
    if command.device is None:
        if context.code_expires_at is None:
            raise ValueError("code_expires_at is required to issue a new code")
        serial = session.state.last_code_serial + 1
        code = f.CodeIssued(serial=serial, expires_at=context.code_expires_at)
        return f.PatientDeviceReplaced(device=None, code=code)
    candidate = context.candidate
    if candidate is None or not candidate.is_patient_device:
        return Refusal(
            RejectionCode.NOT_ALLOWED_FOR_ROLE, "That is not an enrolled patient screen."
        )
    if candidate.busy:
        return Refusal(RejectionCode.UNAVAILABLE, "That screen is already in a session.")
    return f.PatientDeviceReplaced(device=command.device, online=candidate.online)


def take_over(_: Session, __: c.TakeOver, context: Context) -> f.Fact | Refusal:
    """Become the host; no change if the sender already is."""
    return f.TookOver(device=context.device, role=context.role, online=context.online)


def complete(session: Session, command: c.Complete, _: Context) -> f.Fact | Refusal:
    """Submit the session; every required field of the flow must be valid.

    With a reason, signatures that the patient declined may be missing: that is recorded.
    """
    faults = _remaining(session.assessment.faults, command.override_reason)
    if faults:
        return Refusal(RejectionCode.SESSION_INCOMPLETE, explain(faults), _details(faults))
    return f.Completed(override_reason=command.override_reason)


def cancel(_: Session, command: c.Cancel, __: Context) -> f.Fact | Refusal:
    """End the session without submitting it."""
    return f.Cancelled(reason=command.reason)
