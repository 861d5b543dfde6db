"""What a decision needs besides the session and the command: sender, time and looked-up facts."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from schemas.base import Role
from session_controller.engine.state import StoredDocument


@dataclass(frozen=True, slots=True)
class Unfitness:
    """Why a document was not accepted."""

    reason: str
    """A stable code for programs."""
    message: str
    """A sentence for people, without patient data."""


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """The bytes of an upload as received, and the result of checking them."""

    size: int
    sha256: str
    document: StoredDocument | None = None
    """The document as stored, or None if it is incomplete or unfit."""
    unfit: Unfitness | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """The device that the patient's side of the session would move to."""

    is_patient_device: bool
    busy: bool
    online: bool


class Context(NamedTuple):
    """The sender, the time, and what the caller looked up for this command."""

    device: str
    role: Role
    at: datetime
    online: bool = True
    code_expires_at: datetime | None = None
    stored: StoredUpload | None = None
    candidate: Candidate | None = None
    identity: tuple[str, ...] = ()
    """The linkIds of the flow that say who the patient is."""
    person_name: str | None = None
    """Who is signed in at the sender's screen, if anybody."""
    box_room: int | None = None
    """Bytes of documents that still fit on the disk besides its reserve; None: not looked up."""
