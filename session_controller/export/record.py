"""A session's record: all data of an export, in any format, collected once.

Every format is a function of a `Record`: it opens no files and reads no clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.base import Role
from schemas.questionnaire.model import Flow, Json
from session_controller.engine.evidence import SignatureEvidence
from session_controller.engine.field_history import FieldChange
from session_controller.engine.state import SessionState


@dataclass(frozen=True, slots=True)
class RecordDocument:
    """A complete document as stored; images are stripped of metadata."""

    field_id: str
    media_type: str
    data: bytes
    sha256: str
    """SHA-256 of `data`, in hex."""
    original_sha256: str
    """SHA-256 of what the patient screen sent, in hex."""
    original_size: int
    """In bytes."""
    received_at: datetime
    accepted: bool
    """Whether staff reviewed and accepted it."""


@dataclass(frozen=True, slots=True)
class RecordDevice:
    """A device that took part."""

    device: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The audit log's head when the record was created."""

    entry: int
    chain: str
    """The chain's hash, in hex."""


@dataclass(frozen=True, slots=True)
class Record:
    """The complete record of a session."""

    site: str
    flow: Flow
    mapping: Mapping[str, Json] | None
    """How answers map to FHIR resources, if the flow has a mapping file."""
    state: SessionState
    language: str | None
    """The language the patient used (BCP 47)."""
    devices: tuple[RecordDevice, ...]
    documents: tuple[RecordDocument, ...]
    signatures: tuple[SignatureEvidence, ...]
    """In the order in which they were decided; a field may have several."""
    history: tuple[FieldChange, ...]
    """Every change of an enabled field, or of a removed instance, in the log's order."""
    head: ChainHead
    exported_at: datetime
    exported_by: str
    """The device that requested the export."""
    software: str
    """`handrail` and its version."""
    persons: Mapping[str, str] = field(default_factory=dict)
    """The names of those who acted at staff screens, by the ids that events have."""

    def staff_name(self, person: str | None, typed: str | None) -> str | None:
        """Return who acted at a staff screen: who was signed in, or else the name typed there."""
        return self.persons.get(person, person) if person else typed
