"""What is known of one session's way to one destination."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from pydantic import JsonValue


class DeliveryStatus(StrEnum):
    """How far it has come."""

    WAITING = "waiting"
    """It is sent, again and again, until it is taken or refused."""
    DELIVERED = "delivered"
    REFUSED = "refused"
    """The destination does not want it as it is: that needs a person."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A row of the outbox."""

    session: str
    destination: str
    status: DeliveryStatus
    attempts: int
    next_at: datetime
    """When it is due, where it waits."""
    updated_at: datetime
    outcome: JsonValue = None
    """How the last attempt ended. May quote what a patient entered: for admins alone, no log."""
    progress: JsonValue = None
    """What of it a server has already, where the resources go one by one."""


def queued(session: str, destination: str, at: datetime) -> Delivery:
    """Give the first row of a session that has just completed: it is due at once."""
    return Delivery(session, destination, DeliveryStatus.WAITING, 0, at, at)
