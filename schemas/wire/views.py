"""Views: everything that one device may see of a session (`sessions/{session}/state/{device}`).

A view is complete: a device that missed one is up to date with the next. A device ignores a view
that is older than its own by (`epoch`, `revision`).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue, SerializeAsAny

from schemas.base import FieldId, Identifier, Role, Sha256, Timestamp, Versioned, Wire, absent
from schemas.wire.commands import CorrectionFault, DocumentFault
from schemas.wire.rejections import RejectionCode


class SessionStatus(StrEnum):
    """The status of a session."""

    WAITING = "waiting"
    ACTIVE = "active"
    PAUSED = "paused"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        """Whether the session is closed to changes."""
        return self in _ENDED


_ENDED = (SessionStatus.COMPLETED, SessionStatus.CANCELLED, SessionStatus.EXPIRED)


class StepStatus(StrEnum):
    """The status of a step, relative to the current one."""

    UPCOMING = "upcoming"
    CURRENT = "current"
    COMPLETE = "complete"
    INCOMPLETE = "incomplete"


class DocumentStatus(StrEnum):
    """The status of a document."""

    MISSING = "missing"
    RECEIVING = "receiving"
    RECEIVED = "received"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class SignatureStatus(StrEnum):
    """The status of a signature."""

    REQUESTED = "requested"
    SIGNED = "signed"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class Masked(Wire):
    """Replaces the value of a sensitive field on a staff screen."""

    masked: Literal[True] = True
    length: int
    """Number of characters of the value as text."""


# Masked comes first, since a mask is a JSON object too; no answer has a `length`.
# Serialized by its own type: a serializer of the union would try each member.
ShownValue = SerializeAsAny[Annotated[Masked | JsonValue, Field(union_mode="left_to_right")]]


class FieldView(Wire):
    """A field's value and error."""

    value: ShownValue
    error: Annotated[str | None, Field(exclude_if=absent)] = None
    options: Annotated[tuple[JsonValue, ...] | None, Field(exclude_if=absent)] = None
    """The permitted answers, where expressions of the form give or restrict them."""
    correction: Annotated[str | None, Field(exclude_if=absent)] = None
    correction_code: Annotated[CorrectionFault | None, Field(exclude_if=absent)] = None
    """What staff chose; absent: `correction` is in their own words."""
    correction_language: Annotated[str | None, Field(exclude_if=absent)] = None
    """A BCP 47 tag of `correction`."""


class DocumentView(Wire):
    """A document and, during its upload, how much of it has arrived."""

    status: DocumentStatus
    upload: Annotated[Identifier | None, Field(exclude_if=absent)] = None
    received: Annotated[int | None, Field(exclude_if=absent)] = None
    """Number of bytes stored from the start; continue from here."""
    size: Annotated[int | None, Field(exclude_if=absent)] = None
    sha256: Annotated[Sha256 | None, Field(exclude_if=absent)] = None
    media_type: Annotated[str | None, Field(exclude_if=absent)] = None
    reason_code: Annotated[DocumentFault | None, Field(exclude_if=absent)] = None
    """Why it was rejected, if staff chose a reason; `reason` is what they wrote."""
    reason: Annotated[str | None, Field(exclude_if=absent)] = None


class CoversScope(StrEnum):
    """Which answers a signature covers."""

    STEP = "step"
    """Those of its step."""
    UP_TO_STEP = "up_to_step"
    """Those of its step and of all before it: the form does not say who the patient is."""
    FORM = "form"
    """All answers: the form marks the signature so."""


class CoversView(Wire):
    """What a signature is given for besides its text; a later change of it makes it missing."""

    patient: tuple[FieldId, ...]
    """The fields that say who the patient is."""
    fields: tuple[FieldId, ...]
    """The other answers and documents that it covers."""
    scope: CoversScope


