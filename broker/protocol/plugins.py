"""The interface of authorization plugins to the engine."""

from __future__ import annotations

from typing import Protocol

from broker.access.identity import Credentials, Identity
from broker.packets.codec import Connect

from .peer import Peer


class Postponed(Exception):  # noqa: N818 - no error
    """A packet must wait for an answer of the plugins; it is handled again after `unhold`."""


class Plugins(Protocol):
    """Plugins can refuse what the rules allow, not the reverse."""

    async def admit(
        self, identity: Identity, credentials: Credentials, connect: Connect
    ) -> Identity | None:
        """Return the identity, or None if a plugin refuses the user or its will."""

    def may_publish(self, peer: Peer, topic: str) -> bool:
        """Return whether all plugins agree. Raises Postponed until they have answered."""

    def may_subscribe(self, peer: Peer, topic_filter: str) -> bool:
        """Return whether all plugins agree. Raises Postponed until they have answered."""
