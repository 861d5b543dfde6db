"""Requests on `devices/{me}/requests`, and their answers on `devices/{me}/inbox`."""

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, TypeAdapter, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import (
    DAY_PATTERN,
    DEFERRED,
    AnyJson,
    FieldId,
    Identifier,
    PageMark,
    Role,
    Timestamp,
    Wire,
    absent,
)
from schemas.questionnaire.rules import Grade
from schemas.wire.by_type import ByType
from schemas.wire.commands import OptionalName, PersonName
from schemas.wire.deliveries import DeliveryAnswer, DeliveryRequest, Standing
from schemas.wire.devices import DeviceName, Label, LobbyLine, Room
from schemas.wire.exports import RecordAnswer, RecordRequest
from schemas.wire.patient_fields import PatientFields
from schemas.wire.purging import MAX_NAMED, PreviewPurge, PurgePreview
from schemas.wire.request_base import AnswerBase, RequestBase
from schemas.wire.staff import StaffAnswer, StaffRequest
from schemas.wire.status import AlertsTried, ShowStatus, StatusShown, TryAlerts
from schemas.wire.views import FacilityView, SessionStatus, ShownValue

CredentialKind = Literal["secret", "code"]
OptionalRoom = Annotated[Room | None, Field(exclude_if=absent)]
FlowId = Annotated[str, Field(min_length=1, max_length=64)]


class OpenSession(RequestBase):
    """Open a session; the sender is the host unless `host` (admin only) names another.

    With `test` (admin only) it is a rehearsal: marked wherever it is shown, and never delivered.
    """

    type: Literal["OPEN_SESSION"] = "OPEN_SESSION"
    flow_id: FlowId
    label: Label | None = None
    patient_device: Identifier | None = None
    host: Identifier | None = None
    test: Annotated[bool | None, Field(exclude_if=absent)] = None


class JoinSession(RequestBase):
    """Join by `code` (patient) or by `session` (facility, observing)."""

    type: Literal["JOIN_SESSION"] = "JOIN_SESSION"
    code: Annotated[str | None, Field(max_length=64)] = None
    session: Identifier | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.code is None) == (self.session is None):
            raise ValueError("exactly one of `code` and `session` is required")
        return self


class LeaveSession(RequestBase):
    """Leave a session without ending it."""

    type: Literal["LEAVE_SESSION"] = "LEAVE_SESSION"
    session: Identifier


class Sync(RequestBase):
    """Request that this device's view be published again."""

    type: Literal["SYNC"] = "SYNC"
    session: Identifier


REHEARSAL = "rehearsal-"
"""How the id of a device begins that was enrolled for a rehearsal."""


class EnrolDevice(RequestBase):
    """Enroll a device: with a `secret` at once, or with a `code` to type on the device.

    With `test` it is for a rehearsal: its id begins with `rehearsal-`, and when it is revoked it is
    deleted.
    """

    type: Literal["ENROL_DEVICE"] = "ENROL_DEVICE"
    name: DeviceName
    role: Role
    by: CredentialKind = "secret"
    room: OptionalRoom = None
    test: Annotated[bool | None, Field(exclude_if=absent)] = None


class NewDevice(Wire):
    """A device to be enrolled."""

    name: DeviceName
    role: Role
    room: OptionalRoom = None


MAX_ENROLLED = 200
"""Devices that one request enrolls."""


class EnrolDevices(RequestBase):
    """Enroll several devices, or none of them.

    Refused as `malformed` if an enrolled device or another one of these has the same name;
    `names` in the details lists these names.
    """

    type: Literal["ENROL_DEVICES"] = "ENROL_DEVICES"
    devices: Annotated[tuple[NewDevice, ...], Field(min_length=1, max_length=MAX_ENROLLED)]
    by: CredentialKind = "secret"


class ReenrolDevice(RequestBase):
    """Enroll a device again under its id; also one that is revoked, unless it is retired.

    With `secret`, the old secret is invalid at once and the device is disconnected; with `code`,
    once the code is used.
    """

    type: Literal["REENROL_DEVICE"] = "REENROL_DEVICE"
    device: Identifier
    by: CredentialKind