class SignatureView(Wire):
    """A signature that is requested or was given.

    The fields after the hashes are sent to staff only, once the signature is decided.
    """

    field_id: FieldId
    status: SignatureStatus
    document_sha256: Sha256
    """Of the text in the questionnaire's own language; once signed, of the signed text."""
    documents_sha256: Annotated[Mapping[str, Sha256] | None, Field(exclude_if=absent)] = None
    """While requested: of the text in each language of the questionnaire."""
    covers: Annotated[CoversView | None, Field(exclude_if=absent)] = None
    """While requested and once signed: what the signature is given for besides its text."""
    changed: Annotated[Literal[True] | None, Field(exclude_if=absent)] = None
    """True if what was signed has changed since, so that it has to be signed again."""
    at: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """Time of the decision."""
    language: Annotated[str | None, Field(exclude_if=absent)] = None
    """Language of the signed text, if it is a translation (BCP 47)."""
    printed_name: Annotated[str | None, Field(exclude_if=absent)] = None
    relationship: Annotated[str | None, Field(exclude_if=absent)] = None
    """The signer's relationship to the patient; absent if the patient signed."""
    staff_name: Annotated[str | None, Field(exclude_if=absent)] = None
    """The name of the requester."""
    reason: Annotated[str | None, Field(exclude_if=absent)] = None
    """The reason for declining or withdrawing."""


class HelpStatus(StrEnum):
    """The status of the patient's request for help, until staff say that it is done."""

    ASKED = "asked"
    COMING = "coming"


class HelpView(Wire):
    """The patient's request for help."""

    status: HelpStatus
    since: Timestamp
    """When the patient asked, the first time if nobody has answered."""
    staff_name: Annotated[str | None, Field(exclude_if=absent)] = None
    """Who is coming, if known."""


class StepView(Wire):
    """A step's progress: the number of fields with a valid answer, and of required fields."""

    status: StepStatus
    filled: int
    required: int


class ScreenView(Wire):
    """How the patient screen shows the form."""

    language: Annotated[str | None, Field(exclude_if=absent)] = None
    """A BCP 47 tag; absent: as the form is written."""
    text_percent: int = 100


class ParticipantView(Wire):
    """A participating device."""

    role: Role
    online: bool
    since: Timestamp
    """When it last came online or went offline."""
    host: bool


class RefusedCommand(Wire):
    """A refusal of one of this device's commands."""

    seq: int
    command_id: str | None
    code: RejectionCode
    message: str
    details: Mapping[str, JsonValue] = Field(default_factory=dict)


class NotTaken(Wire):
    """An entry of the patient that was refused, and that no later entry has replaced."""

    code: RejectionCode
    message: str
    at: Timestamp


class IdentifiedView(Wire):
    """Who the patient is, as staff stated after the session was completed."""

    at: Timestamp
    device: Identifier
    staff_name: Annotated[str | None, Field(exclude_if=absent)] = None
    family: Annotated[str | None, Field(exclude_if=absent)] = None
    given: tuple[str, ...] = ()
    birth_date: Annotated[str | None, Field(exclude_if=absent)] = None
    gender: Annotated[str | None, Field(exclude_if=absent)] = None


class ReviewLine(Wire):
    """An answer of another step: its value, or the status of its document."""

    field_id: FieldId
    step_id: str
    value: Annotated[
        SerializeAsAny[Annotated[Masked | JsonValue, Field(union_mode="left_to_right")]],
        Field(exclude_if=absent),
    ] = None
    document: Annotated[DocumentStatus | None, Field(exclude_if=absent)] = None


class View(Versioned):
    """The common part of both kinds of views."""

    session: Identifier
    revision: int
    epoch: int
    updated_at: Timestamp
    acknowledged_seq: int
    """The `seq` of this device's last decided command."""
    refused: tuple[RefusedCommand, ...] = ()
    """This device's last ten refusals, oldest first. A command up to `acknowledged_seq` was refused
    if it is here, else accepted: MQTT does not order a view and a rejection (3.1.1, 4.6)."""
    status: SessionStatus
    flow_ref: str
    step_id: str
    step_index: int
    """From 0, among the steps of which anything is shown now."""
    steps_total: int
    """How many those are; the current step is one of them in any case."""
    check_words: tuple[str, str]
    """Shown on both screens, so that people can check that the right ones are paired."""
    highlight: str | None
    signature: SignatureView | None
    help_requested: bool
    """From ASK_FOR_HELP to ANSWER_HELP; `help` says more."""
    help: Annotated[HelpView | None, Field(exclude_if=absent)] = None
    help_step: Annotated[str | None, Field(exclude_if=absent)] = None
    """The step that the patient asks to change, until staff open it or answer the call."""
    ready_since: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """Since when the patient is done with this step; absent as soon as something is missing."""
    may_advance: Annotated[Literal[True] | None, Field(exclude_if=absent)] = None
    """True if the patient may pass this step alone (REPORT_READY), otherwise absent."""
    covered: bool
    locked: bool = False
    """Whether the patient screen was idle for too long: its view holds no values until staff show
    it again (COVER_SCREEN)."""
    enabled: tuple[str, ...]
    """All enabled and shown items, in order: fields, groups, instances (`meds[0]`) and texts, of
    this step (patient) or of all steps (facility)."""
    fields: Mapping[str, FieldView]
    documents: Mapping[str, DocumentView]
    reading: Mapping[str, float]
    reading_seconds: Annotated[Mapping[str, float] | None, Field(exclude_if=absent)] = None
    """How long each text was on the patient screen, as that screen reported."""
    test: Annotated[bool | None, Field(exclude_if=absent)] = None
    """True for a rehearsal, otherwise absent."""


