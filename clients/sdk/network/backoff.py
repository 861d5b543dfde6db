"""Delays between connection attempts."""

from collections.abc import Callable
from random import SystemRandom

_draw = SystemRandom().random


class Backoff:
    """Exponential back-off with full jitter, so that clients do not all reconnect at once.

    Each delay is uniform between 0 and a ceiling that doubles from `first` seconds with each
    failure: up to `soon` for the first `patience` failures, since most boxes return within a
    minute and a person is waiting at the screen; then up to `longest`. While the credential is
    refused, the ceiling doubles up to `longest` without this distinction.
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
        """Return the maximum of the next delay, in seconds."""
        if refused:
            return _doubled(self._first, self._failures, self._longest)
        if self._failures < self._patience:
            return _doubled(self._first, self._failures, self._soon)
        return _doubled(self._soon, self._failures - self._patience, self._longest)

    def next(self, *, refused: bool = False) -> float:
        """Count a failure (`refused`: of the credential) and return the next delay in seconds."""
        delay = self._draw() * self.ceiling(refused=refused)
        self._failures += 1
        return delay

    def reset(self) -> None:
        """Reset, after a connection that lasted."""
        self._failures = 0


def _doubled(start: float, times: int, limit: float) -> float:
    # Bound the exponent: a float overflows.
    return min(limit, start * 2.0 ** min(times, 64))
