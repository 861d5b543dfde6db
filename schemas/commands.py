"""Commands: what a device asks of a session it takes part in (`sessions/{session}/commands/…`)."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, TypeAdapter, model_validator

from schemas.base import AnyJson, CommandId, FieldId, Identifier, Seq, Sha256, Versioned, absent

Reason = Annotated[str, Field(min_length=1, max_length=500)]
OptionalReason = Annotated[Reason | None, Field(exclude_if=absent)]

_ONE_LINE = r"^[^\x00-\x1f\x7f]+$"
PersonName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_ONE_LINE)
]
"""What a person is called, or is to the patient: one line."""
OptionalName = Annotated[PersonName | None, Field(exclude_if=absent)]
Language = Annotated[str, Field(min_length=1, max_length=64)]
"""BCP 47, as the questionnaire writes it."""

MAX_SECONDS = 7 * 24 * 3600
"""Of reading one text: longer than any session is open."""

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
    """What every command bears."""

    command_id: CommandId
    seq: Seq
    """Counts this device's commands in this session: 1, 2, 3 …"""
    sent_at: Annotated[str | None, Field(max_length=64, exclude_if=absent)] = None
    """By the device's clock; for a person reading, never for ordering."""
    expected_revision: Annotated[int | None, Field(exclude_if=absent)] = None


class Navigate(CommandBase):
    """Move everyone to a step."""

    type: Literal["NAVIGATE"] = "NAVIGATE"
    step_id: FieldId
    override_reason: OptionalReason = None


class HighlightField(CommandBase):
    """Emphasize a field on the patient's screen; null clears it."""

    type: Literal["HIGHLIGHT_FIELD"] = "HIGHLIGHT_FIELD"
    field_id: FieldId | None


class RequestSignature(CommandBase):
    """Lock the patient's screen into signing."""

    type: Literal["REQUEST_SIGNATURE"] = "REQUEST_SIGNATURE"
    field_id: FieldId
    staff_name: OptionalName = None
    """Who asks for it, where several people use the screen."""


class CancelSignature(CommandBase):
    """Leave signing mode."""

    type: Literal["CANCEL_SIGNATURE"] = "CANCEL_SIGNATURE"


class RequestCorrection(CommandBase):
    """Mark a field as to be corrected by the patient."""

    type: Literal["REQUEST_CORRECTION"] = "REQUEST_CORRECTION"
    field_id: FieldId
    message: Reason


class ReviewDocument(CommandBase):
    """Accept an uploaded document or send it back."""

    type: Literal["REVIEW_DOCUMENT"] = "REVIEW_DOCUMENT"
    field_id: FieldId
    accepted: bool
    reason: OptionalReason = None


class FetchDocument(CommandBase):
    """Have a document's bytes sent to this device."""

    type: Literal["FETCH_DOCUMENT"] = "FETCH_DOCUMENT"
    field_id: FieldId


class AnswerHelp(CommandBase):
    """Take the patient's call for help down."""

    type: Literal["ANSWER_HELP"] = "ANSWER_HELP"


class CoverScreen(CommandBase):
    """Hide the patient's screen behind a neutral cover, or show it again."""

    type: Literal["COVER_SCREEN"] = "COVER_SCREEN"
    covered: bool


class Pause(CommandBase):
    """Hold the session."""

    type: Literal["PAUSE"] = "PAUSE"


class Resume(CommandBase):
    """Go on after a pause."""

    type: Literal["RESUME"] = "RESUME"


class ReplacePatientDevice(CommandBase):
    """Move the patient's side to another enrolled device, or (null) issue a new code."""

    type: Literal["REPLACE_PATIENT_DEVICE"] = "REPLACE_PATIENT_DEVICE"
    device: Identifier | None


class TakeOver(CommandBase):
    """Become the host."""

    type: Literal["TAKE_OVER"] = "TAKE_OVER"


class Complete(CommandBase):
    """Submit the session."""

    type: Literal["COMPLETE"] = "COMPLETE"


class Cancel(CommandBase):
    """End the session unsubmitted."""

    type: Literal["CANCEL"] = "CANCEL"
    reason: Reason


class EnterField(CommandBase):
    """Store a value of a field of the current step."""

    type: Literal["ENTER_FIELD"] = "ENTER_FIELD"
    field_id: FieldId
    value: AnyJson


class ClearField(CommandBase):
    """Empty a field, or take an instance of a repeating group out."""

    type: Literal["CLEAR_FIELD"] = "CLEAR_FIELD"
    field_id: FieldId


class FocusField(CommandBase):
    """Tell the staff where the patient is."""

    type: Literal["FOCUS_FIELD"] = "FOCUS_FIELD"
    field_id: FieldId | None


class ReportReading(CommandBase):
    """Tell how far a consent text was read."""

    type: Literal["REPORT_READING"] = "REPORT_READING"
    field_id: FieldId
    fraction: Unit
    seconds: Annotated[float | None, Field(ge=0, le=MAX_SECONDS, exclude_if=absent)] = None
    """For which the text was on the screen, in all; like the fraction it never falls."""


class BeginUpload(CommandBase):
    """Open an upload of a document."""

    type: Literal["BEGIN_UPLOAD"] = "BEGIN_UPLOAD"
    field_id: FieldId
    upload: Identifier
    size: Annotated[int, Field(ge=1, le=2**40)]
    """Bytes in all."""
    sha256: Sha256
    media_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]{1,63}/[A-Za-z0-9.+-]{1,63}$")]


class FinishUpload(CommandBase):
    """Have an upload's size and SHA-256 checked."""

    type: Literal["FINISH_UPLOAD"] = "FINISH_UPLOAD"
    upload: Identifier


class SubmitSignature(CommandBase):
    """Sign the exact text that was shown."""

    type: Literal["SUBMIT_SIGNATURE"] = "SUBMIT_SIGNATURE"
    field_id: FieldId
    strokes: Strokes
    document_sha256: Sha256
    """Of the text as it was shown: in `language`, where that is given."""
    language: Annotated[Language | None, Field(exclude_if=absent)] = None
    """In which the text was shown; absent: as the questionnaire is written."""
    printed_name: OptionalName = None
    """Of who signs."""
    relationship: OptionalName = None
    """Of who signs to the patient, as a code or in words; absent: the patient signs."""

    @model_validator(mode="after")
    def _names_the_representative(self) -> Self:
        """Refuse a signature for somebody else that does not say whose it is."""
        if self.relationship is not None and self.printed_name is None:
            raise ValueError("who signs for somebody else has a name")
        return self


class DeclineSignature(CommandBase):
    """Refuse to sign."""

    type: Literal["DECLINE_SIGNATURE"] = "DECLINE_SIGNATURE"
    reason: OptionalReason = None


class WithdrawSignature(CommandBase):
    """Take back a signature of the current step, before the session is submitted."""

    type: Literal["WITHDRAW_SIGNATURE"] = "WITHDRAW_SIGNATURE"
    field_id: FieldId
    reason: OptionalReason = None


class AskForHelp(CommandBase):
    """Raise a flag on the staff's screen."""

    type: Literal["ASK_FOR_HELP"] = "ASK_FOR_HELP"


FacilityCommand = (
    Navigate
    | HighlightField
    | RequestSignature
    | CancelSignature
    | RequestCorrection
    | ReviewDocument
    | FetchDocument
    | AnswerHelp
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
    | AskForHelp
)
Command = FacilityCommand | PatientCommand

COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])
"""Reads any command from JSON."""
