"""How fast codes can be tried out, by claims and by JOIN_SESSION alike.

There are 20^8 codes. Below `_FREE_TRIES` wrong ones in ten minutes everyone who shows a code is
answered at once; above, codes of the whole site are tried one every `_PAUSE_S` seconds, so that in
the ten minutes that a code lives some 210 can be tried: with a hundred live codes, the chance to
hit any is 210 * 100 / 20^8, below one in a million.
"""

from collections import deque
from dataclasses import dataclass, field

_FREE_TRIES = 10
_PAUSE_S = 3.0
_WINDOW_S = 600.0
_WRONG_PER_CONNECTION = 5
_MAX_QUEUED = 20
"""Codes that wait while somebody is guessing: a minute; more are refused unread."""


@dataclass(slots=True)
class Guard:
    """Counts wrong codes, of the site and of each connection; in seconds of a steady clock."""

    wrong_at: deque[float] = field(default_factory=deque)
    by_client: dict[str, int] = field(default_factory=dict)
    next_free: float | None = None

    def wait_s(self, at: float) -> float | None:
        """Say how long a code has to wait for its answer; None: refuse it unread."""
        while self.wrong_at and self.wrong_at[0] <= at - _WINDOW_S:
            self.wrong_at.popleft()
        if len(self.wrong_at) < _FREE_TRIES:
            self.next_free = None
            return 0.0
        turn = max(self.next_free or at, at)
        if turn - at > _MAX_QUEUED * _PAUSE_S:
            return None
        self.next_free = turn + _PAUSE_S
        return turn - at

    def wrong(self, client_id: str, at: float) -> bool:
        """Count a wrong code; tells whether the connection has to go."""
        self.wrong_at.append(at)
        if len(self.by_client) > 10 * _MAX_QUEUED:
            self.by_client.clear()
        count = self.by_client[client_id] = self.by_client.get(client_id, 0) + 1
        if count >= _WRONG_PER_CONNECTION:
            del self.by_client[client_id]
        return count >= _WRONG_PER_CONNECTION
