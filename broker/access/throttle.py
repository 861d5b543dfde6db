"""Throttle of failed authentications per address, against guessing. Time is an argument."""

from __future__ import annotations

from collections import deque

MAX_ADDRESSES = 10_000
"""Addresses stored; beyond it, the one that failed first is deleted."""


class Throttle:
    """A sliding window of failures per address."""

    __slots__ = ("_by_address", "_most", "_seconds")

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._by_address: dict[str, deque[float]] = {}

    def record_failure(self, address: str, now: float) -> None:
        """Record a failed authentication."""
        times = self._by_address.get(address)
        if times is None:
            if len(self._by_address) >= MAX_ADDRESSES:
                del self._by_address[next(iter(self._by_address))]
            times = self._by_address[address] = deque(maxlen=self._most)
        times.append(now)

    def is_blocked(self, address: str, now: float) -> bool:
        """Return whether an address has failed too often and must wait."""
        times = self._by_address.get(address)
        return times is not None and len(times) >= self._most and times[0] > now - self._seconds

    def delete_expired(self, now: float) -> None:
        """Delete addresses whose last failure is older than the window."""
        old = [a for a, times in self._by_address.items() if times[-1] <= now - self._seconds]
        for address in old:
            del self._by_address[address]
