"""What the patient may do, command by command, once role and phase are checked."""

from fnmatch import fnmatchcase

from pydantic import JsonValue

from schemas import commands as c
from schemas.questionnaire import FieldKind, Item
from schemas.rejections import RejectionCode
from schemas.views import DocumentStatus
from session_controller.answers import TooLarge, WrongKind, check_value, settle
from session_controller.engine import facts as f
from session_controller.engine.context import Context
from session_controller.engine.fields import (
    field_on_step,
    field_to_fill,
    is_instance,
    refuse_kind,
)
from session_controller.engine.limits import (
    MAX_ANSWER_BYTES,
    MAX_DOCUMENT_BYTES,
    MAX_DOCUMENTS,
    MAX_UPLOAD_BYTES,
    size_of,
)
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session
from session_controller.verdicts import MAX_BYTES


def enter_field(session: Session, command: c.EnterField, _: Context) -> f.Fact | Refusal:
    """Store a value of the right kind; that it breaks a rule blocks moving on, not typing."""
    place = field_to_fill(session, command.field_id)
    if isinstance(place, Refusal):
        return place
    item = place.item
    refusal = _cannot_be_entered(item) or _bad_value(item, command.value)
    if refusal is not None:
        return refusal
    value = settle(item, command.value)
    held = session.answer_bytes - size_of(session.state.answers.get(command.field_id))
    if held + size_of(value) > MAX_ANSWER_BYTES:
        return Refusal(
            RejectionCode.TOO_LARGE,
            "The answers of this session are too long in all.",
            {"limit": MAX_ANSWER_BYTES},
        )
    return f.FieldEntered(field_id=command.field_id, value=value)


def _cannot_be_entered(item: Item) -> Refusal | None:
    if not item.takes_value:
        return refuse_kind("This field is not entered: it is uploaded, read or signed.")
    return refuse_kind("The form has fixed this value.") if item.fixed else None


def _bad_value(item: Item, value: JsonValue) -> Refusal | None:
    verdict = check_value(item, value)
    if isinstance(verdict, WrongKind):
        return refuse_kind(f"{item.label}: {verdict.message}")
    if isinstance(verdict, TooLarge):
        return Refusal(
            RejectionCode.TOO_LARGE, f"{item.label}: {verdict.message}", {"limit": MAX_BYTES}
        )
    return None


def clear_field(session: Session, command: c.ClearField, _: Context) -> f.Fact | Refusal:
    """Empty a field, take a document back, or take an instance of a repeating group out."""
    if is_instance(session, command.field_id):
        return f.FieldCleared(field_id=command.field_id)
    place = field_on_step(session, command.field_id)
    if isinstance(place, Refusal):
        return place
    if not (place.item.takes_value or place.item.kind is FieldKind.ATTACHMENT):
        return refuse_kind("This field is not entered: it is read or signed.")
    if place.item.fixed:
        return refuse_kind("The form has fixed this value.")
    return f.FieldCleared(field_id=command.field_id)


def focus_field(session: Session, command: c.FocusField, _: Context) -> f.Fact | Refusal:
    """Tell where the patient is."""
    if command.field_id is not None:
        place = field_on_step(session, command.field_id)
        if isinstance(place, Refusal):
            return place
    return f.FieldFocused(field_id=command.field_id)


def report_reading(session: Session, command: c.ReportReading, _: Context) -> f.Fact | Refusal:
    """How far and how long a consent text was read; neither ever falls."""
    place = field_on_step(session, command.field_id)
    if isinstance(place, Refusal):
        return place
    if place.item.kind is not FieldKind.CONSENT:
        return refuse_kind("This field is not a text to be read.")
    before = session.state.reading.get(command.field_id, 0.0)
    return f.ReadingReported(
        field_id=command.field_id,
        fraction=max(before, command.fraction),
        seconds=_seconds(session, command),
    )


def _seconds(session: Session, command: c.ReportReading) -> float | None:
    before = session.state.reading_seconds.get(command.field_id)
    told = [seconds for seconds in (before, command.seconds) if seconds is not None]
    return max(told, default=None)


def begin_upload(session: Session, command: c.BeginUpload, context: Context) -> f.Fact | Refusal:
    """Open an upload, or go on with one; another upload for the field takes its place."""
    place = field_to_fill(session, command.field_id)
    if isinstance(place, Refusal):
        return place
    if place.item.kind is not FieldKind.ATTACHMENT:
        return refuse_kind("This field holds no document.")
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
        return refuse_kind(f"{item.label}: a document of this type is not asked for.")
    limit = min(item.max_size or MAX_UPLOAD_BYTES, MAX_UPLOAD_BYTES)
    others = sum(d.size for key, d in session.state.documents.items() if key != command.field_id)
    limit = min(limit, MAX_DOCUMENT_BYTES - others)
    if command.size > limit:
        return Refusal(
            RejectionCode.TOO_LARGE, f"{item.label}: the document is too large.", {"limit": limit}
        )
    return None


def _too_many(session: Session, command: c.BeginUpload, context: Context) -> Refusal | None:
    """Hold a session to a number of documents, and the box to what its disk is meant to take."""
    documents = session.state.documents
    if command.field_id not in documents and len(documents) >= MAX_DOCUMENTS:
        return Refusal(
            RejectionCode.TOO_MANY,
            "This session holds as many documents as one may.",
            {"limit": MAX_DOCUMENTS},
        )
    if context.box_room is not None and command.size > context.box_room:
        return Refusal(
            RejectionCode.TOO_MANY,
            "This box has no room for more documents. Facility IT can purge old sessions.",
        )
    return None


def _bad_upload_id(session: Session, command: c.BeginUpload) -> Refusal | None:
    """Hold an upload's id to one document: same field, size and hash, still on its way."""
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
                RejectionCode.UPLOAD_CORRUPT, "This upload id stands for another document."
            )
    return None


def finish_upload(session: Session, command: c.FinishUpload, context: Context) -> f.Fact | Refusal:
    """Take the document, when size and hash of the stored bytes are as announced."""
    found = session.upload(command.upload)
    if found is None:
        return Refusal(RejectionCode.UPLOAD_INCOMPLETE, "No such upload is open.")
    field_id, document = found
    if document.status is not DocumentStatus.RECEIVING:
        return f.UploadFinished(field_id=field_id)
    stored = context.stored
    if stored is None or stored.size != document.size:
        return Refusal(
            RejectionCode.UPLOAD_INCOMPLETE,
            "The document is not whole yet.",
            {"received": stored.size if stored else 0, "size": document.size},
        )
    if stored.sha256 != document.sha256:
        return Refusal(
            RejectionCode.UPLOAD_CORRUPT,
            "The document arrived damaged; begin it again.",
        )
    if stored.unfit is not None:
        return Refusal(
            RejectionCode.UPLOAD_CORRUPT, stored.unfit.message, {"reason": stored.unfit.reason}
        )
    return f.UploadFinished(field_id=field_id, stored=stored.document)


def ask_for_help(_: Session, __: c.AskForHelp, ___: Context) -> f.Fact | Refusal:
    """Raise the flag on the staff's screen; doing it twice does no harm."""
    return f.HelpAsked()
