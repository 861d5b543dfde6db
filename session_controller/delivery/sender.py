"""What a destination's kind has to provide, and what it is handed."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import JsonValue

from schemas.destinations import FileFormat
from session_controller.delivery.outcomes import Outcome
from session_controller.record import Record

Resource = dict[str, Any]
"""A FHIR resource as JSON."""
Keep = Callable[[JsonValue], Awaitable[None]]
"""Stores how far a delivery has come; on return it is on disk."""


class UnwritableError(Exception):
    """A record cannot be written in a format; says why, without what was entered."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A session that is to be delivered."""

    session: str
    site: str
    record: Record
    progress: JsonValue = None
    """What the last attempt kept."""


class Single(Protocol):
    """An entry of a transaction Bundle, as a request of its own (FHIR R4, 3.1.0.11)."""

    @property
    def method(self) -> str:
        """`POST` or `PUT`."""

    @property
    def url(self) -> str:
        """Relative to the server's base."""

    @property
    def if_none_exist(self) -> str | None:
        """The header `If-None-Exist` (3.1.0.8.1)."""

    @property
    def resource(self) -> Resource:
        """What is sent."""

    @property
    def full_url(self) -> str:
        """By which the others refer to it."""


@dataclass(frozen=True, slots=True)
class Formats:
    """How a record is written: pure functions, which may take a second where documents are large.

    They are called on a thread of their own, and raise `UnwritableError`.
    """

    transaction: Callable[[Record], Resource]
    """As a FHIR transaction Bundle."""
    singles: Callable[[Resource], Sequence[Single]]
    """The Bundle's entries, so that each comes after those that it refers to."""
    files: Mapping[FileFormat, Callable[[Record], bytes]]


class Sender(Protocol):
    """A way to one destination. One parcel at a time."""

    async def send(self, parcel: Parcel, keep: Keep) -> Outcome:
        """Send it. May be cancelled, and called again with the same parcel, at any time."""

    async def close(self) -> None:
        """Let go of connections."""
