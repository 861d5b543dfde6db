"""How often credentials failed per address, so that guessing is slow. Pure: time is an argument."""

from __future__ import annotations

from collections import deque

MAX_ADDRESSES = 10_000
"""Addresses remembered; beyond it the one that failed first is forgotten."""


class Failures:
    """A sliding window of failures per address."""

    __slots__ = ("_by_address", "_most", "_seconds")

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._by_address: dict[str, deque[float]] = {}

    def add(self, address: str, now: float) -> None:
        """Note a failure."""
        times = self._by_address.get(address)
        if times is None:
            if len(self._by_address) >= MAX_ADDRESSES:
                del self._by_address[next(iter(self._by_address))]
            times = self._by_address[address] = deque(maxlen=self._most)
        times.append(now)

    def too_many(self, address: str, now: float) -> bool:
        """Say whether this address has to wait."""
        times = self._by_address.get(address)
        return times is not None and len(times) >= self._most and times[0] > now - self._seconds

    def forget_old(self, now: float) -> None:
        """Drop addresses whose last failure is out of the window."""
        old = [a for a, times in self._by_address.items() if times[-1] <= now - self._seconds]
        for address in old:
            del self._by_address[address]
