"""The life of a broker: its listeners, its housekeeping, and a graceful stop."""

from __future__ import annotations

import asyncio

from .monitoring.logs import logger, traceback_location
from .monitoring.sys_topics import SysTopics
from .network.listeners import Listeners
from .protocol.engine import Engine

HOUSEKEEPING_SECONDS = 1.0


class LifeCycle:
    """The life of a broker without amqtt's plugins."""

    def __init__(self, engine: Engine, listeners: Listeners) -> None:
        self._engine = engine
        self._listeners = listeners
        self._housekeeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start. Raises OSError if an address cannot be bound."""
        await self._listeners.open()
        self._housekeeping = asyncio.create_task(housekeeping(self._engine))

    async def close(self) -> None:
        """Deliver what is in flight, then stop."""
        await disconnect_all(self._engine, self._listeners)
        if self._housekeeping is not None:
            self._housekeeping.cancel()
            await asyncio.gather(self._housekeeping, return_exceptions=True)
        await self._listeners.close()
        self._engine.clear()


async def disconnect_all(engine: Engine, listeners: Listeners) -> None:
    """Refuse new connections, deliver what is in flight, and disconnect all clients."""
    listeners.stop_accepting()
    await engine.drain()
    await engine.close_all()


async def housekeeping(engine: Engine) -> None:
    """Do what is due each second, and publish the counters, until cancelled."""
    router = engine.router

    def publish(topic: str, payload: bytes) -> None:
        publisher = ("", "broker")
        router.publish(router.topic(topic), payload, qos=0, retain=True, publisher=publisher)

    topics = SysTopics(publish, engine.gauges, engine.settings.sys_seconds)
    while True:
        try:
            topics.tick(engine.now())
            engine.run_housekeeping()
        except Exception as error:  # noqa: BLE001 - housekeeping must go on
            engine.counters.internal_errors += 1
            logger.error("housekeeping failed: %s", traceback_location(error))
        await asyncio.sleep(HOUSEKEEPING_SECONDS)
