"""What was asked for and is not answered yet."""

from concurrent.futures import Future
from typing import TypeVar

from clients.errors import TimedOut
from clients.loop import NetworkLoop

T = TypeVar("T")


class Pending(Future[T]):
    """An answer that will come: `result(timeout)` waits for it, or raises why it was refused.

    A `concurrent.futures.Future`, so `add_done_callback` and `wait` serve too. It cannot be
    cancelled: what was sent was sent.
    """

    def __init__(self, loop: NetworkLoop) -> None:
        super().__init__()
        self._loop = loop
        self.set_running_or_notify_cancel()

    def result(self, timeout: float | None = None) -> T:
        """Wait at most `timeout` seconds; raises `Refused`, `Closed` or `TimedOut`."""
        if not self.done() and self._loop.inside:
            raise RuntimeError("do not wait in a callback: the answer comes in this very thread")
        try:
            return super().result(timeout)
        except TimedOut:
            raise
        except TimeoutError:
            raise TimedOut(f"no answer within {timeout} s") from None

    def settle(self, value: T) -> None:
        """Set the result, unless it is settled."""
        if not self.done():
            self.set_result(value)

    def fail(self, error: Exception) -> None:
        """Set the exception, unless it is settled."""
        if not self.done():
            self.set_exception(error)