class ChangeDevice(RequestBase):
    """Change a device's name or room; its id stays. An empty `room` removes it."""

    type: Literal["CHANGE_DEVICE"] = "CHANGE_DEVICE"
    device: Identifier
    name: Annotated[DeviceName | None, Field(exclude_if=absent)] = None
    room: Annotated[Room | Literal[""] | None, Field(exclude_if=absent)] = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.name is None and self.room is None:
            raise ValueError("at least one of `name` and `room` is required")
        return self


class RevokeDevice(RequestBase):
    """Revoke a device's credential; the device is disconnected and leaves its sessions.

    With `retire`, permanently: it cannot be enrolled again, and is listed as retired.
    """

    type: Literal["REVOKE_DEVICE"] = "REVOKE_DEVICE"
    device: Identifier
    retire: bool = False


class ListDevices(RequestBase):
    """List the devices, including revoked and retired ones."""

    type: Literal["LIST_DEVICES"] = "LIST_DEVICES"


class ListKiosks(RequestBase):
    """List the patient screens that a session can be opened on."""

    type: Literal["LIST_KIOSKS"] = "LIST_KIOSKS"


class AddFlow(RequestBase):
    """Add a FHIR R4 Questionnaire as a flow."""

    type: Literal["ADD_FLOW"] = "ADD_FLOW"
    questionnaire: dict[str, AnyJson]
    fallback_id: FlowId | None = None
    mapping: Annotated[dict[str, AnyJson] | None, Field(exclude_if=absent)] = None
    """Rules for mapping answers to FHIR resources, where the questionnaire has none.

    Without them, those of the flow's earlier version are kept; refused if they do not fit."""
    without_mapping: Annotated[bool | None, Field(exclude_if=absent)] = None
    """Drop the rules of the earlier version."""


class ListFlows(RequestBase):
    """List the flows."""

    type: Literal["LIST_FLOWS"] = "LIST_FLOWS"


class ListSessions(RequestBase):
    """List the open sessions, or a page of all, the newest first.

    `ended` includes the ended ones; `status` and `opened_since` limit what is listed; `page`, from
    the answer before, goes on after it.
    """

    type: Literal["LIST_SESSIONS"] = "LIST_SESSIONS"
    ended: bool = False
    status: SessionStatus | None = None
    opened_since: Timestamp | None = None
    page: PageMark | None = None


class ShowSession(RequestBase):
    """Show an open or ended session as staff see it, now or at an earlier `revision`."""

    type: Literal["SHOW_SESSION"] = "SHOW_SESSION"
    session: Identifier
    revision: Annotated[int | None, Field(ge=1)] = None


class SessionTimeline(RequestBase):
    """List the events of a session, without entered values."""

    type: Literal["SESSION_TIMELINE"] = "SESSION_TIMELINE"
    session: Identifier
    after: Annotated[int, Field(ge=0)] = 0
    """Only events of a higher revision; a page holds at most 500."""


class FieldHistory(RequestBase):
    """List what was changed in a session's fields, with the values; sensitive ones masked.

    For staff that take part in the session, and facility IT.
    """

    type: Literal["FIELD_HISTORY"] = "FIELD_HISTORY"
    session: Identifier
    field_id: Annotated[FieldId | None, Field(exclude_if=absent)] = None
    """Only of this field."""
    after: Annotated[int, Field(ge=0)] = 0
    """Only changes of a higher revision; a page holds at most about 200 changes."""


class RevealField(RequestBase):
    """Show the value of a field that views mask. The log keeps who saw which field.

    For staff screens that take part in the session.
    """

    type: Literal["REVEAL_FIELD"] = "REVEAL_FIELD"
    session: Identifier
    field_id: FieldId


class CancelSession(RequestBase):
    """End a session without submitting it, whoever leads it."""

    type: Literal["CANCEL_SESSION"] = "CANCEL_SESSION"
    session: Identifier
    reason: Annotated[str, Field(min_length=1, max_length=500)]


