"""Limits how often the same line is logged, so that a faulty device cannot flood the log."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

MOST = 6
"""Lines of one key in a minute: enough for a restart of a screen and of its network."""
WINDOW_S = 60.0
_MAX_KEYS = 10_000
"""Keys name enrolled devices, of which there are fewer."""

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Window:
    began_s: float
    lines: int = 0


@dataclass(slots=True)
class LineRate(Generic[K]):
    """Counts lines by key; times are seconds of a monotonic clock."""

    _windows: dict[K, _Window] = field(default_factory=dict)

    def allows(self, key: K, now_s: float) -> bool:
        """Count a line; return whether to log it."""
        if key not in self._windows and len(self._windows) >= _MAX_KEYS:
            self._windows.clear()
        window = self._windows.setdefault(key, _Window(now_s))
        window.lines += 1
        return window.lines <= MOST

    def end_windows(self, now_s: float) -> Iterator[tuple[K, int]]:
        """End the windows that are over; yield the keys of which lines were omitted, with how many.

        Until it is called, a window continues.
        """
        over = [k for k, w in self._windows.items() if now_s - w.began_s >= WINDOW_S]
        for key in over:
            omitted = self._windows.pop(key).lines - MOST
            if omitted > 0:
                yield key, omitted
