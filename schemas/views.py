"""Views: all that one device may see of a session (`sessions/{session}/state/{device}`).

A view is whole: whoever missed one is up to date with the next. A device ignores a view that is
older than its own by (`epoch`, `revision`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue, SerializeAsAny

from schemas.base import FieldId, Identifier, Role, Sha256, Timestamp, Versioned, Wire, absent


class SessionStatus(StrEnum):
    """Where a session's life stands."""

    WAITING = "waiting"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        """Whether nothing can change any more."""
        return self in _ENDED


_ENDED = (SessionStatus.COMPLETED, SessionStatus.CANCELLED, SessionStatus.EXPIRED)


class StepStatus(StrEnum):
    """A step, seen from where the session stands."""

    UPCOMING = "upcoming"
    CURRENT = "current"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


class DocumentStatus(StrEnum):
    """How far a document is."""

    MISSING = "missing"
    RECEIVING = "receiving"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class SignatureStatus(StrEnum):
    """How far a signature is."""

    REQUESTED = "requested"
    SIGNED = "signed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Masked(Wire):
    """Stands for the value of a sensitive field on a staff's screen."""

    masked: Literal[True] = True
    length: int
    """Characters of the value as text."""


class FieldView(Wire):
    """What was entered into a field, and what is wrong with it."""

    # In this order, since a mask is an object like any other; no answer has a `length`.
    # Written as what it is: a serializer of the union would try each of its members.
    value: SerializeAsAny[Annotated[Masked | JsonValue, Field(union_mode="left_to_right")]]
    error: Annotated[str | None, Field(exclude_if=absent)] = None
    correction: Annotated[str | None, Field(exclude_if=absent)] = None


class DocumentView(Wire):
    """A document and, while it is on its way, how much of it is here."""

    status: DocumentStatus
    upload: Annotated[Identifier | None, Field(exclude_if=absent)] = None
    received: Annotated[int | None, Field(exclude_if=absent)] = None
    """Bytes from the start that are stored: go on from here."""
    size: Annotated[int | None, Field(exclude_if=absent)] = None
    sha256: Annotated[Sha256 | None, Field(exclude_if=absent)] = None
    media_type: Annotated[str | None, Field(exclude_if=absent)] = None
    reason: Annotated[str | None, Field(exclude_if=absent)] = None


class SignatureView(Wire):
    """A signature that is asked for or was given.

    What follows the hashes is told to the staff alone, and only once it was decided.
    """

    field_id: FieldId
    status: SignatureStatus
    document_sha256: Sha256
    """Of the text: as the questionnaire is written; once signed, of the text that was signed."""
    documents_sha256: Annotated[Mapping[str, Sha256] | None, Field(exclude_if=absent)] = None
    """While it is asked for: of the text in each language that the questionnaire comes in."""
    at: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """When it was decided."""
    language: Annotated[str | None, Field(exclude_if=absent)] = None
    """Of the text that was signed, where that is a translation (BCP 47)."""
    printed_name: Annotated[str | None, Field(exclude_if=absent)] = None
    relationship: Annotated[str | None, Field(exclude_if=absent)] = None
    """Of the signer to the patient; absent where the patient signed."""
    staff_name: Annotated[str | None, Field(exclude_if=absent)] = None
    """Who asked for it."""
    reason: Annotated[str | None, Field(exclude_if=absent)] = None
    """Why it was declined or withdrawn."""


class StepView(Wire):
    """A step's progress: how many of its fields hold a valid answer, how many must."""

    status: StepStatus
    filled: int
    required: int


class ParticipantView(Wire):
    """A device that takes part."""

    role: Role
    online: bool
    since: Timestamp
    """When it came online or went."""
    host: bool


class View(Versioned):
    """What a screen of either kind may show."""

    session: Identifier
    revision: int
    epoch: int
    updated_at: Timestamp
    acknowledged_seq: int
    """The last of this device's commands that was decided."""
    status: SessionStatus
    flow_ref: str
    step_id: str
    step_index: int
    steps_total: int
    check_words: tuple[str, str]
    """The same on both screens, so that two people see that the right ones are paired."""
    highlight: str | None
    signature: SignatureView | None
    help_requested: bool
    covered: bool
    enabled: tuple[str, ...]
    """All that is on and shown, in order: fields, groups, instances (`meds[0]`) and texts, of this
    step (patient) or of all steps (facility)."""
    fields: Mapping[str, FieldView]
    documents: Mapping[str, DocumentView]
    reading: Mapping[str, float]
    reading_seconds: Annotated[Mapping[str, float] | None, Field(exclude_if=absent)] = None
    """For how long each text was on the patient's screen, where that screen told."""


class PatientView(View):
    """What the patient's screen may show: the values of the current step alone."""

    step_signatures: Annotated[Mapping[str, SignatureView] | None, Field(exclude_if=absent)] = None
    """Those of the current step; absent where there is none."""
    host_online: bool


class FacilityView(View):
    """What a staff's screen may show: the whole flow, sensitive values masked."""

    label: str | None
    patient_focus: str | None
    code: str | None
    code_expires_at: Timestamp | None
    steps: Mapping[str, StepView]
    missing: tuple[str, ...] = ()
    """The fields that keep the current step from being complete, in order."""
    missing_reason: str | None = None
    """The same in a sentence: what NAVIGATE forward would be refused with."""
    signatures: Mapping[str, SignatureView]
    participants: Mapping[str, ParticipantView]
    blocked: Mapping[str, str] = Field(default_factory=dict)
    """The commands that this device would be refused now whatever they say, and why."""
