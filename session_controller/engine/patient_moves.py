"""The patient's commands, decided one by one after role and phase have been checked."""

from datetime import datetime
from fnmatch import fnmatchcase

from pydantic import JsonValue

from schemas.questionnaire.model import FieldKind, Item
from schemas.wire import commands as c
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import DocumentStatus
from session_controller.engine import events as f
from session_controller.engine.context import Context
from session_controller.engine.fields import (
    field_on_step,
    field_shown,
    field_to_fill,
    is_instance,
    refuse_kind,
)
from session_controller.engine.limits import (
    MAX_ANSWER_BYTES,
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENTS,
    MAX_UPLOAD_BYTES,
    Limit,
    size_of,
)
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session, explain, fields_of
from session_controller.forms.answers import (
    Place,
    TooLarge,
    WrongKind,
    canonical_value,
    check_value,
)
from session_controller.forms.field_status import as_computed
from session_controller.forms.verdicts import MAX_BYTES


def enter_field(session: Session, command: c.EnterField, _: Context) -> f.Fact | Refusal:
    """Store a value of the right type; one that breaks a rule blocks the step, not the typing.

    Blank text clears the field.
    """
    place = field_to_fill(session, command.field_id)
    if isinstance(place, Refusal):
        return place
    item = as_computed(place.item, session.state.computed.get(command.field_id))
    value = canonical_value(item, command.value)
    refusal = _cannot_be_entered(item) or _bad_value(item, value)
    if refusal is not None:
        return refusal
    if value == "":
        return f.FieldCleared(field_id=command.field_id)
    held = session.answer_bytes - size_of(session.state.answers.get(command.field_id))
    if held + size_of(value) > MAX_ANSWER_BYTES:
        return Refusal(
            RejectionCode.TOO_LARGE,
            "All answers together are too long. Please shorten one.",
            {"limit": MAX_ANSWER_BYTES},
            Limit.ANSWERS,
        )
    return f.FieldEntered(field_id=command.field_id, value=value)


def _cannot_be_entered(item: Item) -> Refusal | None:
    if not item.takes_value:
        return refuse_kind("This field takes no typed answer: it is uploaded, read or signed.")
    return (
        refuse_kind("This value is set by the form and cannot be changed.") if item.fixed else None
    )


def _bad_value(item: Item, value: JsonValue) -> Refusal | None:
    verdict = check_value(item, value)
    if isinstance(verdict, WrongKind):
        return refuse_kind(f"{item.label}: {verdict.message}")
    if isinstance(verdict, TooLarge):
        return Refusal(
            RejectionCode.TOO_LARGE,
            f"{item.label}: {verdict.message}",
            {"limit": MAX_BYTES},
            Limit.VALUE,
        )
    return None


def clear_field(session: Session, command: c.ClearField, _: Context) -> f.Fact | Refusal:
    """Clear a field, remove a document, or remove an instance of a repeating group."""
    if is_instance(session, command.field_id):
        return f.FieldCleared(field_id=command.field_id)
    place = field_shown(session, command.field_id)
    if isinstance(place, Refusal):
        return place
    if not (place.item.takes_value or place.item.kind is FieldKind.ATTACHMENT):
        return refuse_kind("This field cannot be cleared: it is read or signed.")
    if place.item.fixed:
        return refuse_kind("This value is set by the form and cannot be changed.")
    return f.FieldCleared(field_id=command.field_id)


def focus_field(session: Session, command: c.FocusField, _: Context) -> f.Fact | Refusal:
    """Record which field the patient is at."""
    if command.field_id is not None:
        place = field_on_step(session, command.field_id)
        if isinstance(place, Refusal):
            return place
    return f.FieldFocused(field_id=command.field_id)


def report_reading(
    session: Session, command: c.ReportReading, context: Context
) -> f.Fact | Refusal:
    """Record how far and how long a consent text was read, as the screen reports it.

    Neither ever decreases, and the time is never longer than since the text was first shown.
    """
    place = field_shown(session, command.field_id)
    if isinstance(place, Refusal):
        return place
    if place.item.kind is not FieldKind.CONSENT:
        return refuse_kind("This field is not a consent text.")
    before = session.state.reading.get(command.field_id, 0.0)
    return f.ReadingReported(
        field_id=command.field_id,
        fraction=max(before, command.fraction),
        seconds=_seconds(session, command, place, context.at),
    )


def _seconds(
    session: Session, command: c.ReportReading, place: Place, at: datetime
) -> float | None:
    before = session.state.reading_seconds.get(command.field_id)
    if command.seconds is None:
        return before
    since_shown = (at - session.state.shown_steps[place.step_id]).total_seconds()
    return max(before or 0.0, min(command.seconds, max(since_shown, 0.0)))


def begin_upload(session: Session, command: c.BeginUpload, context: Context) -> f.Fact | Refusal:
    """Begin or resume an upload; a different upload for the field replaces the former one."""
    place = field_to_fill(session, command.field_id)
    if isinstance(place, Refusal):
        return place
    if place.item.kind is not FieldKind.ATTACHMENT:
        return refuse_kind("This field does not take a document.")
    return (
        _bad_document(session, place.item, command)
        or _too_many(session, command, context)
        or _bad_upload_id(session, command)
        or f.UploadBegun(
            field_id=command.field_id,
            upload=command.upload,
            size=command.size,
            sha256=command.sha256,
            media_type=command.media_type,
        )
    )


