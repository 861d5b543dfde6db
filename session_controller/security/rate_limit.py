"""Rate limit for pairing codes, shared by pairing claims and JOIN_SESSION.

There are 20^8 codes. Up to `FREE_TRIES` wrong ones in ten minutes, every code is checked at once;
above that, the whole site checks one code per `_PAUSE_S` seconds. So some 210 codes can be tried in
the ten minutes that a code is valid: with a hundred valid codes, the chance of guessing one is
210 * 100 / 20^8, below one in a million.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Self

FREE_TRIES = 10
_PAUSE_S = 3.0
_WINDOW_S = 600.0
_WRONG_PER_CONNECTION = 5
_MAX_QUEUED = 20
"""Codes waiting while someone is guessing: a minute's worth; more are refused unchecked."""


@dataclass(slots=True)
class CodeRateLimit:
    """Counts wrong codes, per site and per connection; times are seconds of a monotonic clock."""

    wrong_at: deque[float] = field(default_factory=deque)
    by_client: dict[str, int] = field(default_factory=dict)
    next_free: float | None = None

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(deque(self.wrong_at), dict(self.by_client), self.next_free)

    def wait_s(self, at: float) -> float | None:
        """Return the seconds to wait before checking a code, or None to refuse it unchecked."""
        while self.wrong_at and self.wrong_at[0] <= at - _WINDOW_S:
            self.wrong_at.popleft()
        if len(self.wrong_at) < FREE_TRIES:
            self.next_free = None
            return 0.0
        turn = max(self.next_free or at, at)
        if turn - at > _MAX_QUEUED * _PAUSE_S:
            return None
        self.next_free = turn + _PAUSE_S
        return turn - at

    def recent(self, at: float) -> int:
        """Return how many wrong codes count at a moment."""
        return sum(when > at - _WINDOW_S for when in self.wrong_at)

    def wrong(self, client_id: str, at: float) -> bool:
        """Count a wrong code; return whether to close the connection."""
        self.wrong_at.append(at)
        if len(self.by_client) > 10 * _MAX_QUEUED:
            self.by_client.clear()
        count = self.by_client[client_id] = self.by_client.get(client_id, 0) + 1
        if count >= _WRONG_PER_CONNECTION:
            del self.by_client[client_id]
        return count >= _WRONG_PER_CONNECTION

    def right(self, client_id: str) -> None:
        """Reset the count of a connection that sent a valid code."""
        self.by_client.pop(client_id, None)
