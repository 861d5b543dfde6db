"""How long to wait before the next try to connect."""

from collections.abc import Callable
from random import SystemRandom

_draw = SystemRandom().random


class Backoff:
    """Exponential back-off with full jitter: a box that restarts is not met by all at once.

    Each delay is drawn evenly from 0 to a ceiling, which doubles from `first` seconds with each
    failure: up to `soon` for the first `patience` failures, since most boxes are back within a
    minute and somebody stands before the screen; then up to `longest`, and so from the beginning
    where it is the credential that is refused.
    """

    def __init__(
        self,
        first: float = 0.5,
        longest: float = 30.0,
        draw: Callable[[], float] = _draw,
        *,
        soon: float = 2.0,
        patience: int = 60,
    ) -> None:
        self._first = first
        self._soon = min(soon, longest)
        self._longest = longest
        self._patience = patience
        self._draw = draw
        self._failures = 0

    def ceiling(self, *, refused: bool = False) -> float:
        """Give the longest that the next delay can be, in seconds."""
        if refused:
            return _doubled(self._first, self._failures, self._longest)
        if self._failures < self._patience:
            return _doubled(self._first, self._failures, self._soon)
        return _doubled(self._soon, self._failures - self._patience, self._longest)

    def next(self, *, refused: bool = False) -> float:
        """Give the next delay in seconds, and count a failure; `refused`: by its credential."""
        delay = self._draw() * self.ceiling(refused=refused)
        self._failures += 1
        return delay

    def reset(self) -> None:
        """Begin anew, after a connection that lasted."""
        self._failures = 0


def _doubled(start: float, times: int, limit: float) -> float:
    # The exponent is bounded, since a float is.
    return min(limit, start * 2.0 ** min(times, 64))
