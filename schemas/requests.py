"""Requests on `devices/{me}/requests`, and their answers on `devices/{me}/inbox`."""

from typing import Annotated, Literal, Self

from pydantic import Field, TypeAdapter, model_validator

from schemas.base import (
    AnyJson,
    Identifier,
    Role,
    Timestamp,
    Wire,
    absent,
)
from schemas.deliveries import DeliveryAnswer, DeliveryRequest
from schemas.devices import DeviceName, Label, LobbyLine
from schemas.given_out import RecordAnswer, RecordRequest
from schemas.request_base import RequestBase
from schemas.views import FacilityView

FlowId = Annotated[str, Field(min_length=1, max_length=64)]


class OpenSession(RequestBase):
    """Open a session; its opener is the host unless `host` (admin only) names another."""

    type: Literal["OPEN_SESSION"] = "OPEN_SESSION"
    flow_id: FlowId
    label: Label | None = None
    patient_device: Identifier | None = None
    host: Identifier | None = None


class JoinSession(RequestBase):
    """Join by `code` (patient) or by `session` (facility, observing)."""

    type: Literal["JOIN_SESSION"] = "JOIN_SESSION"
    code: Annotated[str | None, Field(max_length=64)] = None
    session: Identifier | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.code is None) == (self.session is None):
            raise ValueError("give either `code` or `session`")
        return self


class LeaveSession(RequestBase):
    """Leave a session without ending it."""

    type: Literal["LEAVE_SESSION"] = "LEAVE_SESSION"
    session: Identifier


class Sync(RequestBase):
    """Have this device's view published again."""

    type: Literal["SYNC"] = "SYNC"
    session: Identifier


class EnrolDevice(RequestBase):
    """Enrol a device: a `secret` at once, or a `code` that the device shows itself."""

    type: Literal["ENROL_DEVICE"] = "ENROL_DEVICE"
    name: DeviceName
    role: Role
    by: Literal["secret", "code"] = "secret"


class RevokeDevice(RequestBase):
    """End a device's credential; it is disconnected and leaves its sessions."""

    type: Literal["REVOKE_DEVICE"] = "REVOKE_DEVICE"
    device: Identifier


class ListDevices(RequestBase):
    """List the devices."""

    type: Literal["LIST_DEVICES"] = "LIST_DEVICES"


class ListKiosks(RequestBase):
    """List the patient's screens that a session can be sent to."""

    type: Literal["LIST_KIOSKS"] = "LIST_KIOSKS"


class AddFlow(RequestBase):
    """Add a FHIR R4 Questionnaire as a flow."""

    type: Literal["ADD_FLOW"] = "ADD_FLOW"
    questionnaire: dict[str, AnyJson]
    fallback_id: FlowId | None = None
    mapping: Annotated[dict[str, AnyJson] | None, Field(exclude_if=absent)] = None
    """How answers become FHIR resources, where the questionnaire does not say (docs/fhir.md)."""


class ListFlows(RequestBase):
    """List the flows."""

    type: Literal["LIST_FLOWS"] = "LIST_FLOWS"


class ListSessions(RequestBase):
    """List sessions, the open ones alone unless `ended` is set."""

    type: Literal["LIST_SESSIONS"] = "LIST_SESSIONS"
    ended: bool = False


class ShowSession(RequestBase):
    """Show a session as its staff sees it, whether open or ended; or as it was at a revision."""

    type: Literal["SHOW_SESSION"] = "SHOW_SESSION"
    session: Identifier
    revision: Annotated[int | None, Field(ge=1)] = None


class SessionTimeline(RequestBase):
    """List what happened in a session, without what was entered."""

    type: Literal["SESSION_TIMELINE"] = "SESSION_TIMELINE"
    session: Identifier
    after: Annotated[int, Field(ge=0)] = 0
    """Only events of a higher revision; a page holds at most 500."""


class CancelSession(RequestBase):
    """End a session that nobody leads any more, unsubmitted."""

    type: Literal["CANCEL_SESSION"] = "CANCEL_SESSION"
    session: Identifier
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class PurgeSessions(RequestBase):
    """Delete ended sessions with all that was entered."""

    type: Literal["PURGE_SESSIONS"] = "PURGE_SESSIONS"
    sessions: tuple[Identifier, ...] = ()
    older_than_s: Annotated[int | None, Field(ge=0, le=10**10)] = None
    """Every session that ended longer ago than this many seconds."""
    undelivered: bool = False
    """Those too that a destination has not taken yet."""


class BackUp(RequestBase):
    """Back the box up: the answer comes once the backup is verified."""

    type: Literal["BACK_UP"] = "BACK_UP"


Request = (
    OpenSession
    | JoinSession
    | LeaveSession
    | Sync
    | EnrolDevice
    | RevokeDevice
    | ListDevices
    | ListKiosks
    | AddFlow
    | ListFlows
    | ListSessions
    | ShowSession
    | SessionTimeline
    | CancelSession
    | PurgeSessions
    | BackUp
    | RecordRequest
    | DeliveryRequest
)
REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="type")])
"""Reads any request from JSON."""


