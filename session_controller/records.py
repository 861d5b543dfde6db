"""Rows of the database as frozen types."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from schemas.base import Role
from session_controller.acts import Act
from session_controller.chain import Place


@dataclass(frozen=True, slots=True)
class Device:
    """A device that may connect, or might."""

    device: str
    name: str
    role: Role
    enrolled_at: datetime
    secret_sha256: str | None = None
    revoked_at: datetime | None = None
    guest_of: str | None = None
    online: bool = False
    connection: int = 0


class CodeKind(StrEnum):
    """What a pairing code lets in."""

    DEVICE = "device"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Code:
    """A pairing code; `subject` is the device or the session that it is for."""

    code_hash: str
    kind: CodeKind
    subject: str
    expires_at: datetime
    spent_at: datetime | None = None

    def is_open(self, at: datetime) -> bool:
        """Whether it still works."""
        return self.spent_at is None and at < self.expires_at


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes of a document from `offset` on."""

    session: str
    upload: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer that a request was given, as JSON without secrets."""

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
    """JSON: how its answers become FHIR resources, where the flow does not say."""


@dataclass(frozen=True, slots=True)
class LoggedAct:
    """An act of the box, on its way into the log."""

    at: datetime
    act: Act
    device: str | None = None
    """Whose act it is; None: the box's own."""
    session: str | None = None


class Entry(NamedTuple):
    """A row of the log as it is stored."""

    entry: int
    place: Place
    content: bytes | None
    """Sealed for an event, plain JSON for an act; None once it was purged."""
    content_sha256: bytes
    chain: bytes
