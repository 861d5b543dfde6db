"""What happens to the box rather than in a session: entries of the log that no state follows from.

An act holds no value that a patient entered: it stays readable when its session is purged.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.base import Role
from schemas.rejections import RejectionCode
from session_controller.engine.facts import FactBase


class DeviceEnrolled(FactBase):
    """A device may connect, or is about to be paired."""

    type: Literal["DeviceEnrolled"] = "DeviceEnrolled"
    subject: str
    role: Role
    by: Literal["secret", "code"]


class DevicePaired(FactBase):
    """A device showed a code and was given its credential."""

    type: Literal["DevicePaired"] = "DevicePaired"
    subject: str
    role: Role


class CodeRefused(FactBase):
    """Somebody showed a code that does not work."""

    type: Literal["CodeRefused"] = "CodeRefused"


class DeviceRevoked(FactBase):
    """A device's credential ended."""

    type: Literal["DeviceRevoked"] = "DeviceRevoked"
    subject: str


class FlowAdded(FactBase):
    """A form can be used for new sessions."""

    type: Literal["FlowAdded"] = "FlowAdded"
    flow_ref: str
    mapping: bool = False


class RequestRefused(FactBase):
    """A request was refused."""

    type: Literal["RequestRefused"] = "RequestRefused"
    request: str
    code: RejectionCode


class OutsiderRefused(FactBase):
    """A device that takes no part in a session tried to command it."""

    type: Literal["OutsiderRefused"] = "OutsiderRefused"
    code: RejectionCode


class SessionSeen(FactBase):
    """Somebody looked at a session from outside it."""

    type: Literal["SessionSeen"] = "SessionSeen"
    revision: int


class TimelineSeen(FactBase):
    """Somebody looked at what happened in a session."""

    type: Literal["TimelineSeen"] = "TimelineSeen"


class SessionExported(FactBase):
    """A session's record, or one of its documents, was given out."""

    type: Literal["SessionExported"] = "SessionExported"
    format: str
    sha256: str
    """Of what was given out."""
    size: int
    field_id: str | None = None


class SessionPurged(FactBase):
    """A session's content was destroyed; its entries remain."""

    type: Literal["SessionPurged"] = "SessionPurged"


class BackupTaken(FactBase):
    """The box was backed up."""

    type: Literal["BackupTaken"] = "BackupTaken"
    file: str


class Restored(FactBase):
    """A backup took the place of the database; what was logged after it is not in this log."""

    type: Literal["Restored"] = "Restored"
    epoch: int


class KeyRotated(FactBase):
    """All keys were wrapped anew by another key of the box."""

    type: Literal["KeyRotated"] = "KeyRotated"


class BoxStarted(FactBase):
    """The box began to serve."""

    type: Literal["BoxStarted"] = "BoxStarted"
    version: str
    epoch: int


class DeliveryChanged(FactBase):
    """A session's record was delivered somewhere, or refused there."""

    type: Literal["DeliveryChanged"] = "DeliveryChanged"
    destination: str
    status: Literal["delivered", "refused", "retried"]


class DestinationChanged(FactBase):
    """Sessions are delivered to a further destination, or to one less."""

    type: Literal["DestinationChanged"] = "DestinationChanged"
    destination: str
    change: Literal["added", "removed"]


class DeliverySeen(FactBase):
    """Somebody looked at what destinations said of a session."""

    type: Literal["DeliverySeen"] = "DeliverySeen"


Act = (
    DeviceEnrolled
    | DevicePaired
    | CodeRefused
    | DeviceRevoked
    | FlowAdded
    | RequestRefused
    | OutsiderRefused
    | SessionSeen
    | TimelineSeen
    | SessionExported
    | SessionPurged
    | BackupTaken
    | Restored
    | KeyRotated
    | BoxStarted
    | DeliveryChanged
    | DestinationChanged
    | DeliverySeen
)
ACT: TypeAdapter[Act] = TypeAdapter(Annotated[Act, Field(discriminator="type")])
