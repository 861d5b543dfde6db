"""The delivery of one session to one destination."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue


class DeliveryStatus(StrEnum):
    """The state of a delivery."""

    WAITING = "waiting"
    """Sent repeatedly until the destination accepts or refuses it."""
    DELIVERED = "delivered"
    REFUSED = "refused"
    """The destination does not accept it as it is; a person has to act."""
    HELD = "held"
    """Not sent: the patient is not identified; staff has to say who it is."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the outbox."""

    session: str
    destination: str
    status: DeliveryStatus
    attempts: int
    next_at: datetime
    """When it is due, if it is waiting."""
    updated_at: datetime
    outcome: JsonValue = None
    """Result of the last attempt. May quote patient data: for admins only, never logged."""
    progress: JsonValue = None
    """The resources that a server already has, if they are sent one by one."""
    sha256: str | None = None
    """Of what was delivered or refused last, in hex."""


def queued(session: str, destination: str, at: datetime) -> Delivery:
    """Return the first row of a session that has just completed: due at once."""
    return Delivery(session, destination, DeliveryStatus.WAITING, 0, at, at)
