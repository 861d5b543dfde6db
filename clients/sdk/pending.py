"""Results that have not arrived yet."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Self, TypeVar

from clients.sdk.errors import TimedOut
from clients.sdk.network.loop import NetworkLoop

T = TypeVar("T")


class Pending(Future[T]):
    """A future answer: `result(timeout)` waits for it, or raises the refusal.

    A `concurrent.futures.Future`, so `add_done_callback` and `wait` work too. It cannot be
    cancelled: the message was already sent.
    """

    def __init__(self, loop: NetworkLoop) -> None:
        super().__init__()
        self._loop = loop
        self._heard = 0
        self._on_progress: Callable[[int, int], None] | None = None
        self.set_running_or_notify_cancel()

    def result(self, timeout: float | None = None) -> T:
        """Return the result, waiting at most `timeout` seconds after each sign of progress.

        Raises `Refused`, `Closed` or `TimedOut`.
        """
        if not self.done() and self._loop.inside:
            raise RuntimeError("must not wait in a callback: the answer arrives in this thread")
        while True:
            heard = self._heard
            try:
                return super().result(timeout)
            except TimedOut:
                raise
            except TimeoutError:
                if heard == self._heard:
                    raise TimedOut(f"no answer within {timeout} s") from None

    def watch(self, on_progress: Callable[[int, int], None] | None) -> Self:
        """Call `on_progress(done, total)`, in the network thread, while the box works on it."""
        self._on_progress = on_progress
        return self

    def progress(self, done: int, total: int) -> None:
        """Record that the box is working on it."""
        self._heard += 1
        if self._on_progress is not None:
            self._on_progress(done, total)

    def settle(self, value: T) -> None:
        """Set the result, unless already done."""
        if not self.done():
            self.set_result(value)

    def fail(self, error: Exception) -> None:
        """Set the exception, unless already done."""
        if not self.done():
            self.set_exception(error)