def _is_a_day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        limit = {"pattern": DAY_PATTERN}
        raise PydanticCustomError("not_a_day", "not a day of the calendar", limit) from None
    return text


BirthDate = Annotated[str, Field(pattern=DAY_PATTERN), AfterValidator(_is_a_day)]
Gender = Literal["male", "female", "other", "unknown"]
"""FHIR's AdministrativeGender."""


class IdentifyPatient(RequestBase):
    """State who the patient of a completed session is, as far as the answers do not say it.

    It is recorded who stated it; what is held for lack of it is then delivered.
    """

    type: Literal["IDENTIFY_PATIENT"] = "IDENTIFY_PATIENT"
    session: Identifier
    family: OptionalName = None
    given: Annotated[tuple[PersonName, ...], Field(max_length=10)] = ()
    birth_date: Annotated[BirthDate | None, Field(exclude_if=absent)] = None
    gender: Annotated[Gender | None, Field(exclude_if=absent)] = None
    staff_name: OptionalName = None
    """The name of who states it, if several people use the screen."""


class PurgeSessions(RequestBase):
    """Delete ended sessions with everything entered in them; `IN_PROGRESS` may come meanwhile."""

    type: Literal["PURGE_SESSIONS"] = "PURGE_SESSIONS"
    sessions: tuple[Identifier, ...] = ()
    older_than_s: Annotated[int | None, Field(ge=0, le=10**10)] = None
    """Every session that ended longer ago than this many seconds."""
    undelivered: bool = False
    """Include those of `sessions` that are not delivered yet; `older_than_s` never does."""


class BackUp(RequestBase):
    """Back up the box; the answer follows once the backup is verified."""

    type: Literal["BACK_UP"] = "BACK_UP"


Request = (
    OpenSession
    | JoinSession
    | LeaveSession
    | Sync
    | EnrolDevice
    | EnrolDevices
    | ReenrolDevice
    | ChangeDevice
    | RevokeDevice
    | ListDevices
    | ListKiosks
    | AddFlow
    | ListFlows
    | ListSessions
    | ShowSession
    | SessionTimeline
    | FieldHistory
    | RevealField
    | CancelSession
    | IdentifyPatient
    | PurgeSessions
    | BackUp
    | PreviewPurge
    | ShowStatus
    | TryAlerts
    | RecordRequest
    | DeliveryRequest
    | StaffRequest
)
REQUEST: TypeAdapter[Request] = TypeAdapter(
    Annotated[Request, Field(discriminator="type")], config=DEFERRED
)
"""Parses any request from JSON."""


class SessionOpened(AnswerBase):
    """A session was opened; a patient screen joins it by `code`."""

    type: Literal["SESSION_OPENED"] = "SESSION_OPENED"
    session: Identifier
    flow_ref: str
    code: Annotated[str | None, Field(exclude_if=absent)] = None
    code_expires_at: Annotated[Timestamp | None, Field(exclude_if=absent)] = None


class SessionJoined(AnswerBase):
    """The device joined; its view follows on its state topic."""

    type: Literal["SESSION_JOINED"] = "SESSION_JOINED"
    session: Identifier
    flow_ref: str


class SessionLeft(AnswerBase):
    """The device left the session."""

    type: Literal["SESSION_LEFT"] = "SESSION_LEFT"
    session: Identifier


class Synced(AnswerBase):
    """The view was published again."""

    type: Literal["SYNCED"] = "SYNCED"
    session: Identifier
    revision: int


class EnrolledDevice(Wire):
    """A device that may connect with `secret`, or pair with `code`."""

    device: Identifier
    role: Role
    site: Identifier
    secret: Annotated[str | None, Field(exclude_if=absent)] = None
    code: Annotated[str | None, Field(exclude_if=absent)] = None
    code_expires_at: Annotated[Timestamp | None, Field(exclude_if=absent)] = None


class DeviceEnrolled(EnrolledDevice, AnswerBase):
    """The device may connect with `secret`, or pair with `code`."""

    type: Literal["DEVICE_ENROLLED"] = "DEVICE_ENROLLED"


