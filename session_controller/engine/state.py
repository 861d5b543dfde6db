"""The state of a session as stored; what others may see is another type (`schemas.wire.views`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, TypedDict, Unpack

from pydantic import JsonValue, SerializeAsAny

from schemas.base import DEFERRED, Role
from schemas.wire.commands import CorrectionFault, DocumentFault
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import CoversScope, DocumentStatus, SessionStatus, SignatureStatus

_PATIENT = Role.PATIENT


@dataclass(frozen=True, slots=True)
class Participant:
    """A participating device; `since` is when it last came online or went offline."""

    role: Role
    online: bool
    since: datetime
    joined_at: datetime
    name: str | None = None
    """What a guest's phone calls itself."""


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A complete document as stored; images are stripped of metadata."""

    file: str
    """Name of its encrypted file: SHA-256 of the file's plaintext, in hex."""
    sha256: str
    """SHA-256 of the document, in hex."""
    size: int
    """In bytes."""
    media_type: str
    """The type detected from the bytes."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as announced, and how much of it has arrived."""

    upload: str
    size: int
    sha256: str
    media_type: str
    received: int = 0
    status: DocumentStatus = DocumentStatus.RECEIVING
    reason_code: DocumentFault | None = None
    reason: str | None = None
    stored: StoredDocument | None = None
    received_at: datetime | None = None
    """When it was complete."""


@dataclass(frozen=True, slots=True)
class Covers:
    """What a signature covers besides its text, chosen when it is requested."""

    scope: CoversScope
    patient: tuple[str, ...]
    """The linkIds that say who the patient is."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature; its strokes stay in the event log."""

    status: SignatureStatus
    document_sha256: str
    at: datetime
    covers: Covers
    covered_sha256: str | None = None
    """Hash of all that it covers, in hex; None until it is signed or declined."""
    language: str | None = None
    """Language of the signed text, or None for the questionnaire's own."""
    printed_name: str | None = None
    relationship: str | None = None
    staff_name: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Help:
    """The patient's call for help, since `since`."""

    since: datetime
    coming: bool = False
    staff_name: str | None = None
    """Who is coming, if known."""


@dataclass(frozen=True, slots=True)
class CorrectionWords:
    """How a correction was asked for: ready-made, or in staff's own words in a language."""

    code: CorrectionFault | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class PatientScreen:
    """The language and the text size that the patient chose."""

    language: str | None = None
    """None: as the form is written."""
    text_percent: int = 100


@dataclass(frozen=True, slots=True)
class OpenCode:
    """An open pairing code; the letters are derived from the serial."""

    serial: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Identification:
    """Who the patient is, as staff stated after the session was completed."""

    at: datetime
    device: str
    family: str | None = None
    given: tuple[str, ...] = ()
    birth_date: str | None = None
    gender: str | None = None
    staff_name: str | None = None
    person: str | None = None
    """Who was signed in there, as `Event.person`."""


@dataclass(frozen=True, slots=True)
class RefusedCommand:
    """A refused command of a device."""

    seq: int
    command_id: str | None
    code: RejectionCode
    message: str
    details: Mapping[str, SerializeAsAny[JsonValue]]


@dataclass(frozen=True, slots=True)
class NotTaken:
    """An entry that was refused."""

    code: RejectionCode
    message: str
    at: datetime


class StateChanges(TypedDict, total=False):
    """The fields of a session's state, each optional: what `SessionState.but` accepts."""

    session: str
    flow_ref: str
    label: str | None
    opened_at: datetime
    updated_at: datetime
    check_words: tuple[str, str]
    revision: int
    status: SessionStatus
    paused: bool
    step_index: int
    shown_steps: Mapping[str, datetime]
    answers: Mapping[str, JsonValue]
    instances: Mapping[str, int]
    computed: Mapping[str, Mapping[str, JsonValue]]
    corrections: Mapping[str, str]
    correction_words: Mapping[str, CorrectionWords]
    documents: Mapping[str, Document]
    reading: Mapping[str, float]
    reading_seconds: Mapping[str, float]
    signatures: Mapping[str, Signature]
    signing: str | None
    highlight: str | None
    patient_focus: str | None
    help_requested: bool
    help: Help | None
    help_step: str | None
    ready_since: datetime | None
    self_paced: bool | None
    covered: bool
    idle: bool
    idle_since: datetime | None
    patient_screen: PatientScreen | None
    locked: bool
    patient_away_since: datetime | None
    host: str | None
    participants: Mapping[str, Participant]
    acknowledged: Mapping[str, int]
    refused: Mapping[str, tuple[RefusedCommand, ...]]
    not_taken: Mapping[str, NotTaken]
    code: OpenCode | None
    last_code_serial: int
    identified: Identification | None
    test: bool


