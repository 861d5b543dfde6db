"""Commands of a device to a session that it is in (`sessions/{session}/commands/…`)."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, TypeAdapter, model_validator

from schemas.base import (
    DEFERRED,
    LINES,
    ONE_LINE,
    AnyJson,
    CommandId,
    FieldId,
    Identifier,
    Seq,
    Sha256,
    Versioned,
    absent,
)

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=LINES)]
OptionalReason = Annotated[Reason | None, Field(exclude_if=absent)]

PersonName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=ONE_LINE)
]
"""A person's name, or relationship to the patient, on one line."""
OptionalName = Annotated[PersonName | None, Field(exclude_if=absent)]
Language = Annotated[str, Field(min_length=1, max_length=64, pattern=ONE_LINE)]
"""A BCP 47 tag, as written in the questionnaire."""

MAX_SECONDS = 7 * 24 * 3600
"""Limit of the reading time of a text; longer than any session is open."""

MAX_STROKES = 2_000
MAX_POINTS = 5_000
"""Points of one stroke: at 120 a second, 40 seconds without lifting the pen."""

Unit = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Unit, Unit, Annotated[float, Field(ge=0, le=86_400_000)]]
"""`[x, y, t_ms]`, x and y as fractions of the pad, t in milliseconds from the first touch."""
Strokes = Annotated[
    tuple[Annotated[tuple[Point, ...], Field(min_length=1, max_length=MAX_POINTS)], ...],
    Field(min_length=1, max_length=MAX_STROKES),
]


class CommandBase(Versioned):
    """The common fields of all commands."""

    command_id: CommandId
    seq: Seq
    """Counts this device's commands in this session: 1, 2, 3 …"""
    sent_at: Annotated[str | None, Field(max_length=64, pattern=ONE_LINE, exclude_if=absent)] = None
    """By the device's clock; for display, never for ordering."""
    expected_revision: Annotated[int | None, Field(exclude_if=absent)] = None


class Navigate(CommandBase):
    """Move everyone to a step."""

    type: Literal["NAVIGATE"] = "NAVIGATE"
    step_id: FieldId
    override_reason: OptionalReason = None


class HighlightField(CommandBase):
    """Highlight a field on the patient screen; null clears the highlight."""

    type: Literal["HIGHLIGHT_FIELD"] = "HIGHLIGHT_FIELD"
    field_id: FieldId | None


class RequestSignature(CommandBase):
    """Lock the patient screen into signing."""

    type: Literal["REQUEST_SIGNATURE"] = "REQUEST_SIGNATURE"
    field_id: FieldId
    staff_name: OptionalName = None
    """The name of the requester, if several people use the screen."""


class CancelSignature(CommandBase):
    """Leave signing mode."""

    type: Literal["CANCEL_SIGNATURE"] = "CANCEL_SIGNATURE"


class CorrectionFault(StrEnum):
    """Why an answer is to be corrected; the patient screen says it in the patient's language."""

    CHECK = "check"
    INCOMPLETE = "incomplete"
    NOT_AS_ON_CARD = "not_as_on_card"
    UNCLEAR = "unclear"


class RequestCorrection(CommandBase):
    """Mark a field for correction by the patient."""

    type: Literal["REQUEST_CORRECTION"] = "REQUEST_CORRECTION"
    field_id: FieldId
    message: Reason
    message_code: Annotated[CorrectionFault | None, Field(exclude_if=absent)] = None
    """Absent: in staff's own words. `message` is for screens that do not know the code."""
    language: Annotated[Language | None, Field(exclude_if=absent)] = None
    """A BCP 47 tag of `message`; absent: unknown."""


class DocumentFault(StrEnum):
    """Why a document is rejected; the patient screen says it in the patient's language."""

    GLARE = "glare"
    BLURRED = "blurred"
    CUT_OFF = "cut_off"
    WRONG_SIDE = "wrong_side"
    WRONG_DOCUMENT = "wrong_document"
    EXPIRED = "expired"