class DevicesEnrolled(AnswerBase):
    """All of the devices are enrolled, in the order of the request."""

    type: Literal["DEVICES_ENROLLED"] = "DEVICES_ENROLLED"
    devices: tuple[EnrolledDevice, ...]


class DeviceChanged(AnswerBase):
    """The device has this name and room."""

    type: Literal["DEVICE_CHANGED"] = "DEVICE_CHANGED"
    device: Identifier
    name: str
    room: OptionalRoom = None


class DeviceRevoked(AnswerBase):
    """The device's credential was revoked."""

    type: Literal["DEVICE_REVOKED"] = "DEVICE_REVOKED"
    device: Identifier


class DeviceLine(Wire):
    """A summary of a device."""

    device: Identifier
    name: str
    role: Role
    enrolled_at: Timestamp
    guest: bool
    revoked: bool
    online: bool
    retired: bool = False
    """Whether it was revoked permanently."""
    room: OptionalRoom = None
    last_seen: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """When the box last received something from it; absent if it never connected.

    With an external broker, when it last connected or disconnected.
    """
    address: Annotated[str | None, Field(exclude_if=absent)] = None
    """Where it last connected from, if the broker tells; never of a guest."""
    software: Annotated[str | None, Field(exclude_if=absent)] = None
    """As in its presence; never of a guest."""
    sessions: tuple[Identifier, ...] = ()
    """The open sessions that it is in."""


class Devices(AnswerBase):
    """The devices."""

    type: Literal["DEVICES"] = "DEVICES"
    devices: tuple[DeviceLine, ...]


class KioskLine(Wire):
    """A summary of an enrolled patient screen."""

    device: Identifier
    name: str
    online: bool
    session: Identifier | None
    """The open session that it is in, or null if it is free."""
    room: OptionalRoom = None


class Kiosks(AnswerBase):
    """The enrolled patient screens."""

    type: Literal["KIOSKS"] = "KIOSKS"
    kiosks: tuple[KioskLine, ...]


class FlowNote(Wire):
    """A finding about a Questionnaire, with its path.

    `grade` says how much it matters, `effect` what it does to a patient or to the record, and
    `remedy` what to do.
    """

    place: str
    message: str
    rule: str
    grade: Grade
    effect: str
    remedy: str


class FlowLine(Wire):
    """A summary of a flow."""

    flow_id: str
    flow_ref: str
    title: str
    titles: Annotated[dict[str, str] | None, Field(exclude_if=absent)] = None
    """Its title in other languages, by BCP 47 tag; absent if it has none."""
    steps: int
    added_at: Timestamp
    not_offered: Annotated[str | None, Field(exclude_if=absent)] = None
    """Why no new session may use it, such as "is retired"; absent if one may."""


class FlowAdded(AnswerBase):
    """The flow was added and can be used for new sessions."""

    type: Literal["FLOW_ADDED"] = "FLOW_ADDED"
    flow_id: str
    flow_ref: str
    notes: tuple[FlowNote, ...]
    patient: Annotated[PatientFields | None, Field(exclude_if=absent)] = None
    """Without a name and a birth date, sessions are held before they are delivered as FHIR."""
    kept_mapping: Annotated[bool | None, Field(exclude_if=absent)] = None
    """True if the rules of the earlier version are kept."""


class Flows(AnswerBase):
    """The flows that new sessions can use."""

    type: Literal["FLOWS"] = "FLOWS"
    flows: tuple[FlowLine, ...]


class Sessions(AnswerBase):
    """Summaries of sessions, the newest first; `next_page` leads to the next ones, if there are."""

    type: Literal["SESSIONS"] = "SESSIONS"
    sessions: tuple[LobbyLine, ...]
    next_page: Annotated[PageMark | None, Field(exclude_if=absent)] = None


class SessionDelivery(Wire):
    """How the delivery of a session to one destination stands."""

    destination: Identifier
    status: Standing
    reason: str | None
    """As in `DeliveryLine`."""


