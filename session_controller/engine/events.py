"""Everything that can happen in a session: `evolve` derives each state from these facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, ClassVar, Literal, NamedTuple, dataclass_transform

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue, TypeAdapter

from schemas.base import DEFERRED, Role
from schemas.wire.commands import CorrectionFault, DocumentFault, Strokes
from schemas.wire.rejections import RejectionCode
from session_controller.engine.state import Covers, StoredDocument


@dataclass_transform(kw_only_default=True, frozen_default=True)
class FactBase:
    """Base of all facts. They are stored as JSON and read years later: unknown keys are errors.

    Each is a dataclass, validated when read; code that creates one has validated its parts. It is
    frozen for the type checker alone, and its methods are here: to generate five for each of some
    70 classes takes 40 ms of every start.
    """

    __pydantic_config__: ClassVar = ConfigDict(extra="forbid")

    def __init_subclass__(cls) -> None:
        dataclass(kw_only=True, repr=False, eq=False)(cls)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # without what a patient entered


class SessionOpened(FactBase):
    """The first fact of every session."""

    type: Literal["SessionOpened"] = "SessionOpened"
    flow_ref: str
    label: str | None
    check_words: tuple[str, str]
    host: str
    host_role: Role
    host_online: bool
    test: bool = False
    """Whether it is a rehearsal, which is never delivered."""


class DeviceJoined(FactBase):
    """A device joined the session."""

    type: Literal["DeviceJoined"] = "DeviceJoined"
    device: str
    role: Role
    online: bool
    name: str | None = None
    """What a guest's phone calls itself; an enrolled device has the name that IT gave it."""


class DeviceLeft(FactBase):
    """A device left the session."""

    type: Literal["DeviceLeft"] = "DeviceLeft"
    device: str


class PresenceChanged(FactBase):
    """A participant came online or went offline."""

    type: Literal["PresenceChanged"] = "PresenceChanged"
    device: str
    online: bool


class CodeIssued(FactBase):
    """A pairing code was issued."""

    type: Literal["CodeIssued"] = "CodeIssued"
    serial: int
    expires_at: AwareDatetime


class CodeClosed(FactBase):
    """The pairing code expired unused."""

    type: Literal["CodeClosed"] = "CodeClosed"


class Navigated(FactBase):
    """The session moved to this step."""

    type: Literal["Navigated"] = "Navigated"
    step_index: int
    override_reason: str | None = None


class StepPassed(FactBase):
    """The patient passed a complete step alone; the session moved to this one."""

    type: Literal["StepPassed"] = "StepPassed"
    step_index: int


class ReadyReported(FactBase):
    """The patient is done with the current step."""

    type: Literal["ReadyReported"] = "ReadyReported"


class SelfPacedSet(FactBase):
    """Staff allowed the patient to pass complete steps alone, or forbade it."""

    type: Literal["SelfPacedSet"] = "SelfPacedSet"
    self_paced: bool | None


class FieldHighlighted(FactBase):
    """Staff highlighted a field, or removed the highlight."""

    type: Literal["FieldHighlighted"] = "FieldHighlighted"
    field_id: str | None


class SignatureRequested(FactBase):
    """Staff requested a signature; the patient screen is locked until it is decided."""

    type: Literal["SignatureRequested"] = "SignatureRequested"
    field_id: str
    document_sha256: str
    """Hash of the text in the questionnaire's own language."""
    covers: Covers
    staff_name: str | None = None


class SignatureCancelled(FactBase):
    """Staff cancelled the request for a signature."""

    type: Literal["SignatureCancelled"] = "SignatureCancelled"


class Signed(FactBase):
    """The text with this hash was signed, by the patient or their representative."""

    type: Literal["Signed"] = "Signed"
    field_id: str
    document_sha256: str
    covered_sha256: str
    """Hash of all that the signature covers (`engine.coverage`), in hex."""
    strokes: Strokes
    language: str | None = None
    """Language of the text, or None for the questionnaire's own."""
    printed_name: str | None = None
    relationship: str | None = None


class SignatureDeclined(FactBase):
    """The patient declined to sign."""

    type: Literal["SignatureDeclined"] = "SignatureDeclined"
    reason: str | None = None
    covered_sha256: str | None = None
    """Hash of the text and of who the patient is, in hex; None in logs of earlier versions."""


class SignatureWithdrawn(FactBase):
    """A signature was withdrawn."""

    type: Literal["SignatureWithdrawn"] = "SignatureWithdrawn"
    field_id: str
    reason: str | None = None


class CorrectionRequested(FactBase):
    """Staff asked the patient to correct a field."""

    type: Literal["CorrectionRequested"] = "CorrectionRequested"
    field_id: str
    message: str
    message_code: CorrectionFault | None = None
    language: str | None = None


class DocumentReviewed(FactBase):
    """Staff accepted or rejected a document."""

    type: Literal["DocumentReviewed"] = "DocumentReviewed"
    field_id: str
    accepted: bool
    reason_code: DocumentFault | None = None
    reason: str | None = None


class DocumentFetched(FactBase):
    """Staff fetched a document."""

    type: Literal["DocumentFetched"] = "DocumentFetched"
    field_id: str
    upload: str


class HelpAsked(FactBase):
    """The patient asked for help, or to change the answers of a step."""

    type: Literal["HelpAsked"] = "HelpAsked"
    step_id: str | None = None


