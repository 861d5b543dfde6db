"""The counters of the broker on `$SYS/broker/…`."""

from __future__ import annotations

from collections.abc import Callable

from .counters import Counters

PREFIX = "$SYS/broker/"


class SysTopics:
    """Publishes each counter that has changed, as a retained message."""

    def __init__(
        self,
        publish: Callable[[str, bytes], None],
        counters: Callable[[], Counters],
        seconds: float,
    ) -> None:
        self._publish = publish
        self._counters = counters
        self._seconds = seconds
        self._due = 0.0
        self._published: dict[str, int] = {}

    def tick(self, now: float) -> None:
        """Publish changed counters, if the interval has passed. An interval of 0 disables it."""
        if not self._seconds or now < self._due:
            return
        self._due = now + self._seconds
        for name, value in self._counters().snapshot().items():
            if self._published.get(name) != value:
                self._published[name] = value
                self._publish(PREFIX + name, b"%d" % value)
