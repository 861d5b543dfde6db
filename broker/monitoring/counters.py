"""Counters of the broker. They only increase, except for the gauges at the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from broker.packets.errors import Reason


class Level(NamedTuple):
    """How near a broker is to one of its limits."""

    limit: str
    """The name of a field of `Limits`."""
    level: int | None
    """None if there is nothing to measure, only refusals."""
    most: int
    refused: int
    """How often the limit was reached since the start."""


@dataclass(slots=True)
class Counters:
    """The counters of one broker. `Broker.counters` returns a copy."""

    connections_accepted: int = 0
    connects_accepted: int = 0
    messages_received: int = 0
    messages_sent: int = 0
    messages_local: int = 0
    bytes_received: int = 0
    bytes_sent: int = 0
    publish_denied: int = 0
    subscribe_denied: int = 0
    subscribe_at_limit: int = 0
    dropped_qos0: int = 0
    dropped_queue_full: int = 0
    dropped_retained_full: int = 0
    handler_errors: int = 0
    observer_errors: int = 0
    internal_errors: int = 0
    sessions_expired: int = 0
    wills_published: int = 0
    wills_denied: int = 0
    ended: Counter[Reason] = field(default_factory=Counter)
    """Closed and refused connections, by reason."""

    connections: int = 0
    sessions: int = 0
    subscriptions: int = 0
    retained_messages: int = 0
    retained_bytes: int = 0

    def snapshot(self) -> dict[str, int]:
        """Return a flat copy; reasons are named `ended_<reason>`."""
        values: dict[str, Any] = {
            each.name: getattr(self, each.name) for each in fields(self) if each.name != "ended"
        }
        return values | {f"ended_{reason}": self.ended[reason] for reason in Reason}
