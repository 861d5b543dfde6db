"""A session as a record: all that an export of any format says, gathered once.

Every format is a function from a `Record`: it opens nothing, and has no clock of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from schemas.base import Role
from schemas.commands import Strokes
from schemas.questionnaire import Flow, Json
from session_controller.engine.state import SessionState


@dataclass(frozen=True, slots=True)
class RecordDocument:
    """A document that is there, as it is stored: what an image told beside its picture is gone."""

    field_id: str
    media_type: str
    data: bytes
    sha256: str
    """Of `data`, in hex."""
    original_sha256: str
    """Of what the patient's screen sent, in hex."""
    original_size: int
    """In bytes."""
    received_at: datetime
    accepted: bool
    """Whether the staff looked at it and took it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How far and how long one consent text was read."""

    field_id: str
    fraction: float
    """From 0 to 1."""
    seconds: float | None
    """For which the text was on the patient's screen, where that screen told."""
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class SignatureEvidence:
    """What came of one request for a signature (21 CFR 11.50 and 11.70, ESIGN 15 USC 7001)."""

    field_id: str
    outcome: Literal["signed", "declined", "withdrawn"]
    meaning: str
    """What signing it means: the text of the signature's own item, in `language`."""
    text: str
    """The exact text that was shown and bound."""
    document_sha256: str
    """Of `text` in UTF-8, in hex."""
    language: str | None
    """Of `text` (BCP 47); None where the questionnaire names none."""
    flow_ref: str
    flow_version: str | None
    requested_at: datetime
    requested_by: str
    """The host device."""
    staff_name: str | None
    """Who asked, if the staff gave a name."""
    decided_at: datetime
    decided_on: str
    """The device that signed or declined."""
    printed_name: str | None
    """Of the signer."""
    relationship: str | None
    """Of the signer to the patient; None where the patient signed."""
    reason: str | None
    """Why it was declined or withdrawn."""
    strokes: Strokes
    reading: tuple[Reading, ...]
    revision: int
    """Of the session, after it."""
    chain: str
    """The audit log's hash at this event, in hex: ties the signature to its place there."""


@dataclass(frozen=True, slots=True)
class RecordDevice:
    """A device that took part."""

    device: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class ChainHead:
    """Where the audit log stood when the record was made."""

    entry: int
    chain: str
    """Its hash, in hex."""


@dataclass(frozen=True, slots=True)
class Record:
    """A session, whole."""

    site: str
    flow: Flow
    mapping: Mapping[str, Json] | None
    """How answers become FHIR resources, where the flow itself does not say (a file beside it)."""
    state: SessionState
    language: str | None
    """In which the patient went through it (BCP 47)."""
    devices: tuple[RecordDevice, ...]
    documents: tuple[RecordDocument, ...]
    signatures: tuple[SignatureEvidence, ...]
    """In the order in which they were decided; a field may have several."""
    head: ChainHead
    exported_at: datetime
    exported_by: str
    """The device that asked."""
    software: str
    """`handrail` and its version."""
