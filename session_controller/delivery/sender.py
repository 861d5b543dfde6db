"""The interface of destination kinds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from session_controller.delivery.outcomes import Outcome
from session_controller.export.record import Record

Keep = Callable[[JsonValue], Awaitable[None]]
"""Stores a delivery's progress, durable on return."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A session to be delivered."""

    session: str
    site: str
    record: Record
    progress: JsonValue = None
    """Progress stored by the last attempt."""


class Sender(Protocol):
    """A connection to one destination. Sends one parcel at a time."""

    async def send(self, parcel: Parcel, keep: Keep) -> Outcome:
        """Send a parcel. May be cancelled at any time, and called again with the same parcel."""

    async def close(self) -> None:
        """Close the connections."""