class SessionOpened(RequestBase):
    """A session is open; `code` brings a patient's screen into it."""

    type: Literal["SESSION_OPENED"] = "SESSION_OPENED"
    session: Identifier
    flow_ref: str
    code: Annotated[str | None, Field(exclude_if=absent)] = None
    code_expires_at: Annotated[Timestamp | None, Field(exclude_if=absent)] = None


class SessionJoined(RequestBase):
    """The device takes part; its view follows on its state topic."""

    type: Literal["SESSION_JOINED"] = "SESSION_JOINED"
    session: Identifier
    flow_ref: str


class SessionLeft(RequestBase):
    """The device takes part no more."""

    type: Literal["SESSION_LEFT"] = "SESSION_LEFT"
    session: Identifier


class Synced(RequestBase):
    """The view was published again."""

    type: Literal["SYNCED"] = "SYNCED"
    session: Identifier
    revision: int


class DeviceEnrolled(RequestBase):
    """A device may connect with `secret`, or show `code` to be given one."""

    type: Literal["DEVICE_ENROLLED"] = "DEVICE_ENROLLED"
    device: Identifier
    role: Role
    site: Identifier
    secret: Annotated[str | None, Field(exclude_if=absent)] = None
    code: Annotated[str | None, Field(exclude_if=absent)] = None
    code_expires_at: Annotated[Timestamp | None, Field(exclude_if=absent)] = None


class DeviceRevoked(RequestBase):
    """The device's credential has ended."""

    type: Literal["DEVICE_REVOKED"] = "DEVICE_REVOKED"
    device: Identifier


class DeviceLine(Wire):
    """A device in a line."""

    device: Identifier
    name: str
    role: Role
    enrolled_at: Timestamp
    guest: bool
    revoked: bool
    online: bool


class Devices(RequestBase):
    """The devices."""

    type: Literal["DEVICES"] = "DEVICES"
    devices: tuple[DeviceLine, ...]


class KioskLine(Wire):
    """An enrolled patient's screen in a line."""

    device: Identifier
    name: str
    online: bool
    session: Identifier | None
    """The open session that it is in: it is free where there is none."""


class Kiosks(RequestBase):
    """The patient's screens that are enrolled."""

    type: Literal["KIOSKS"] = "KIOSKS"
    kiosks: tuple[KioskLine, ...]


class FlowNote(Wire):
    """Something in a Questionnaire that is not honoured, and where."""

    place: str
    message: str


class FlowLine(Wire):
    """A flow in a line."""

    flow_id: str
    flow_ref: str
    title: str
    steps: int
    added_at: Timestamp


class FlowAdded(RequestBase):
    """A flow can be used for new sessions."""

    type: Literal["FLOW_ADDED"] = "FLOW_ADDED"
    flow_id: str
    flow_ref: str
    notes: tuple[FlowNote, ...]


class Flows(RequestBase):
    """The flows that new sessions can use."""

    type: Literal["FLOWS"] = "FLOWS"
    flows: tuple[FlowLine, ...]


class Sessions(RequestBase):
    """Sessions, a line each."""

    type: Literal["SESSIONS"] = "SESSIONS"
    sessions: tuple[LobbyLine, ...]


class SessionShown(RequestBase):
    """A session as its staff sees it."""

    type: Literal["SESSION_SHOWN"] = "SESSION_SHOWN"
    view: FacilityView


class TimelineLine(Wire):
    """An event of a session, without what was entered."""

    revision: int
    at: Timestamp
    device: str | None
    event: str
    summary: str


class Timeline(RequestBase):
    """What happened in a session; `more` where a further page follows."""

    type: Literal["TIMELINE"] = "TIMELINE"
    session: Identifier
    events: tuple[TimelineLine, ...]
    more: bool


class SessionCancelled(RequestBase):
    """The session has ended."""

    type: Literal["SESSION_CANCELLED"] = "SESSION_CANCELLED"
    session: Identifier


class SessionsPurged(RequestBase):
    """These sessions are deleted."""

    type: Literal["SESSIONS_PURGED"] = "SESSIONS_PURGED"
    sessions: tuple[Identifier, ...]
    kept: tuple[Identifier, ...] = ()
    """Old enough, but not delivered yet."""


class BackedUp(RequestBase):
    """A backup is on the box's disk, and whole."""

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
    | DeviceRevoked
    | Devices
    | Kiosks
    | FlowAdded
    | Flows
    | Sessions
    | SessionShown
    | Timeline
    | SessionCancelled
    | SessionsPurged
    | BackedUp
    | RecordAnswer
    | DeliveryAnswer
)
ANSWER: TypeAdapter[Answer] = TypeAdapter(Annotated[Answer, Field(discriminator="type")])
"""Reads any answer from JSON."""
