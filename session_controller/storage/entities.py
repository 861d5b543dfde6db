"""Rows of the database as frozen types."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from schemas.base import Role
from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import Flow
from schemas.wire.staff import StaffRole
from session_controller.audit.events import BoxEvent
from session_controller.audit.hash_chain import Place

GUEST = "guest"
"""The name of all guests among the devices; what a phone calls itself is in its session."""


@dataclass(frozen=True, slots=True)
class Device:
    """An enrolled, paired or revoked device."""

    device: str
    name: str
    role: Role
    enrolled_at: datetime
    secret_sha256: str | None = None
    revoked_at: datetime | None = None
    guest_of: str | None = None
    online: bool = False
    connection: int = 0
    room: str | None = None
    retired_at: datetime | None = None
    """When it was revoked permanently; lists leave it out."""
    seen_at: datetime | None = None
    """When it last connected or disconnected; where it is online, the broker knows better."""
    address: str | None = None
    """Where it last connected from, if the broker knows; never of a guest."""
    software: str | None = None
    """What it called its program when it last connected; never of a guest."""
    code_serial: int = 1
    """The number of its pairing code: each new code has another."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account at an OpenID Connect provider: a claim identifies it for one issuer only."""

    issuer: str
    claim: str
    value: str


@dataclass(frozen=True, slots=True)
class Person:
    """A person who may sign in at front-desk screens."""

    person: str
    name: str
    roles: tuple[StaffRole, ...]
    pin_hash: str = field(repr=False)
    added_at: datetime
    wrong_pins: int = 0
    """In a row, since the last sign-in."""
    locked_until: datetime | None = None
    retired_at: datetime | None = None
    account: Account | None = None
    """With which the person can sign in, besides the PIN."""


@dataclass(frozen=True, slots=True)
class EmergencyAccess:
    """Somebody worked at a signed-out front-desk screen without a PIN."""

    access: str
    device: str
    name: str
    """As typed."""
    reason: str | None = field(repr=False)
    """As typed; stored encrypted. None: it cannot be read."""
    begun_at: datetime
    ends_at: datetime
    reviewed_at: datetime | None = None
    reviewed_by: str | None = None


SHOWN_FOR = timedelta(days=7)
"""How long an emergency access is listed, and as long as nobody has reviewed it."""


class CodeKind(StrEnum):
    """What a pairing code grants access to."""

    DEVICE = "device"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Code:
    """A pairing code; `subject` is the device or session it belongs to."""

    code_hash: str
    kind: CodeKind
    subject: str
    expires_at: datetime
    spent_at: datetime | None = None

    def is_open(self, at: datetime) -> bool:
        """Return whether the code is still valid."""
        return self.spent_at is None and at < self.expires_at


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a document, starting at `offset`."""

    session: str
    upload: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer to a request, as JSON without secrets."""

    device: str
    request_id: str
    at: datetime
    answer: str


@dataclass(frozen=True, slots=True)
class StoredFlow:
    """A flow as it was added."""

    flow_ref: str
    flow_id: str
    added_at: datetime
    canonical: bytes
    mapping: bytes | None = None
    """JSON: how answers become FHIR resources, if the flow does not define it."""

    def load(self) -> Flow:
        """Return the flow."""
        return load_flow(self.canonical, fallback_id=self.flow_id, accepted=True)


@dataclass(frozen=True, slots=True)
class LoggedBoxEvent:
    """A box event to be logged."""

    at: datetime
    act: BoxEvent
    device: str | None = None
    """The device that caused it, or None for the box itself."""
    session: str | None = None
    person: str | None = None
    """Who caused it: as `Event.person`."""


class Ended(NamedTuple):
    """A session that has ended, and what its deliveries say; the times are as they are stored."""

    session: str
    status: str
    ended_at: str
    delivered_at: str | None
    """When its last delivery changed, or None if there was none; one that has arrived at a
    destination that was removed since counts."""
    undelivered: int
    """The number of destinations that have not received it."""
    test: bool
    """Whether it is a rehearsal."""


class DeliveryBacklog(NamedTuple):
    """The deliveries to one destination that have one status, and have not arrived."""

    destination: str
    status: str
    deliveries: int
    """How many they are."""
    oldest: datetime | None
    """When the first of their sessions ended; None if its row is behind its log."""


class Entry(NamedTuple):
    """A row of the log as stored."""

    entry: int
    place: Place
    content: bytes | None
    """Encrypted for a session event, plain JSON for a box event, None once purged."""
    content_sha256: bytes
    chain: bytes


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which log entries to list."""

    after: int = 0
    """Only later ones."""
    before: int | None = None
    """Only earlier ones."""
    session: str | None = None
    since: datetime | None = None
    """Only those that were made at or after this moment."""
    limit: int | None = None
    """At most so many, the newest; None for all."""


ALL_ENTRIES = EntryFilter()


class SealedState(NamedTuple):
    """A row of a session as stored."""

    columns: tuple[object, ...]
    """`session_controller.storage.rows.SESSION_COLUMNS`."""
    entry: int
    """The log entry that the state includes last."""
    state: bytes

    @property
    def session(self) -> str:
        """Return the session's id."""
        return str(self.columns[0])
