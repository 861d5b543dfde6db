"""amqtt's frame around our protocol engine: its life cycle, plugins and contexts.

`Frame` is an `amqtt.broker.Broker` whose protocol handling, broadcast loop and session store are
replaced. amqtt's plugins find in their `BrokerContext` what they know; they can refuse a CONNECT,
a PUBLISH or a SUBSCRIBE, and never allow what our own rules forbid.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from amqtt.broker import Broker as AmqttBroker
from amqtt.broker import RetainedApplicationMessage
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.errors import BrokerError
from amqtt.plugins.manager import plugins_manager
from amqtt.session import Session as AmqttSession

from .gate import Gate, amqtt_session
from .logs import logger, place
from .sys_topics import SysTopics
from .topics import require_name

if TYPE_CHECKING:
    from .engine import Engine
    from .listeners import Listeners

NAMESPACE = "amqtt.broker.plugins"
TIDY_SECONDS = 1.0


class Frame(AmqttBroker):  # type: ignore[misc] # amqtt has no types
    """The part of amqtt that is kept."""

    def __init__(self, engine: Engine, listeners: Listeners) -> None:
        self._engine = engine
        self._listeners = listeners
        plugins = {path: dict(options) for path, options in engine.settings.plugins.items()}
        # amqtt insists on a listener called default; ours are opened by ourselves.
        config = BrokerConfig(listeners={"default": ListenerConfig(bind=None)}, plugins=plugins)
        super().__init__(config, loop=engine.loop, plugin_namespace=NAMESPACE)
        engine.gate = Gate(engine, self.plugins_manager) if plugins else None

    async def open(self) -> None:
        """Start through amqtt's states. Raises OSError for what cannot be bound."""
        try:
            await self.start()
        except BrokerError as error:
            await self.plugins_manager.close()
            raise (error.__cause__ or error) from None

    async def close(self) -> None:
        """Finish what is in flight, then stop through amqtt's states."""
        self._listeners.stop_accepting()
        await self._engine.drain()
        await self._engine.close_all()
        await self.shutdown()
        await self._listeners.close()
        self._engine.forget()
        plugins_manager.pop(NAMESPACE, None)  # else amqtt keeps the last one alive

    async def _start_listeners(self) -> None:
        await self._listeners.open()

    async def _broadcast_loop(self) -> None:
        """Nothing is broadcast from a queue: routing is done when a message is read."""

    async def _session_monitor(self) -> None:
        topics = SysTopics(self._engine)
        while True:
            try:
                topics.tick()
                self._engine.tidy()
            except Exception as error:  # noqa: BLE001 - the next second must come
                self._engine.counters.internal_errors += 1
                logger.error("housekeeping failed: %s", place(error))
            await asyncio.sleep(TIDY_SECONDS)

    # ---- what plugins see of the engine through their BrokerContext

    @property
    def sessions(self) -> dict[str, tuple[AmqttSession, None]]:
        """Copies of the sessions, made when asked: amqtt's own take 35 KB each."""
        known = self._engine.sessions
        return {name: (amqtt_session(name, s.identity.user), None) for name, s in known.items()}

    @property
    def subscriptions(self) -> dict[str, list[tuple[AmqttSession, int]]]:
        """Subscriptions by filter, made when asked."""
        by_filter: dict[str, list[tuple[AmqttSession, int]]] = {}
        for name, session in self._engine.sessions.items():
            for topic_filter, qos in session.subscriptions.items():
                one = (amqtt_session(name, session.identity.user), qos)
                by_filter.setdefault(topic_filter, []).append(one)
        return by_filter

    @property
    def retained_messages(self) -> dict[str, RetainedApplicationMessage]:
        """Retained messages by topic, made when asked."""
        return {
            message.topic: RetainedApplicationMessage(
                None, message.topic, message.payload, message.qos
            )
            for message in self._engine.router.retained
        }

    async def internal_message_broadcast(
        self, topic: str, data: bytes, qos: int | None = None
    ) -> None:
        """Publish for a plugin."""
        self._publish(topic, data, qos, retain=False)

    async def retain_message(
        self, source_session: Any, topic_name: str, data: bytes, qos: int | None = None
    ) -> None:
        """Publish a retained message for a plugin."""
        del source_session
        self._publish(topic_name, data, qos, retain=True)

    def _publish(self, topic: str, data: bytes, qos: int | None, *, retain: bool) -> None:
        publisher = ("", "plugin")
        require_name(topic, self._engine.limits.topic_levels)
        router = self._engine.router
        router.publish(
            router.topic(topic), bytes(data), qos=qos or 0, retain=retain, publisher=publisher
        )
