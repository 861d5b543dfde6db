"""What the broker tells of itself under `$SYS/broker/…`, to whom the rules allow it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .engine import Engine

PREFIX = "$SYS/broker/"
_PUBLISHER = ("", "broker")


class SysTopics:
    """Publishes every counter, retained, whenever it has changed since the last time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._due = engine.now()
        self._said: dict[str, int] = {}

    def tick(self) -> None:
        """Publish if it is time."""
        every = self._engine.settings.sys_seconds
        if every and self._engine.now() >= self._due:
            self._due = self._engine.now() + every
            self.publish()

    def publish(self) -> None:
        """Publish what has changed."""
        for name, value in self._engine.gauges().snapshot().items():
            if self._said.get(name) != value:
                self._said[name] = value
                topic = self._engine.router.topic(PREFIX + name)
                self._engine.router.publish(
                    topic, b"%d" % value, qos=0, retain=True, publisher=_PUBLISHER
                )
