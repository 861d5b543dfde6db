"""What a decision needs beside the session and the command: who, when, and looked-up facts."""

from dataclasses import dataclass
from datetime import datetime

from schemas.base import Role


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """The bytes of an upload as they are stored."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """The device that the patient's side is to move to."""

    is_patient_device: bool
    busy: bool
    online: bool


@dataclass(frozen=True, slots=True)
class Context:
    """The sender, the time, and what the caller looked up for this very command."""

    device: str
    role: Role
    at: datetime
    online: bool = True
    code_expires_at: datetime | None = None
    stored: StoredUpload | None = None
    candidate: Candidate | None = None
