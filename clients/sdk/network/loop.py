"""One thread that handles the sockets and timers of any number of clients."""

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar, TypeVarTuple, Unpack

from clients.sdk.errors import type_and_place

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_CONNECTING_AT_ONCE = 8
"""Threads for name lookup, TCP connect and TLS, which block; nothing else does."""


class NetworkLoop:
    """An event loop in its own thread. Nothing that runs in it may block.

    A client creates its own unless one is passed; share one among hundreds of clients.
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
        """Whether the caller is in this loop's thread."""
        return threading.current_thread() is self._thread

    def run(self, function: Callable[[Unpack[_Ts]], object], *args: *_Ts) -> None:
        """Call a function in the loop's thread: now if already in it, or else soon, in order."""
        if self.inside:
            function(*args)
        else:
            self.soon(function, *args)

    def soon(self, function: Callable[[Unpack[_Ts]], object], *args: *_Ts) -> None:
        """Schedule a call in the loop's thread; ignored once the loop has stopped."""
        # RuntimeError: the loop stopped between the check and the call.
        with suppress(RuntimeError):
            if not self._stopped:
                self._loop.call_soon_threadsafe(function, *args)

    def later(self, delay: float, function: Callable[[], object]) -> asyncio.TimerHandle:
        """Call after a delay in seconds; loop thread only. The handle cancels it."""
        return self._loop.call_later(delay, function)

    @property
    def now(self) -> float:
        """Return the time of a monotonic clock, in seconds."""
        return self._loop.time()

    def blocking(self, work: Callable[[], _T], done: Callable[[Future[_T]], None]) -> None:
        """Run blocking work in another thread; `done` is called in the loop with its future."""
        future = self._executor.submit(work)
        future.add_done_callback(lambda finished: self.soon(done, finished))

    def watch_reading(self, descriptor: int, ready: Callable[[], object]) -> None:
        """Call whenever the descriptor is readable; loop thread only."""
        self._loop.add_reader(descriptor, ready)

    def watch_writing(self, descriptor: int, ready: Callable[[], object]) -> None:
        """Call whenever the descriptor is writable; loop thread only."""
        self._loop.add_writer(descriptor, ready)

    def unwatch_writing(self, descriptor: int) -> None:
        """Undo `watch_writing`."""
        self._loop.remove_writer(descriptor)

    def unwatch(self, descriptor: int) -> None:
        """Undo both; call before closing the descriptor."""
        self._loop.remove_reader(descriptor)
        self._loop.remove_writer(descriptor)

    def stop(self) -> None:
        """Stop the thread; pending calls are dropped."""
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
    """Log an error by type and location only: its text may repeat what a patient entered."""
    _log.error("a callback failed: %s", "unknown" if error is None else type_and_place(error))
