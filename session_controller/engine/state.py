"""What is held of a session; what others may see of it is another type (`schemas.views`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import JsonValue, SerializeAsAny

from schemas.base import Role
from schemas.views import DocumentStatus, SessionStatus, SignatureStatus

_PATIENT = Role.PATIENT


@dataclass(frozen=True, slots=True)
class Participant:
    """A device that takes part; `since` is when it came online or went."""

    role: Role
    online: bool
    since: datetime
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A document that is whole, as it is kept: an image without what it told beside its picture."""

    file: str
    """The name of its sealed file: the SHA-256 of what that holds, in hex."""
    sha256: str
    """Of the document, in hex."""
    size: int
    """In bytes."""
    media_type: str
    """What the bytes really are."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was announced, and how far it is."""

    upload: str
    size: int
    sha256: str
    media_type: str
    received: int = 0
    status: DocumentStatus = DocumentStatus.RECEIVING
    reason: str | None = None
    stored: StoredDocument | None = None
    received_at: datetime | None = None
    """When it was whole."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature; the strokes stay in the log of events."""

    status: SignatureStatus
    document_sha256: str
    at: datetime
    language: str | None = None
    """Of the text that was signed; None: as the questionnaire is written."""
    printed_name: str | None = None
    relationship: str | None = None
    staff_name: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class OpenCode:
    """A pairing code that is open; the letters themselves are derived from the serial."""

    serial: int
    expires_at: datetime


@dataclass(frozen=True)
class SessionState:
    """A session after its last event. Mappings are replaced, never changed."""

    session: str
    flow_ref: str
    label: str | None
    opened_at: datetime
    updated_at: datetime
    check_words: tuple[str, str]
    revision: int = 0
    status: SessionStatus = SessionStatus.WAITING
    """Never `paused`: a pause keeps what it interrupts."""
    paused: bool = False
    step_index: int = 0
    furthest_step: int = 0
    answers: Mapping[str, SerializeAsAny[JsonValue]] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)
    corrections: Mapping[str, str] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)
    reading: Mapping[str, float] = field(default_factory=dict)
    reading_seconds: Mapping[str, float] = field(default_factory=dict)
    signatures: Mapping[str, Signature] = field(default_factory=dict)
    signing: str | None = None
    """The field that the patient's screen is locked into signing."""
    highlight: str | None = None
    patient_focus: str | None = None
    help_requested: bool = False
    covered: bool = False
    host: str | None = None
    participants: Mapping[str, Participant] = field(default_factory=dict)
    acknowledged: Mapping[str, int] = field(default_factory=dict)
    """The last `seq` of each device that was decided, of devices that left too."""
    code: OpenCode | None = None
    last_code_serial: int = 0

    def but(self, **changes: Any) -> "SessionState":
        """Give this state with some fields changed: `dataclasses.replace`, in a tenth of its time.

        Each event makes one or two, and nothing else in `decide` and `evolve` cost as much.
        """
        members = self.__dict__.copy()
        members.update(changes)
        if len(members) != len(self.__dict__):
            raise TypeError(f"no fields of a session: {changes.keys() - self.__dict__.keys()}")
        made = object.__new__(SessionState)
        object.__setattr__(made, "__dict__", members)
        return made

    @property
    def patient(self) -> str | None:
        """The patient's device; there is at most one."""
        for device, participant in self.participants.items():
            if participant.role is _PATIENT:
                return device
        return None

    @property
    def is_led(self) -> bool:
        """Whether there is a host, and it is online."""
        host = self.participants.get(self.host) if self.host else None
        return host is not None and host.online

    @property
    def shown_status(self) -> SessionStatus:
        """The status as the screens are told."""
        return SessionStatus.PAUSED if self.paused and not self.status.ended else self.status