def _bad_document(session: Session, item: Item, command: c.BeginUpload) -> Refusal | None:
    wanted = item.media_types
    if wanted and not any(fnmatchcase(command.media_type.lower(), w.lower()) for w in wanted):
        return refuse_kind(f"{item.label}: this type of document is not accepted here.")
    others = sum(d.size for key, d in session.state.documents.items() if key != command.field_id)
    limits: dict[Limit | None, int] = {
        None: item.max_size or MAX_UPLOAD_BYTES,  # the form's
        Limit.DOCUMENT: MAX_UPLOAD_BYTES,
        Limit.DOCUMENTS_BYTES: MAX_DOCUMENT_BYTES - others,
    }
    if command.size <= min(limits.values()):
        return None
    return Refusal(
        RejectionCode.TOO_LARGE,
        f"{item.label}: the document is too large.",
        {"limit": min(limits.values())},
        next((limit for limit, most in limits.items() if limit and command.size > most), None),
    )


def _too_many(session: Session, command: c.BeginUpload, context: Context) -> Refusal | None:
    """Limit the documents of a session, and those of the box to its share of the disk."""
    documents = session.state.documents
    if command.field_id not in documents and len(documents) >= MAX_DOCUMENTS:
        return Refusal(
            RejectionCode.TOO_MANY,
            "No more documents can be added to this session.",
            {"limit": MAX_DOCUMENTS},
            Limit.DOCUMENTS,
        )
    if context.box_room is not None and command.size > context.box_room:
        return Refusal(
            RejectionCode.TOO_MANY,
            "This box is out of space for documents. Facility IT can purge old sessions.",
            limit=Limit.DISK,
        )
    return None


def _bad_upload_id(session: Session, command: c.BeginUpload) -> Refusal | None:
    """Bind an upload id to one document: same field, size and hash, not yet finished."""
    for field_id, known in session.state.documents.items():
        if known.upload != command.upload:
            continue
        same = (field_id, known.size, known.sha256) == (
            command.field_id,
            command.size,
            command.sha256,
        )
        if not same or known.status is not DocumentStatus.RECEIVING:
            return Refusal(
                RejectionCode.UPLOAD_CORRUPT, "This upload id belongs to another document."
            )
    return None


def finish_upload(session: Session, command: c.FinishUpload, context: Context) -> f.Fact | Refusal:
    """Accept the document if size and hash of the stored bytes are as announced."""
    found = session.upload(command.upload)
    if found is None:
        return Refusal(RejectionCode.UPLOAD_INCOMPLETE, "There is no such upload. Begin it again.")
    field_id, document = found
    if document.status is not DocumentStatus.RECEIVING:
        return f.UploadFinished(field_id=field_id)
    stored = context.stored
    if stored is None or stored.size != document.size:
        return Refusal(
            RejectionCode.UPLOAD_INCOMPLETE,
            "Not all of the document has arrived yet.",
            {"received": stored.size if stored else 0, "size": document.size},
        )
    if stored.sha256 != document.sha256:
        return Refusal(
            RejectionCode.UPLOAD_CORRUPT,
            "The document was damaged on the way. Please send it again.",
        )
    if stored.unfit is not None:
        return Refusal(
            RejectionCode.UPLOAD_CORRUPT, stored.unfit.message, {"reason": stored.unfit.reason}
        )
    return f.UploadFinished(field_id=field_id, stored=stored.document)


def report_ready(session: Session, command: c.ReportReady, _: Context) -> f.Fact | Refusal:
    """Record that the patient is done with the current step, or pass it where that is allowed."""
    if command.step_id != session.step.step_id:
        return Refusal(
            RejectionCode.STALE_REVISION,
            "The session has moved to another step.",
            {"revision": session.state.revision, "step_id": session.step.step_id},
        )
    faults = session.patient_faults
    if faults:
        details: dict[str, JsonValue] = {"step_id": command.step_id, "fields": fields_of(faults)}
        return Refusal(RejectionCode.STEP_INCOMPLETE, explain(faults), details)
    following = session.next_shown
    complete = session.assessment.steps[session.state.step_index].complete
    if following is not None and complete and session.may_advance:
        return f.StepPassed(step_index=following)
    return f.ReadyReported()


def ask_for_help(session: Session, command: c.AskForHelp, _: Context) -> f.Fact | Refusal:
    """Call staff to the patient, who may name a step to change; idempotent."""
    if command.step_id is not None and command.step_id not in session.state.shown_steps:
        return Refusal(RejectionCode.UNKNOWN_STEP, "This session has shown no such step.")
    return f.HelpAsked(step_id=command.step_id)


def report_idle(_: Session, command: c.ReportIdle, __: Context) -> f.Fact | Refusal:
    """Record whether somebody answers at the patient screen; it does not reopen a locked one."""
    return f.IdleReported(idle=command.idle)


def report_screen(_: Session, command: c.ReportScreen, __: Context) -> f.Fact | Refusal:
    """Record how the patient screen shows the form."""
    return f.ScreenReported(language=command.language, text_percent=command.text_percent)
