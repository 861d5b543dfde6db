"""Which bytes of a document to send next: at most three messages in flight, in order. Pure."""

from schemas.topics import MAX_CHUNK

WINDOW = 3
"""Messages in flight; with more, a slow link's keepalive is starved."""


class ChunkPlan:
    """Walks through a document of `size` bytes."""

    def __init__(self, size: int, chunk: int = MAX_CHUNK, window: int = WINDOW) -> None:
        self._size = size
        self._chunk = chunk
        self._window = window
        self._next = size
        self._in_flight: set[int] = set()

    def resume(self, received: int) -> None:
        """Go on from what the controller has; forget what was in flight."""
        self._next = min(max(received, 0), self._size)
        self._in_flight.clear()

    def take(self) -> list[tuple[int, int]]:
        """Choose the ranges to send now, as start and end."""
        chosen = []
        while self._next < self._size and len(self._in_flight) < self._window:
            start, self._next = self._next, min(self._next + self._chunk, self._size)
            self._in_flight.add(start)
            chosen.append((start, self._next))
        return chosen

    def acknowledged(self, start: int) -> None:
        """Take it that the broker has the range that begins there."""
        self._in_flight.discard(start)

    @property
    def all_sent(self) -> bool:
        """Whether nothing is left and nothing in flight."""
        return self._next >= self._size and not self._in_flight
