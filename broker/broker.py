"""The broker as the host program holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from aiohttp import web

from .engine import Engine
from .frame import Frame
from .identity import Authenticate
from .listeners import Listeners
from .local import LocalClient
from .observer import Observer
from .rules import Rules
from .settings import BrokerSettings


class Broker:
    """An MQTT 3.1.1 broker in this process. All calls from one event loop.

    Sessions, queues and retained messages are in memory: nothing survives a stop.
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
        self._frame: Frame | None = None

    async def start(self) -> None:
        """Open the listeners. Raises OSError when an address cannot be bound."""
        if self._frame is not None:
            raise RuntimeError("the broker is started already")
        self._engine.bind_loop(asyncio.get_running_loop())
        frame = Frame(self._engine, self._listeners)
        await frame.open()
        self._frame = frame

    async def stop(self) -> None:
        """Stop gracefully; a second call does nothing.

        No new connections; what is in flight is handed over, for `stop_seconds` at most; clients
        are disconnected without their wills, for they did not fail.
        """
        frame, self._frame = self._frame, None
        if frame is not None:
            await frame.close()

    @property
    def addresses(self) -> Mapping[str, tuple[str, int]]:
        """Where each listener is bound, by its name: host and port."""
        return MappingProxyType(self._listeners.addresses)

    @property
    def counters(self) -> Mapping[str, int]:
        """A snapshot of everything that is counted."""
        return MappingProxyType(self._engine.gauges().snapshot())

    def set_rules(self, role: str, rules: Rules) -> None:
        """Change the rules of a role; they hold for the next packet of everyone.

        Subscriptions that are no longer allowed end at once, without notice to the client: the
        protocol has no word for it.
        """
        self._engine.set_rules(role, rules)

    def revoke(self, user: str) -> None:
        """Disconnect a user at once, and forget its sessions, subscriptions and queues.

        Its will is published, as for any connection that ends without DISCONNECT (3.1.2-8): others
        must learn that it is gone. A CONNECT of this user that is being decided is refused.
        """
        self._engine.revoke(user)

    def attach(self, client_id: str, user: str) -> LocalClient:
        """Give a client without a socket. It is trusted: no rules are asked."""
        return LocalClient(client_id, user, self._engine.router, self._engine.counters)
