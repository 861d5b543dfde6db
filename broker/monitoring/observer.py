"""Events for the host program: synchronous calls, in the order of events."""

from __future__ import annotations

from dataclasses import dataclass

from broker.packets.errors import Reason


@dataclass(frozen=True, slots=True)
class Client:
    """One authenticated connection, for observers."""

    client_id: str
    user: str
    role: str
    address: str
    listener: str


@dataclass(frozen=True, slots=True)
class Heard:
    """From where a connected client was last heard, and when."""

    address: str
    """The IP address of its connection."""
    seconds_ago: float


class Observer:
    """Base class of observers: override the methods of interest.

    Exceptions are logged and counted, and affect no client. For one client id, `connected` and
    `disconnected` alternate: at a take-over, `disconnected` of the old connection comes first.
    """

    def connected(self, client: Client) -> None:
        """Handle an accepted CONNECT."""

    def disconnected(self, client: Client, reason: Reason) -> None:
        """Handle the end of an accepted connection, before its will is published."""

    def refused(self, address: str, client_id: str, reason: Reason) -> None:
        """Handle the end of a connection whose CONNECT was not accepted.

        `client_id` is unverified, and empty if there was no complete CONNECT.
        """

    def denied_publish(self, client: Client, topic: str) -> None:
        """Handle a PUBLISH that the rules forbid; it is acknowledged and dropped."""

    def denied_subscribe(self, client: Client, topic_filter: str) -> None:
        """Handle a filter that the rules forbid; it is answered with 0x80."""