class HelpSent(FactBase):
    """Staff told the patient that somebody is coming."""

    type: Literal["HelpSent"] = "HelpSent"
    staff_name: str | None = None


class HelpAnswered(FactBase):
    """The call for help is done."""

    type: Literal["HelpAnswered"] = "HelpAnswered"


class ScreenCovered(FactBase):
    """The patient screen was covered or uncovered."""

    type: Literal["ScreenCovered"] = "ScreenCovered"
    covered: bool


class IdleReported(FactBase):
    """Nobody answers at the patient screen, or somebody does again."""

    type: Literal["IdleReported"] = "IdleReported"
    idle: bool


class ScreenReported(FactBase):
    """The patient chose a language or a text size."""

    type: Literal["ScreenReported"] = "ScreenReported"
    language: str | None = None
    text_percent: int = 100


class ScreenLocked(FactBase):
    """The patient screen was idle for too long: it shows no values until staff reopen it."""

    type: Literal["ScreenLocked"] = "ScreenLocked"


class Paused(FactBase):
    """The session was paused."""

    type: Literal["Paused"] = "Paused"


class Resumed(FactBase):
    """The session was resumed."""

    type: Literal["Resumed"] = "Resumed"


class PatientDeviceReplaced(FactBase):
    """The patient's side moved to `device`, or waits for a device that shows the new code."""

    type: Literal["PatientDeviceReplaced"] = "PatientDeviceReplaced"
    device: str | None
    online: bool = False
    code: CodeIssued | None = None


class TookOver(FactBase):
    """A facility device became the host."""

    type: Literal["TookOver"] = "TookOver"
    device: str
    role: Role
    online: bool


class Completed(FactBase):
    """The session was submitted."""

    type: Literal["Completed"] = "Completed"
    override_reason: str | None = None
    """Why it was submitted although the patient declined to sign."""


class Cancelled(FactBase):
    """The session ended without being submitted."""

    type: Literal["Cancelled"] = "Cancelled"
    reason: str


class Expired(FactBase):
    """The session was inactive for too long."""

    type: Literal["Expired"] = "Expired"


class PatientIdentified(FactBase):
    """Staff stated who the patient of a completed session is."""

    type: Literal["PatientIdentified"] = "PatientIdentified"
    family: str | None = None
    given: tuple[str, ...] = ()
    birth_date: str | None = None
    gender: str | None = None
    staff_name: str | None = None


class FieldEntered(FactBase):
    """The patient entered a value."""

    type: Literal["FieldEntered"] = "FieldEntered"
    field_id: str
    value: JsonValue


class Calculated(FactBase):
    """Expressions of the form have new results; the box calculated them."""

    type: Literal["Calculated"] = "Calculated"
    answers: Mapping[str, JsonValue] = field(default_factory=dict)
    """By field; null: it became empty."""
    computed: Mapping[str, Mapping[str, JsonValue]] = field(default_factory=dict)
    """By field, all its results."""
    opening: bool = False
    """Whether nobody has seen the session yet."""


class FieldCleared(FactBase):
    """The patient cleared a field, or removed an instance of a group."""

    type: Literal["FieldCleared"] = "FieldCleared"
    field_id: str


class FieldFocused(FactBase):
    """The patient focused a field, or none."""

    type: Literal["FieldFocused"] = "FieldFocused"
    field_id: str | None


class ReadingReported(FactBase):
    """The patient has read this fraction of a consent text."""

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
    """So many bytes of a document are stored: 0 if those that had arrived were lost."""

    type: Literal["UploadProgressed"] = "UploadProgressed"
    field_id: str
    received: int


class UploadFinished(FactBase):
    """A document is complete: its SHA-256 and its type are as announced."""

    type: Literal["UploadFinished"] = "UploadFinished"
    field_id: str
    stored: StoredDocument | None = None
    """None if it was finished before."""


class CommandRefused(FactBase):
    """A command was refused. Consumes a sequence number and changes no answer."""

    type: Literal["CommandRefused"] = "CommandRefused"
    code: RejectionCode
    message: str
    details: dict[str, JsonValue] = field(default_factory=dict)
    field_id: str | None = None
    """The field whose entry was refused; None for commands that enter nothing."""


Fact = (
    SessionOpened
    | DeviceJoined
    | DeviceLeft
    | PresenceChanged
    | CodeIssued
    | CodeClosed
    | Navigated
    | StepPassed
    | ReadyReported
    | SelfPacedSet
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
    | HelpSent
    | HelpAnswered
    | ScreenCovered
    | IdleReported
    | ScreenReported
    | ScreenLocked
    | Paused
    | Resumed
    | PatientDeviceReplaced
    | TookOver
    | Completed
    | Cancelled
    | Expired
    | PatientIdentified
    | FieldEntered
    | FieldCleared
    | Calculated
    | FieldFocused
    | ReadingReported
    | UploadBegun
    | UploadProgressed
    | UploadFinished
    | CommandRefused
)
FACT: TypeAdapter[Fact] = TypeAdapter(Annotated[Fact, Field(discriminator="type")], config=DEFERRED)


class Event(NamedTuple):
    """A fact with its session, revision and time, and the command that caused it."""

    session: str
    revision: int
    """Revision of the resulting state; a refusal does not change it."""
    at: datetime
    fact: Fact
    device: str | None = None
    seq: int | None = None
    command_id: str | None = None
    person: str | None = None
    """Who did it at a staff screen: a person's id, that of an emergency access, or `os:` and a user
    of the command line; None if nobody is known."""