class ReviewDocument(CommandBase):
    """Accept or reject an uploaded document."""

    type: Literal["REVIEW_DOCUMENT"] = "REVIEW_DOCUMENT"
    field_id: FieldId
    accepted: bool
    reason_code: Annotated[DocumentFault | None, Field(exclude_if=absent)] = None
    reason: OptionalReason = None
    """In staff's own words."""


class FetchDocument(CommandBase):
    """Request that a document's bytes be sent to this device."""

    type: Literal["FETCH_DOCUMENT"] = "FETCH_DOCUMENT"
    field_id: FieldId


class SendHelp(CommandBase):
    """Announce to the patient who asked for help that somebody is coming."""

    type: Literal["SEND_HELP"] = "SEND_HELP"
    staff_name: OptionalName = None
    """Who is coming; absent: whoever is signed in at this screen, if anybody."""


class AnswerHelp(CommandBase):
    """Clear the patient's request for help: it is done."""

    type: Literal["ANSWER_HELP"] = "ANSWER_HELP"


class SetSelfPaced(CommandBase):
    """Allow the patient to pass complete steps alone, or forbid it, for this session."""

    type: Literal["SET_SELF_PACED"] = "SET_SELF_PACED"
    self_paced: bool | None
    """null: as the flow says of each step."""


class CoverScreen(CommandBase):
    """Hide the patient screen behind a neutral cover, or show it again."""

    type: Literal["COVER_SCREEN"] = "COVER_SCREEN"
    covered: bool


class Pause(CommandBase):
    """Pause the session."""

    type: Literal["PAUSE"] = "PAUSE"


class Resume(CommandBase):
    """Resume a paused session."""

    type: Literal["RESUME"] = "RESUME"


class ReplacePatientDevice(CommandBase):
    """Move the patient's side to another enrolled device, or with null issue a new code."""

    type: Literal["REPLACE_PATIENT_DEVICE"] = "REPLACE_PATIENT_DEVICE"
    device: Identifier | None


class TakeOver(CommandBase):
    """Become the host."""

    type: Literal["TAKE_OVER"] = "TAKE_OVER"


class Complete(CommandBase):
    """Submit the session."""

    type: Literal["COMPLETE"] = "COMPLETE"
    override_reason: OptionalReason = None
    """Needed if the patient declined a signature that the flow requires."""


class Cancel(CommandBase):
    """End the session without submitting it."""

    type: Literal["CANCEL"] = "CANCEL"
    reason: Reason


class EnterField(CommandBase):
    """Store a value in a field of the current step, or of a step that was current before."""

    type: Literal["ENTER_FIELD"] = "ENTER_FIELD"
    field_id: FieldId
    value: AnyJson


class ClearField(CommandBase):
    """Clear a field, or remove an instance of a repeating group."""

    type: Literal["CLEAR_FIELD"] = "CLEAR_FIELD"
    field_id: FieldId


class FocusField(CommandBase):
    """Report which field has the focus."""

    type: Literal["FOCUS_FIELD"] = "FOCUS_FIELD"
    field_id: FieldId | None


class ReportReading(CommandBase):
    """Report how far a consent text was read."""

    type: Literal["REPORT_READING"] = "REPORT_READING"
    field_id: FieldId
    fraction: Unit
    seconds: Annotated[float | None, Field(ge=0, le=MAX_SECONDS, exclude_if=absent)] = None
    """Total time that the text was on the screen; like the fraction, it never decreases."""


class BeginUpload(CommandBase):
    """Start the upload of a document."""

    type: Literal["BEGIN_UPLOAD"] = "BEGIN_UPLOAD"
    field_id: FieldId
    upload: Identifier
    size: Annotated[int, Field(ge=1, le=2**40)]
    """Total number of bytes."""
    sha256: Sha256
    media_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]{1,63}/[A-Za-z0-9.+-]{1,63}$")]