class SessionShown(AnswerBase):
    """A session as staff see it."""

    type: Literal["SESSION_SHOWN"] = "SESSION_SHOWN"
    view: FacilityView
    deliveries: tuple[SessionDelivery, ...] = ()


class TimelineLine(Wire):
    """An event of a session, without entered values."""

    revision: int
    at: Timestamp
    device: str | None
    person: Annotated[str | None, Field(exclude_if=absent)] = None
    """Who did it: a person's id, an emergency access, or `os:` and a user of the command line."""
    person_name: Annotated[str | None, Field(exclude_if=absent)] = None
    event: str
    summary: str


class Timeline(AnswerBase):
    """The events of a session; `more` if another page follows."""

    type: Literal["TIMELINE"] = "TIMELINE"
    session: Identifier
    events: tuple[TimelineLine, ...]
    more: bool


class FieldChange(Wire):
    """A change of a field's answer, or of its document, then given by its `sha256`.

    Null before or after: it had, or has, no content.
    """

    field_id: FieldId
    """As it is now: removing an instance of a group renumbers the later ones."""
    revision: int
    at: Timestamp
    device: str | None
    before: ShownValue
    after: ShownValue
    removed: Annotated[Literal[True] | None, Field(exclude_if=absent)] = None
    """True if the field's instance of a repeating group was removed."""


class FieldChanges(AnswerBase):
    """What was changed, in the order of the log; `more` if another page follows."""

    type: Literal["FIELD_CHANGES"] = "FIELD_CHANGES"
    session: Identifier
    changes: tuple[FieldChange, ...]
    more: bool


class FieldRevealed(AnswerBase):
    """The value of a field, unmasked; null if it has none."""

    type: Literal["FIELD_REVEALED"] = "FIELD_REVEALED"
    session: Identifier
    field_id: FieldId
    value: AnyJson


class SessionCancelled(AnswerBase):
    """The session was cancelled."""

    type: Literal["SESSION_CANCELLED"] = "SESSION_CANCELLED"
    session: Identifier


class PatientIdentified(AnswerBase):
    """It is recorded who the patient is; so many deliveries are due again."""

    type: Literal["PATIENT_IDENTIFIED"] = "PATIENT_IDENTIFIED"
    session: Identifier
    deliveries: int


class SessionsPurged(AnswerBase):
    """The deleted sessions: how many, and the first of them."""

    type: Literal["SESSIONS_PURGED"] = "SESSIONS_PURGED"
    sessions: Annotated[tuple[Identifier, ...], Field(max_length=MAX_NAMED)]
    purged: Annotated[int, Field(ge=0)]
    kept: Annotated[tuple[Identifier, ...], Field(max_length=MAX_NAMED)] = ()
    """Old enough, but not delivered yet: the first of `kept_count`."""
    kept_count: Annotated[int, Field(ge=0)] = 0


class InProgress(AnswerBase):
    """A request that takes long is being done: `done` of `total`; its answer follows."""

    type: Literal["IN_PROGRESS"] = "IN_PROGRESS"
    done: Annotated[int, Field(ge=0)]
    total: Annotated[int, Field(ge=0)]


class BackedUp(AnswerBase):
    """A verified backup is on the box's disk."""

    type: Literal["BACKED_UP"] = "BACKED_UP"
    file: str
    """Its name in the data folder's `backups`."""
    size: int
    """Bytes."""


Answer = (
    SessionOpened
    | SessionJoined
    | SessionLeft
    | Synced
    | DeviceEnrolled
    | DevicesEnrolled
    | DeviceChanged
    | DeviceRevoked
    | Devices
    | Kiosks
    | FlowAdded
    | Flows
    | Sessions
    | SessionShown
    | Timeline
    | FieldChanges
    | FieldRevealed
    | SessionCancelled
    | PatientIdentified
    | SessionsPurged
    | PurgePreview
    | InProgress
    | BackedUp
    | StatusShown
    | AlertsTried
    | RecordAnswer
    | DeliveryAnswer
    | StaffAnswer
)
ANSWER: ByType[Answer] = ByType(Answer)
"""Parses any answer from JSON."""
