"""The connection as seen by modules that it imports: engine, session and plugins."""

from __future__ import annotations

from typing import Protocol

from broker.monitoring.observer import Client
from broker.packets.errors import Reason


class Peer(Protocol):
    """The part of `Connection` that these modules use."""

    address: str
    last_heard: float
    """When something was last received, by the engine's clock."""
    congested: bool
    """Whether its unread output exceeds the limit."""
    answers: dict[tuple[str, str], bool]
    """Cached answers of the plugins, by action and topic."""

    @property
    def busy(self) -> bool: ...  # noqa: D102
    def require_client(self) -> Client: ...  # noqa: D102
    def clear_topics(self) -> None: ...  # noqa: D102
    def hold(self, why: int) -> None: ...  # noqa: D102
    def unhold(self, why: int) -> None: ...  # noqa: D102
    def send(self, packet: bytes, payload: bytes = b"") -> None: ...  # noqa: D102
    def flush(self) -> None: ...  # noqa: D102
    def check_stalled(self) -> None: ...  # noqa: D102
    def close_soon(self, reason: Reason) -> None: ...  # noqa: D102
    def close(self, reason: Reason) -> None: ...  # noqa: D102
    def abort(self) -> None: ...  # noqa: D102