class PatientView(View):
    """The patient screen's view: the values of the current step only."""

    storage_key: Annotated[
        str | None, Field(pattern=r"^[A-Za-z0-9_-]{43}$", exclude_if=absent, repr=False)
    ] = None
    """256 bits in base64url, the same as long as the session is open: with it, this screen encrypts
    what it stores of the patient (AES-256-GCM). It keeps the key in memory only. Absent after the
    end; absent from a view before that, the key of an earlier view still holds."""

    step_signatures: Annotated[Mapping[str, SignatureView] | None, Field(exclude_if=absent)] = None
    """The signatures of the current step; absent if there are none."""
    next_instances: Annotated[Mapping[str, tuple[str, ...]] | None, Field(exclude_if=absent)] = None
    """For each repeating group of the current step that may have one more instance (`meds`): all
    that would be on in it, named and in order as in `enabled`. An entry there adds the instance.
    Absent where there is no such group; a group without instances shows its first in `enabled`."""
    review: Annotated[tuple[ReviewLine, ...] | None, Field(exclude_if=absent)] = None
    """Where the current step asks the patient to check the answers: those of all other steps that
    this session has shown, in order, sensitive values masked. Otherwise absent."""
    to_do: tuple[FieldId, ...] = ()
    """The fields of the current step that REPORT_READY needs, in order; a signature is not one of
    them, since staff ask for it. Empty on a locked screen."""
    host_online: bool
    host_name: Annotated[str | None, Field(exclude_if=absent)] = None
    """Who is signed in at the host's screen, if anybody."""
    copy_offered: Annotated[Literal[True] | None, Field(exclude_if=absent)] = None
    """True if the patient may take a copy of the record along (CREATE_COPY_LINK): the session is
    completed and its screen neither covered nor locked. Otherwise absent."""


class FacilityView(View):
    """A staff screen's view: the whole flow, with sensitive values masked."""

    label: str | None
    patient_focus: str | None
    patient_idle: bool = False
    """Whether the patient screen asked if anybody is there, and nobody answered."""
    patient_screen: Annotated[ScreenView | None, Field(exclude_if=absent)] = None
    """What the patient chose; absent: nothing."""
    patient_away_since: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """Since when the patient screen was away, if it was away as the session ended or as it left.

    What was typed there after this time may be missing for good."""
    self_paced: Annotated[bool | None, Field(exclude_if=absent)] = None
    """Whether the patient may pass complete steps alone (SET_SELF_PACED); absent: as the flow says.
    """
    code: str | None
    code_expires_at: Timestamp | None
    steps: Mapping[str, StepView]
    not_taken: Mapping[str, NotTaken] = Field(default_factory=dict)
    """By field: what the patient entered and the controller refused. The value is not sent."""
    missing: tuple[str, ...] = ()
    """The fields that make the current step incomplete, in order."""
    missing_reason: str | None = None
    """The same as a sentence: the rejection of NAVIGATE to a later step."""
    signatures: Mapping[str, SignatureView]
    participants: Mapping[str, ParticipantView]
    identified: Annotated[IdentifiedView | None, Field(exclude_if=absent)] = None
    signed_out: Annotated[Literal[True] | None, Field(exclude_if=absent)] = None
    """True while nobody is signed in at this desk: the view then holds no patient data."""
    blocked: Mapping[str, str] = Field(default_factory=dict)
    """The commands that would be rejected now regardless of their content, and why."""
