"""Box events: entries of the audit log outside a session's rules, which change no session state.

A box event contains no value that a patient entered: it stays readable after a purge.
"""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, TypeAdapter

from schemas.base import DEFERRED, Role
from schemas.wire.rejections import RejectionCode
from schemas.wire.staff import StaffRole
from session_controller.engine.events import FactBase


class DeviceEnrolled(FactBase):
    """A device was enrolled: it may connect, or awaits pairing."""

    type: Literal["DeviceEnrolled"] = "DeviceEnrolled"
    subject: str
    role: Role
    by: Literal["secret", "code"]


class DevicePaired(FactBase):
    """A device sent a valid code and received its credential."""

    type: Literal["DevicePaired"] = "DevicePaired"
    subject: str
    role: Role


class CodeRefused(FactBase):
    """An invalid code was sent."""

    type: Literal["CodeRefused"] = "CodeRefused"


class DeviceRevoked(FactBase):
    """A device's credential was revoked."""

    type: Literal["DeviceRevoked"] = "DeviceRevoked"
    subject: str


class DeviceChanged(FactBase):
    """A device was renamed or moved, got a new pairing code or secret, or was retired."""

    type: Literal["DeviceChanged"] = "DeviceChanged"
    subject: str
    change: Literal["renamed", "moved", "code", "replaced", "retired"]


class FlowAdded(FactBase):
    """A form was added for new sessions."""

    type: Literal["FlowAdded"] = "FlowAdded"
    flow_ref: str
    mapping: bool = False


class RequestRefused(FactBase):
    """A request was refused."""

    type: Literal["RequestRefused"] = "RequestRefused"
    request: str
    code: RejectionCode


class OutsiderRefused(FactBase):
    """A device that does not take part in a session sent it a command."""

    type: Literal["OutsiderRefused"] = "OutsiderRefused"
    code: RejectionCode


class SessionSeen(FactBase):
    """A session was viewed from outside."""

    type: Literal["SessionSeen"] = "SessionSeen"
    revision: int


class TimelineSeen(FactBase):
    """A session's timeline was viewed."""

    type: Literal["TimelineSeen"] = "TimelineSeen"


class FieldHistorySeen(FactBase):
    """What was changed in a session's fields was viewed."""

    type: Literal["FieldHistorySeen"] = "FieldHistorySeen"
    field_id: str | None = None


class FieldRevealed(FactBase):
    """The value of a masked field was viewed."""

    type: Literal["FieldRevealed"] = "FieldRevealed"
    field_id: str


class SessionExported(FactBase):
    """A session's record, or one of its documents, was exported."""

    type: Literal["SessionExported"] = "SessionExported"
    format: str
    sha256: str
    """SHA-256 of the exported bytes."""
    size: int
    field_id: str | None = None


class CopyLinkCreated(FactBase):
    """A link was created with which the patient can take a copy of the record along."""

    type: Literal["CopyLinkCreated"] = "CopyLinkCreated"


class CopyTaken(FactBase):
    """The record was handed out to whoever had the link; the device is the one that created it."""

    type: Literal["CopyTaken"] = "CopyTaken"
    sha256: str
    """SHA-256 of the PDF."""
    size: int


class SessionPurged(FactBase):
    """A session's content was destroyed; its log entries remain."""

    type: Literal["SessionPurged"] = "SessionPurged"


class BackupTaken(FactBase):
    """A backup was taken."""

    type: Literal["BackupTaken"] = "BackupTaken"
    file: str


class Restored(FactBase):
    """A backup replaced the database; entries logged after the backup are not in this log."""

    type: Literal["Restored"] = "Restored"
    epoch: int


class KeyRotated(FactBase):
    """All keys were wrapped with another box key."""

    type: Literal["KeyRotated"] = "KeyRotated"


class BoxStarted(FactBase):
    """The box started."""

    type: Literal["BoxStarted"] = "BoxStarted"
    version: str
    epoch: int


class DeliveryChanged(FactBase):
    """A session's record was delivered to a destination, refused there, or held before it."""

    type: Literal["DeliveryChanged"] = "DeliveryChanged"
    destination: str
    status: Literal["delivered", "refused", "held", "retried"]
    sha256: str | None = None
    """SHA-256 of what was sent, in hex."""


class DestinationChanged(FactBase):
    """A delivery destination was added or removed."""

    type: Literal["DestinationChanged"] = "DestinationChanged"
    destination: str
    change: Literal["added", "removed"]


class DeliverySeen(FactBase):
    """A session's deliveries were viewed."""

    type: Literal["DeliverySeen"] = "DeliverySeen"


class PersonChanged(FactBase):
    """A person who may sign in at front-desk screens was added, changed, unlocked or retired."""

    type: Literal["PersonChanged"] = "PersonChanged"
    subject: str
    change: Literal["added", "roles", "pin", "unlocked", "retired", "linked", "unlinked"]
    roles: tuple[StaffRole, ...] | None = None
    """The person's roles, where they were given."""


class PersonSignedIn(FactBase):
    """A person signed in at a front-desk screen."""

    type: Literal["PersonSignedIn"] = "PersonSignedIn"
    subject: str
    by: Literal["pin", "provider"] = "pin"
    """By which means; entries of versions that knew the PIN only have none."""


class PersonSignedOut(FactBase):
    """A person was signed out at a front-desk screen, or an emergency access ended."""

    type: Literal["PersonSignedOut"] = "PersonSignedOut"
    subject: str
    reason: Literal["asked", "no_act", "time", "replaced", "person_changed", "device_changed"]


class PinRefused(FactBase):
    """A wrong PIN was entered at a front-desk screen."""

    type: Literal["PinRefused"] = "PinRefused"
    subject: str
    wrong: int
    """How many were wrong for this person in a row."""


class SignInRefused(FactBase):
    """A sign-in with the OpenID Connect provider was refused."""

    type: Literal["SignInRefused"] = "SignInRefused"
    cause: str
    detail: str | None = None
    """What exactly failed: a fixed word, or an error code of a standard."""
    subject: str | None = None
    """The person who is linked to the account, if there is one."""
    account: str | None = None
    """The account, where nobody is linked to it."""


class EmergencyAccessBegun(FactBase):
    """Somebody began to work at a signed-out front-desk screen without a PIN."""

    type: Literal["EmergencyAccessBegun"] = "EmergencyAccessBegun"
    subject: str
    """The id of this access, which later entries have in a person's place."""
    name: str
    """As typed."""
    until: AwareDatetime


class EmergencyAccessReviewed(FactBase):
    """An emergency access was reviewed."""

    type: Literal["EmergencyAccessReviewed"] = "EmergencyAccessReviewed"
    subject: str


BoxEvent = (
    DeviceEnrolled
    | DevicePaired
    | CodeRefused
    | DeviceRevoked
    | DeviceChanged
    | FlowAdded
    | RequestRefused
    | OutsiderRefused
    | SessionSeen
    | TimelineSeen
    | FieldHistorySeen
    | FieldRevealed
    | SessionExported
    | CopyLinkCreated
    | CopyTaken
    | SessionPurged
    | BackupTaken
    | Restored
    | KeyRotated
    | BoxStarted
    | DeliveryChanged
    | DestinationChanged
    | DeliverySeen
    | PersonChanged
    | PersonSignedIn
    | PersonSignedOut
    | PinRefused
    | SignInRefused
    | EmergencyAccessBegun
    | EmergencyAccessReviewed
)
ACT: TypeAdapter[BoxEvent] = TypeAdapter(
    Annotated[BoxEvent, Field(discriminator="type")], config=DEFERRED
)
