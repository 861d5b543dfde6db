"""What the host may do, command by command, once role, phase and host are checked."""

from schemas import commands as c
from schemas.questionnaire import FieldKind
from schemas.rejections import RejectionCode
from schemas.views import DocumentStatus
from session_controller.engine import facts as f
from session_controller.engine.context import Context
from session_controller.engine.fields import field_at, field_on_step, refuse_kind
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session, explain, fields_of
from session_controller.engine.state import Document

_REVIEWABLE = (DocumentStatus.RECEIVED, DocumentStatus.ACCEPTED, DocumentStatus.REJECTED)


def navigate(session: Session, command: c.Navigate, _: Context) -> f.Fact | Refusal:
    """Back is free; forward only past steps that are complete, or skippable with a reason."""
    target = session.flow.step_of.get(command.step_id)
    if target is None:
        return Refusal(RejectionCode.UNKNOWN_STEP, "The flow has no such step.")
    for step in session.flow.steps[session.state.step_index : target.index]:
        faults = session.assessment.steps[step.index].faults
        if faults and not (step.skippable and command.override_reason):
            return Refusal(
                RejectionCode.STEP_INCOMPLETE,
                f"{step.title or step.step_id}: {explain(faults)}",
                {"fields": fields_of(faults), "step_id": step.step_id},
            )
    return f.Navigated(step_index=target.index, override_reason=command.override_reason)


def highlight_field(session: Session, command: c.HighlightField, _: Context) -> f.Fact | Refusal:
    """Only a field that the patient's screen shows can be pointed to."""
    if command.field_id is not None:
        place = field_on_step(session, command.field_id)
        if isinstance(place, Refusal):
            return place
    return f.FieldHighlighted(field_id=command.field_id)


def request_correction(
    session: Session, command: c.RequestCorrection, _: Context
) -> f.Fact | Refusal:
    """Only what the patient enters can be corrected; documents are reviewed instead."""
    place = field_at(session, command.field_id)
    if isinstance(place, Refusal):
        return place
    if not place.item.takes_value:
        return refuse_kind("Only an entered value can be corrected.")
    return f.CorrectionRequested(field_id=command.field_id, message=command.message)


def review_document(session: Session, command: c.ReviewDocument, _: Context) -> f.Fact | Refusal:
    """Accept a whole document, or send it back."""
    document = _whole_document(session, command.field_id)
    if isinstance(document, Refusal):
        return document
    return f.DocumentReviewed(
        field_id=command.field_id, accepted=command.accepted, reason=command.reason
    )


def fetch_document(session: Session, command: c.FetchDocument, _: Context) -> f.Fact | Refusal:
    """Have a whole document sent; that it was looked at is a fact of its own."""
    document = _whole_document(session, command.field_id)
    if isinstance(document, Refusal):
        return document
    return f.DocumentFetched(field_id=command.field_id, upload=document.upload)


def _whole_document(session: Session, field_id: str) -> Document | Refusal:
    place = field_at(session, field_id)
    if isinstance(place, Refusal):
        return place
    if place.item.kind is not FieldKind.ATTACHMENT:
        return refuse_kind("This field holds no document.")
    document = session.state.documents.get(field_id)
    if document is None or document.status not in _REVIEWABLE:
        return Refusal(RejectionCode.UPLOAD_INCOMPLETE, "The document has not arrived yet.")
    return document


def answer_help(_: Session, __: c.AnswerHelp, ___: Context) -> f.Fact | Refusal:
    """Take the patient's call down; doing it twice does no harm."""
    return f.HelpAnswered()


def cover_screen(_: Session, command: c.CoverScreen, __: Context) -> f.Fact | Refusal:
    """Hide the patient's screen, or show it again."""
    return f.ScreenCovered(covered=command.covered)


def pause(_: Session, __: c.Pause, ___: Context) -> f.Fact | Refusal:
    """Hold the session; a signature that is asked for stays asked for."""
    return f.Paused()


def resume(_: Session, __: c.Resume, ___: Context) -> f.Fact | Refusal:
    """Go on; doing it twice does no harm."""
    return f.Resumed()


def replace_patient_device(
    session: Session, command: c.ReplacePatientDevice, context: Context
) -> f.Fact | Refusal:
    """Move the patient's side to a free patient's screen, or open a new code."""
    if command.device is None:
        if context.code_expires_at is None:
            raise ValueError("the caller must say when a new code expires")
        serial = session.state.last_code_serial + 1
        code = f.CodeIssued(serial=serial, expires_at=context.code_expires_at)
        return f.PatientDeviceReplaced(device=None, code=code)
    candidate = context.candidate
    if candidate is None or not candidate.is_patient_device:
        return Refusal(RejectionCode.NOT_ALLOWED_FOR_ROLE, "That is no enrolled patient's screen.")
    if candidate.busy:
        return Refusal(RejectionCode.UNAVAILABLE, "That screen is in a session already.")
    return f.PatientDeviceReplaced(device=command.device, online=candidate.online)


def take_over(_: Session, __: c.TakeOver, context: Context) -> f.Fact | Refusal:
    """Become the host; for who is the host already, nothing changes."""
    return f.TookOver(device=context.device, role=context.role, online=context.online)


def complete(session: Session, _: c.Complete, __: Context) -> f.Fact | Refusal:
    """Submit, once every required field of the flow is valid."""
    faults = session.assessment.faults
    if faults:
        return Refusal(
            RejectionCode.SESSION_INCOMPLETE, explain(faults), {"fields": fields_of(faults)}
        )
    return f.Completed()


def cancel(_: Session, command: c.Cancel, __: Context) -> f.Fact | Refusal:
    """End the session unsubmitted."""
    return f.Cancelled(reason=command.reason)
