"""amqtt's life cycle, plugins and plugin contexts around our protocol engine.

`Frame` is an `amqtt.broker.Broker` whose protocol handling, broadcast loop and session store are
replaced. amqtt's plugins get the `BrokerContext` they expect; they can refuse a CONNECT, a PUBLISH
or a SUBSCRIBE, but cannot allow what the rules forbid.
"""

from __future__ import annotations

from typing import Any

from amqtt.broker import Broker as AmqttBroker
from amqtt.broker import RetainedApplicationMessage
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.errors import BrokerError
from amqtt.plugins.manager import plugins_manager
from amqtt.session import Session as AmqttSession

from .amqtt_plugins import AmqttPlugins, amqtt_session
from .life_cycle import disconnect_all, housekeeping
from .network.listeners import Listeners
from .packets.topics import require_name
from .protocol.engine import Engine

NAMESPACE = "amqtt.broker.plugins"


class Frame(AmqttBroker):  # type: ignore[misc] # amqtt has no types
    """The part of amqtt's broker that is kept."""

    def __init__(self, engine: Engine, listeners: Listeners) -> None:
        self._engine = engine
        self._listeners = listeners
        plugins = {path: dict(options) for path, options in engine.settings.plugins.items()}
        # amqtt requires a listener named default; `Listeners` opens the real ones.
        config = BrokerConfig(listeners={"default": ListenerConfig(bind=None)}, plugins=plugins)
        super().__init__(config, loop=engine.loop, plugin_namespace=NAMESPACE)
        engine.plugins = AmqttPlugins(engine, self.plugins_manager)

    async def open(self) -> None:
        """Start, with amqtt's states and events. Raises OSError if an address cannot be bound."""
        try:
            await self.start()
        except BrokerError as error:
            await self.plugins_manager.close()
            raise (error.__cause__ or error) from None

    async def close(self) -> None:
        """Deliver what is in flight, then stop, with amqtt's states and events."""
        await disconnect_all(self._engine, self._listeners)
        await self.shutdown()
        await self._listeners.close()
        self._engine.clear()
        plugins_manager.pop(NAMESPACE, None)  # else amqtt keeps the last manager alive

    async def _start_listeners(self) -> None:
        await self._listeners.open()

    async def _broadcast_loop(self) -> None:
        """Do nothing: messages are routed when they are read, not from a queue."""

    async def _session_monitor(self) -> None:
        await housekeeping(self._engine)

    # ---- the engine as plugins see it through their BrokerContext

    @property
    def sessions(self) -> dict[str, tuple[AmqttSession, None]]:
        """Copies of the sessions, made on access: amqtt's own take 35 KB each."""
        known = self._engine.sessions
        return {name: (amqtt_session(name, s.identity.user), None) for name, s in known.items()}

    @property
    def subscriptions(self) -> dict[str, list[tuple[AmqttSession, int]]]:
        """Subscriptions by filter, collected on access."""
        by_filter: dict[str, list[tuple[AmqttSession, int]]] = {}
        for name, session in self._engine.sessions.items():
            for topic_filter, qos in session.subscriptions.items():
                one = (amqtt_session(name, session.identity.user), qos)
                by_filter.setdefault(topic_filter, []).append(one)
        return by_filter

    @property
    def retained_messages(self) -> dict[str, RetainedApplicationMessage]:
        """Retained messages by topic, collected on access."""
        return {
            message.topic: RetainedApplicationMessage(
                None, message.topic, message.payload, message.qos
            )
            for message in self._engine.router.retained
        }

    async def internal_message_broadcast(
        self, topic: str, data: bytes, qos: int | None = None
    ) -> None:
        """Publish a message for a plugin."""
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
