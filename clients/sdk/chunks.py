"""Which bytes of a document to send next: in order, at most three messages in flight. Pure."""

from schemas.topics import MAX_CHUNK

WINDOW = 3
"""Messages in flight; more would starve the keepalive on a slow link."""


class ChunkPlan:
    """The transfer state of a document of `size` bytes."""

    def __init__(self, size: int, chunk: int = MAX_CHUNK, window: int = WINDOW) -> None:
        self._size = size
        self._chunk = chunk
        self._window = window
        self._next = size
        self._in_flight: set[int] = set()

    def resume(self, received: int) -> None:
        """Continue after the bytes that the controller has; forget what was in flight."""
        self._next = min(max(received, 0), self._size)
        self._in_flight.clear()

    def take(self) -> list[tuple[int, int]]:
        """Return the ranges to send now, as (start, end) pairs."""
        chosen = []
        while self._next < self._size and len(self._in_flight) < self._window:
            start, self._next = self._next, min(self._next + self._chunk, self._size)
            self._in_flight.add(start)
            chosen.append((start, self._next))
        return chosen

    def acknowledged(self, start: int) -> None:
        """Record that the broker acknowledged the range that begins at `start`."""
        self._in_flight.discard(start)

    @property
    def all_sent(self) -> bool:
        """Whether everything is sent and acknowledged."""
        return self._next >= self._size and not self._in_flight
