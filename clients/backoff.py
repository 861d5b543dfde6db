"""How long to wait before the next try to connect."""

from collections.abc import Callable
from random import SystemRandom

_draw = SystemRandom().random


class Backoff:
    """Exponential back-off with full jitter: a box that restarts is not met by all at once.

    Each delay is drawn evenly from 0 to a ceiling, which doubles from `first` up to `longest`
    seconds with each failure.
    """

    def __init__(
        self,
        first: float = 1.0,
        longest: float = 30.0,
        draw: Callable[[], float] = _draw,
    ) -> None:
        self._first = first
        self._longest = longest
        self._draw = draw
        self._failures = 0

    @property
    def ceiling(self) -> float:
        """The longest that the next delay can be."""
        # The exponent is bounded, since a float is.
        return min(self._longest, self._first * 2.0 ** min(self._failures, 64))

    def next(self) -> float:
        """Give the next delay in seconds, and count a failure."""
        delay = self._draw() * self.ceiling
        self._failures += 1
        return delay

    def reset(self) -> None:
        """Begin anew, after a connection that lasted."""
        self._failures = 0
