"""What the host program may watch: plain synchronous calls, in the order in which things happen."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import Reason


@dataclass(frozen=True, slots=True)
class Client:
    """One authenticated connection, as observers see it."""

    client_id: str
    user: str
    role: str
    address: str
    listener: str


class Observer:
    """Override what is of interest. An exception is logged, counted, and disturbs nobody.

    For one client id, `connected` and `disconnected` alternate: at a take-over the old
    connection's `disconnected` comes first.
    """

    def connected(self, client: Client) -> None:
        """Hear that a client's CONNECT was accepted."""

    def disconnected(self, client: Client, reason: Reason) -> None:
        """Hear that an accepted connection has ended, before its will is published."""

    def refused(self, address: str, client_id: str, reason: Reason) -> None:
        """Hear that a connection ended before its CONNECT was accepted.

        `client_id` is what the stranger claims; empty when there was no whole CONNECT.
        """

    def denied_publish(self, client: Client, topic: str) -> None:
        """Hear of each PUBLISH that the rules forbid; it is acknowledged and dropped."""

    def denied_subscribe(self, client: Client, topic_filter: str) -> None:
        """Hear of each filter that the rules forbid; it is answered with 0x80."""
