"""One thread that serves the sockets and timers of any number of clients."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple, Unpack

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_CONNECTING_AT_ONCE = 8
"""Threads for name look-up, TCP connect and TLS, which block; the rest of the work does not."""


class NetworkLoop:
    """An event loop in a thread of its own. Whatever runs in it must not block.

    A client makes one for itself unless it is given one; give hundreds of clients the same.
    """

    def __init__(self, name: str = "handrail-network") -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_report)
        self._executor = ThreadPoolExecutor(_CONNECTING_AT_ONCE, f"{name}-connect")
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._stopped = False
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    @property
    def inside(self) -> bool:
        """Whether the caller runs in this loop's thread, where nothing may block."""
        return threading.current_thread() is self._thread

    def run(self, function: Callable[[Unpack[_Ts]], object], *args: *_Ts) -> None:
        """Call in the loop's thread: at once if this is it, else soon, in the order given."""
        if self.inside:
            function(*args)
        else:
            self.soon(function, *args)

    def soon(self, function: Callable[[Unpack[_Ts]], object], *args: *_Ts) -> None:
        """Call in the loop's thread after what runs there now; nothing, once it has ended."""
        # RuntimeError: it ended between the question and the call.
        with suppress(RuntimeError):
            if not self._stopped:
                self._loop.call_soon_threadsafe(function, *args)

    def later(self, delay: float, function: Callable[[], object]) -> asyncio.TimerHandle:
        """Call after some seconds; only from inside. The handle cancels it."""
        return self._loop.call_later(delay, function)

    @property
    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        return self._loop.time()

    def blocking(self, work: Callable[[], _T], done: Callable[[Future[_T]], None]) -> None:
        """Do what blocks in another thread; `done` is called inside with the finished work."""
        future = self._executor.submit(work)
        future.add_done_callback(lambda finished: self.soon(done, finished))

    def watch_reading(self, descriptor: int, ready: Callable[[], object]) -> None:
        """Call whenever there is something to read; only from inside."""
        self._loop.add_reader(descriptor, ready)

    def watch_writing(self, descriptor: int, ready: Callable[[], object]) -> None:
        """Call whenever there is room to write; only from inside."""
        self._loop.add_writer(descriptor, ready)

    def unwatch_writing(self, descriptor: int) -> None:
        """Undo `watch_writing`."""
        self._loop.remove_writer(descriptor)

    def unwatch(self, descriptor: int) -> None:
        """Undo both, before the descriptor is closed."""
        self._loop.remove_reader(descriptor)
        self._loop.remove_writer(descriptor)

    def stop(self) -> None:
        """End the thread; whatever still waits in it is dropped."""
        if self._stopped:
            return
        self._stopped = True
        self._executor.shutdown(wait=not self.inside, cancel_futures=True)
        self._loop.call_soon_threadsafe(self._loop.stop)
        if not self.inside:
            self._thread.join()


def _report(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    report(context.get("exception"))


def report(error: BaseException | None) -> None:
    """Log a failure by its type and place: its text might repeat what a patient entered."""
    trace = error.__traceback__ if error else None
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
    _log.error("a callback failed: %s at %s", type(error).__name__, place)
