"""What can happen in a session. Every state is these facts, applied in order by `evolve`."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar, Literal, NamedTuple, dataclass_transform

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue, TypeAdapter

from schemas.base import Role
from schemas.commands import Strokes
from schemas.rejections import RejectionCode
from session_controller.engine.state import StoredDocument


@dataclass_transform(kw_only_default=True, frozen_default=True)
class FactBase:
    """A fact is stored as JSON and read again years later: unknown keys are errors.

    Each is a frozen dataclass, checked when it is read: what makes one has checked its parts.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True, kw_only=True)(cls)


class SessionOpened(FactBase):
    """The first fact of every session."""

    type: Literal["SessionOpened"] = "SessionOpened"
    flow_ref: str
    label: str | None
    check_words: tuple[str, str]
    host: str
    host_role: Role
    host_online: bool


class DeviceJoined(FactBase):
    """A device takes part."""

    type: Literal["DeviceJoined"] = "DeviceJoined"
    device: str
    role: Role
    online: bool


class DeviceLeft(FactBase):
    """A device takes part no more."""

    type: Literal["DeviceLeft"] = "DeviceLeft"
    device: str


class PresenceChanged(FactBase):
    """A participant came online or went."""

    type: Literal["PresenceChanged"] = "PresenceChanged"
    device: str
    online: bool


class CodeIssued(FactBase):
    """A pairing code is open."""

    type: Literal["CodeIssued"] = "CodeIssued"
    serial: int
    expires_at: AwareDatetime


class CodeClosed(FactBase):
    """The pairing code expired unused."""

    type: Literal["CodeClosed"] = "CodeClosed"


class Navigated(FactBase):
    """Everyone is at this step."""

    type: Literal["Navigated"] = "Navigated"
    step_index: int
    override_reason: str | None = None


class FieldHighlighted(FactBase):
    """The staff points to a field, or to none."""

    type: Literal["FieldHighlighted"] = "FieldHighlighted"
    field_id: str | None


class SignatureRequested(FactBase):
    """The patient's screen is locked into signing."""

    type: Literal["SignatureRequested"] = "SignatureRequested"
    field_id: str
    document_sha256: str
    """Of the text as the questionnaire is written."""
    staff_name: str | None = None


class SignatureCancelled(FactBase):
    """The staff ended signing."""

    type: Literal["SignatureCancelled"] = "SignatureCancelled"


class Signed(FactBase):
    """The text with this hash was signed, by the patient or by who acts for the patient."""

    type: Literal["Signed"] = "Signed"
    field_id: str
    document_sha256: str
    strokes: Strokes
    language: str | None = None
    """Of the text; None: as the questionnaire is written."""
    printed_name: str | None = None
    relationship: str | None = None


class SignatureDeclined(FactBase):
    """The patient will not sign."""

    type: Literal["SignatureDeclined"] = "SignatureDeclined"
    reason: str | None = None


class SignatureWithdrawn(FactBase):
    """A signature was taken back."""

    type: Literal["SignatureWithdrawn"] = "SignatureWithdrawn"
    field_id: str
    reason: str | None = None


class CorrectionRequested(FactBase):
    """The staff asks that a field be entered again."""

    type: Literal["CorrectionRequested"] = "CorrectionRequested"
    field_id: str
    message: str


class DocumentReviewed(FactBase):
    """The staff accepted a document or sent it back."""

    type: Literal["DocumentReviewed"] = "DocumentReviewed"
    field_id: str
    accepted: bool
    reason: str | None = None


class DocumentFetched(FactBase):
    """The staff looked at a document."""

    type: Literal["DocumentFetched"] = "DocumentFetched"
    field_id: str
    upload: str


class HelpAsked(FactBase):
    """The patient calls."""

    type: Literal["HelpAsked"] = "HelpAsked"


class HelpAnswered(FactBase):
    """The staff took the call down."""

    type: Literal["HelpAnswered"] = "HelpAnswered"


