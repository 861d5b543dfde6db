"""The broker as a host program embeds it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from aiohttp import web

from .access.identity import Authenticate
from .access.rules import Rules
from .life_cycle import LifeCycle
from .local import LocalClient
from .monitoring.counters import Level
from .monitoring.observer import Heard, Observer
from .network.listeners import Listeners
from .protocol.engine import Engine
from .settings import BrokerSettings

if TYPE_CHECKING:
    from .amqtt_frame import Frame


class Broker:
    """An MQTT 3.1.1 broker in this process. Call it from one event loop only.

    Sessions, queues and retained messages are kept in memory and do not survive a stop.
    """

    def __init__(
        self,
        config: BrokerSettings,
        *,
        authenticate: Authenticate,
        rules: Mapping[str, Rules],
        web_app: web.Application | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._engine = Engine(config, authenticate, rules, observer or Observer())
        self._listeners = Listeners(self._engine, config.listeners, web_app)
        self._life: LifeCycle | Frame | None = None

    async def start(self) -> None:
        """Open the listeners. Raises OSError if an address cannot be bound."""
        if self._life is not None:
            raise RuntimeError("the broker is already started")
        self._engine.bind_loop(asyncio.get_running_loop())
        life = self._new_life()
        await life.open()
        self._life = life

    def _new_life(self) -> LifeCycle | Frame:
        if not self._engine.settings.plugins:
            return LifeCycle(self._engine, self._listeners)
        # Imported here: amqtt loads some eighty modules, and few brokers have plugins.
        from .amqtt_frame import Frame  # noqa: PLC0415

        return Frame(self._engine, self._listeners)

    async def stop(self) -> None:
        """Stop gracefully; a second call does nothing.

        New connections are refused. Messages in flight are delivered, within `stop_seconds` at
        most. Then clients are disconnected without publishing their wills: they did not fail.
        """
        life, self._life = self._life, None
        if life is not None:
            await life.close()

    @property
    def addresses(self) -> Mapping[str, tuple[str, int]]:
        """The host and port of each listener, by name."""
        return MappingProxyType(self._listeners.addresses)

    @property
    def counters(self) -> Mapping[str, int]:
        """A snapshot of all counters."""
        return MappingProxyType(self._engine.gauges().snapshot())

    @property
    def levels(self) -> tuple[Level, ...]:
        """How near the broker is to its limits now, and how often each was reached."""
        return self._engine.levels()

    def reload_certificates(self) -> str | None:
        """Read the certificate files again, for new connections; those that are open stay.

        Return which file is unusable and why, or None; the previous certificate stays in use.
        """
        return self._listeners.reload_certificates()

    def address_of(self, client_id: str) -> str | None:
        """Return the IP address that a client is connected from, or None if it is not connected."""
        session = self._engine.sessions.get(client_id)
        return session.connection.address if session and session.connection else None

    def set_rules(self, role: str, rules: Rules) -> None:
        """Replace the rules of a role, with effect from the next packet of every client.

        Subscriptions that are no longer allowed end at once. The client is not told: MQTT 3.1.1
        has no packet for it.
        """
        self._engine.set_rules(role, rules)

    def revoke(self, user: str) -> None:
        """Disconnect a user at once and delete its sessions, subscriptions and queues.

        Its will is published, as for any connection that ends without DISCONNECT (3.1.2-8), so
        that others learn that it is gone. A CONNECT of this user in progress is refused.
        """
        self._engine.revoke(user)

    def last_heard(self, client_id: str) -> Heard | None:
        """Return from where a connected client was last heard, and when; None if it is away."""
        session = self._engine.sessions.get(client_id)
        connection = session.connection if session is not None else None
        if connection is None:
            return None
        return Heard(connection.address, self._engine.now() - connection.last_heard)

    def attach(self, client_id: str, user: str) -> LocalClient:
        """Return an in-process client. It is trusted: no rules apply to it."""
        return LocalClient(client_id, user, self._engine.router, self._engine.counters)
