"""What a decision needs beside the session and the command: who, when, and looked-up facts."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from schemas.base import Role
from session_controller.engine.state import StoredDocument


@dataclass(frozen=True, slots=True)
class Unfitness:
    """Why a document is not taken."""

    reason: str
    """A word for programs."""
    message: str
    """A sentence for a person, without patient data."""


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """The bytes of an upload as they arrived, and what a look at them showed."""

    size: int
    sha256: str
    document: StoredDocument | None = None
    """As it is kept; None where it is not whole, or unfit."""
    unfit: Unfitness | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """The device that the patient's side is to move to."""

    is_patient_device: bool
    busy: bool
    online: bool


class Context(NamedTuple):
    """The sender, the time, and what the caller looked up for this very command."""

    device: str
    role: Role
    at: datetime
    online: bool = True
    code_expires_at: datetime | None = None
    stored: StoredUpload | None = None
    candidate: Candidate | None = None
    box_room: int | None = None
    """Bytes of documents that the box still takes; None where it was not looked up."""