class ScreenCovered(FactBase):
    """The patient's screen is hidden, or shown again."""

    type: Literal["ScreenCovered"] = "ScreenCovered"
    covered: bool


class Paused(FactBase):
    """The session is held."""

    type: Literal["Paused"] = "Paused"


class Resumed(FactBase):
    """The session goes on."""

    type: Literal["Resumed"] = "Resumed"


class PatientDeviceReplaced(FactBase):
    """The patient's side moved to `device`, or waits for who shows the new code."""

    type: Literal["PatientDeviceReplaced"] = "PatientDeviceReplaced"
    device: str | None
    online: bool = False
    code: CodeIssued | None = None


class TookOver(FactBase):
    """A facility device is the host now."""

    type: Literal["TookOver"] = "TookOver"
    device: str
    role: Role
    online: bool


class Completed(FactBase):
    """The session was submitted."""

    type: Literal["Completed"] = "Completed"


class Cancelled(FactBase):
    """The session was ended unsubmitted."""

    type: Literal["Cancelled"] = "Cancelled"
    reason: str


class Expired(FactBase):
    """The session was left alone too long."""

    type: Literal["Expired"] = "Expired"


class FieldEntered(FactBase):
    """The patient entered a value."""

    type: Literal["FieldEntered"] = "FieldEntered"
    field_id: str
    value: JsonValue


class FieldCleared(FactBase):
    """The patient emptied a field, or took an instance of a group out."""

    type: Literal["FieldCleared"] = "FieldCleared"
    field_id: str


class FieldFocused(FactBase):
    """The patient is at a field, or at none."""

    type: Literal["FieldFocused"] = "FieldFocused"
    field_id: str | None


class ReadingReported(FactBase):
    """The patient has read this much of a consent text."""

    type: Literal["ReadingReported"] = "ReadingReported"
    field_id: str
    fraction: float
    seconds: float | None = None


class UploadBegun(FactBase):
    """A document was announced."""

    type: Literal["UploadBegun"] = "UploadBegun"
    field_id: str
    upload: str
    size: int
    sha256: str
    media_type: str


class UploadProgressed(FactBase):
    """More of a document is stored."""

    type: Literal["UploadProgressed"] = "UploadProgressed"
    field_id: str
    received: int


class UploadFinished(FactBase):
    """A document is whole, its SHA-256 as announced, and it is what it says it is."""

    type: Literal["UploadFinished"] = "UploadFinished"
    field_id: str
    stored: StoredDocument | None = None
    """None where it was finished before."""


class CommandRefused(FactBase):
    """A command was refused; it counts for the sequence and changes nothing else."""

    type: Literal["CommandRefused"] = "CommandRefused"
    code: RejectionCode
    message: str
    details: dict[str, JsonValue] = field(default_factory=dict)


Fact = (
    SessionOpened
    | DeviceJoined
    | DeviceLeft
    | PresenceChanged
    | CodeIssued
    | CodeClosed
    | Navigated
    | FieldHighlighted
    | SignatureRequested
    | SignatureCancelled
    | Signed
    | SignatureDeclined
    | SignatureWithdrawn
    | CorrectionRequested
    | DocumentReviewed
    | DocumentFetched
    | HelpAsked
    | HelpAnswered
    | ScreenCovered
    | Paused
    | Resumed
    | PatientDeviceReplaced
    | TookOver
    | Completed
    | Cancelled
    | Expired
    | FieldEntered
    | FieldCleared
    | FieldFocused
    | ReadingReported
    | UploadBegun
    | UploadProgressed
    | UploadFinished
    | CommandRefused
)
FACT: TypeAdapter[Fact] = TypeAdapter(Annotated[Fact, Field(discriminator="type")])


class Event(NamedTuple):
    """A fact in its place: which session, when, and which command it answers."""

    session: str
    revision: int
    """Of the state after it; a refusal leaves it as it was."""
    at: datetime
    fact: Fact
    device: str | None = None
    seq: int | None = None
    command_id: str | None = None