class FinishUpload(CommandBase):
    """Finish an upload; the controller then checks its size and SHA-256."""

    type: Literal["FINISH_UPLOAD"] = "FINISH_UPLOAD"
    upload: Identifier


class SubmitSignature(CommandBase):
    """Sign the exact text that was shown."""

    type: Literal["SUBMIT_SIGNATURE"] = "SUBMIT_SIGNATURE"
    field_id: FieldId
    strokes: Strokes
    document_sha256: Sha256
    """Of the text as it was shown: in `language`, if present."""
    language: Annotated[Language | None, Field(exclude_if=absent)] = None
    """The language that the text was shown in; absent: the questionnaire's own."""
    printed_name: OptionalName = None
    """The signer's name."""
    relationship: OptionalName = None
    """The signer's relationship to the patient, a code or text; absent: the patient signs."""

    @model_validator(mode="after")
    def _names_the_representative(self) -> Self:
        """Reject a signature on behalf of the patient without the signer's name."""
        if self.relationship is not None and self.printed_name is None:
            raise ValueError("`relationship` requires `printed_name`")
        return self


class DeclineSignature(CommandBase):
    """Refuse to sign."""

    type: Literal["DECLINE_SIGNATURE"] = "DECLINE_SIGNATURE"
    reason: OptionalReason = None


class WithdrawSignature(CommandBase):
    """Withdraw a signature of the current step, before the session is submitted."""

    type: Literal["WITHDRAW_SIGNATURE"] = "WITHDRAW_SIGNATURE"
    field_id: FieldId
    reason: OptionalReason = None


class ReportReady(CommandBase):
    """Report that the patient is done with the current step.

    Where the patient may pass it alone, and nothing is missing, the session moves to the next step.
    """

    type: Literal["REPORT_READY"] = "REPORT_READY"
    step_id: FieldId
    """The step that the patient is done with; refused if it is no longer the current one."""


class AskForHelp(CommandBase):
    """Request help from staff, or with `step_id` that they open a step again."""

    type: Literal["ASK_FOR_HELP"] = "ASK_FOR_HELP"
    step_id: Annotated[FieldId | None, Field(exclude_if=absent)] = None
    """A step that this session has shown, whose answers the patient wants to change."""


class ReportIdle(CommandBase):
    """Report that nobody answers at the patient screen, or that somebody does again."""

    type: Literal["REPORT_IDLE"] = "REPORT_IDLE"
    idle: bool


class ReportScreen(CommandBase):
    """Report the language and the text size that the patient has chosen, for the staff's mirror."""

    type: Literal["REPORT_SCREEN"] = "REPORT_SCREEN"
    language: Annotated[Language | None, Field(exclude_if=absent)] = None
    """A BCP 47 tag; absent: as the form is written."""
    text_percent: Annotated[int, Field(ge=25, le=500)] = 100
    """Of the screen's own text size, also by pinching."""


FacilityCommand = (
    Navigate
    | HighlightField
    | RequestSignature
    | CancelSignature
    | RequestCorrection
    | ReviewDocument
    | FetchDocument
    | SendHelp
    | AnswerHelp
    | SetSelfPaced
    | CoverScreen
    | Pause
    | Resume
    | ReplacePatientDevice
    | TakeOver
    | Complete
    | Cancel
)
PatientCommand = (
    EnterField
    | ClearField
    | FocusField
    | ReportReading
    | BeginUpload
    | FinishUpload
    | SubmitSignature
    | DeclineSignature
    | WithdrawSignature
    | ReportReady
    | AskForHelp
    | ReportIdle
    | ReportScreen
)
Command = FacilityCommand | PatientCommand

COMMAND: TypeAdapter[Command] = TypeAdapter(
    Annotated[Command, Field(discriminator="type")], config=DEFERRED
)
"""Parses any command from JSON."""