@dataclass(frozen=True)
class SessionState:
    """A session after its last event. Mappings are replaced, never mutated."""

    __pydantic_config__: ClassVar = DEFERRED
    session: str
    flow_ref: str
    label: str | None
    opened_at: datetime
    updated_at: datetime
    check_words: tuple[str, str]
    revision: int = 0
    status: SessionStatus = SessionStatus.WAITING
    """Never `paused`: a pause preserves the status that it interrupts."""
    paused: bool = False
    step_index: int = 0
    shown_steps: Mapping[str, datetime] = field(default_factory=dict)
    """By step id, since when each step that has been current could be seen by the patient."""
    answers: Mapping[str, SerializeAsAny[JsonValue]] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)
    computed: Mapping[str, SerializeAsAny[Mapping[str, JsonValue]]] = field(default_factory=dict)
    """By field, the results of the form's expressions (`forms.calculation.Computed`)."""
    corrections: Mapping[str, str] = field(default_factory=dict)
    correction_words: Mapping[str, CorrectionWords] = field(default_factory=dict)
    """By field; of corrections that are open, and of earlier ones."""
    documents: Mapping[str, Document] = field(default_factory=dict)
    reading: Mapping[str, float] = field(default_factory=dict)
    reading_seconds: Mapping[str, float] = field(default_factory=dict)
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    signing: str | None = None
    """The field whose signature is requested; the patient screen is locked until it is decided."""
    highlight: str | None = None
    patient_focus: str | None = None
    help_requested: bool = False
    help: Help | None = None
    """None also for a call that an earlier version recorded."""
    help_step: str | None = None
    """The step that the patient asks to change."""
    ready_since: datetime | None = None
    """Since when the patient is done with the current step."""
    self_paced: bool | None = None
    """Whether the patient may pass complete steps alone; None: as the flow says of each."""
    covered: bool = False
    idle: bool = False
    """Whether the patient screen reported that nobody answers."""
    idle_since: datetime | None = None
    """Since when; None also for a report that an earlier version recorded."""
    patient_screen: PatientScreen | None = None
    locked: bool = False
    """Whether the patient screen shows no values until staff reopen it."""
    patient_away_since: datetime | None = None
    """When the patient screen went away that was away as the session ended or let it go."""
    host: str | None = None
    participants: Mapping[str, Participant] = field(default_factory=dict)
    acknowledged: Mapping[str, int] = field(default_factory=dict)
    """Last decided `seq` of each device, including devices that have left."""
    refused: Mapping[str, tuple[RefusedCommand, ...]] = field(default_factory=dict)
    """Last refusals of each device, oldest first."""
    not_taken: Mapping[str, NotTaken] = field(default_factory=dict)
    """By field, the patient's entry that was refused, until a later one is accepted."""
    code: OpenCode | None = None
    last_code_serial: int = 0
    identified: Identification | None = None
    test: bool = False
    """Whether it is a rehearsal, which is never delivered."""

    def but(self, **changes: Unpack[StateChanges]) -> "SessionState":
        """Return a copy with some fields changed: ten times faster than `dataclasses.replace`.

        Each event calls it once or twice; it used to dominate the cost of `decide` and `evolve`.
        """
        members = self.__dict__.copy()
        members.update(changes)
        if len(members) != len(self.__dict__):
            raise TypeError(f"unknown session fields: {changes.keys() - self.__dict__.keys()}")
        made = object.__new__(SessionState)
        object.__setattr__(made, "__dict__", members)
        return made

    @property
    def patient(self) -> str | None:
        """The patient device; there is at most one."""
        for device, participant in self.participants.items():
            if participant.role is _PATIENT:
                return device
        return None

    @property
    def is_led(self) -> bool:
        """Whether the session has a host that is online."""
        host = self.participants.get(self.host) if self.host else None
        return host is not None and host.online

    @property
    def shown_status(self) -> SessionStatus:
        """The status as screens see it."""
        return SessionStatus.PAUSED if self.paused and not self.status.ended else self.status
