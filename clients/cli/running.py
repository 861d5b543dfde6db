"""Run a box in this process: until a signal stops it, or for the duration of a command."""

import asyncio
import ctypes
import gc
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    contextmanager,
    suppress,
)
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from clients.cli.context import bare
from clients.cli.logs import log_unhandled
from clients.cli.output import echo
from clients.cli.systemd import UPGRADING, feed_watchdog, notify

if TYPE_CHECKING:
    from session_controller.backup.upgrading import Upgraded

_Box = TypeVar("_Box", bound="Box")


class Box(Protocol):
    """The part of a box that is used here."""

    @property
    def stores(self) -> bool:
        """Whether it runs and commits."""

    def where(self) -> dict[str, Any]:
        """Return the addresses where it is reached."""

    async def displaced(self) -> None:
        """Wait until another controller serves the site; raise an error with the reason."""


_STOP_WITHIN = 30.0
_HOLD_WITHIN = 15.0
_PR_SET_DUMPABLE = 4
MakeBox: TypeAlias = Callable[[], AbstractAsyncContextManager[_Box]]


def fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the uvloop factory, or None if uvloop is not installed."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def forbid_core_dumps() -> None:
    """Forbid core dumps of this process for good: they would hold the box's key and answers.

    A program that `core_pattern` pipes to is not bound by `RLIMIT_CORE` (core(5)), but on Linux by
    `PR_SET_DUMPABLE`, as is another process of the same user that reads the memory (prctl(2)).
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def upgrade_first(data: Path) -> "Upgraded | None":
    """Back up and migrate a data folder of an earlier version. Raises `StoreError`."""
    from session_controller.storage.database import schema_of

    if not schema_of(data).pending:
        return None
    from session_controller.backup.upgrading import upgrade

    notify(UPGRADING)
    return upgrade(data)


def run_until_told(make_box: MakeBox[_Box], data: Path, reload: Callable[[_Box], None]) -> None:
    """Serve until SIGTERM or SIGINT; print a line with `ready` and the addresses once ready.

    SIGHUP calls `reload` then.
    """
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(_serve(make_box, data, reload))


async def _serve(make_box: MakeBox[_Box], data: Path, reload: Callable[[_Box], None]) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_unhandled)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # nothing to reload before it is ready
    async with AsyncExitStack() as stack:
        waiting = asyncio.create_task(told.wait())
        starting = asyncio.create_task(stack.enter_async_context(make_box()))
        await asyncio.wait((starting, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():  # stopped while, say, waiting for its broker
            starting.cancel()
            with suppress(asyncio.CancelledError):
                await starting
            return
        box = await starting
        loop.add_signal_handler(signal.SIGHUP, reload, box)
        _calm_collector()
        _announce(box.where(), data)
        notify("READY=1")
        feeding = asyncio.create_task(feed_watchdog(lambda: box.stores))
        displaced = asyncio.create_task(box.displaced())
        await asyncio.wait((waiting, displaced), return_when=asyncio.FIRST_COMPLETED)
        feeding.cancel()
        notify("STOPPING=1")
        if displaced.done():
            await displaced
        displaced.cancel()


def _calm_collector() -> None:
    """Run the cyclic garbage collector rarely, and exclude all objects created at start.

    A full collection pauses the box for about 100 ms per 100 MB; nearly all of our objects are
    freed by reference counting.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _announce(where: dict[str, Any], data: Path) -> None:
    addresses = " ".join(filter(None, (where.get("mqtts") or bare(where["mqtt"]), where["http"])))
    found = where.get("mdns") and where.get("pages") not in (None, where["http"])
    pages = f", pages for screens: {where['pages']}" if found else ""
    trust = f", TLS with its own CA: {where['trust']}" if where.get("trust") else ""
    about = f"site {where['site']}, data {data}{pages}{trust}"
    echo(f"handrail ready: {addresses} ({about})\n")


@contextmanager
def in_a_thread(make_box: MakeBox[Box]) -> Iterator[None]:
    """Run a box in a thread for the duration of the `with`. Raises the error that prevents it."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        told = asyncio.Event()
        async with make_box():
            started.set_result((asyncio.get_running_loop(), told))
            await told.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=fast_loop()) as runner:
                runner.run(serve())
        except BaseException as error:  # raised in the thread that started it
            if started.done():
                raise
            started.set_exception(error)

    thread = threading.Thread(target=run, name="handrail-box", daemon=True)
    thread.start()
    loop, told = started.result()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(told.set)
        thread.join(_STOP_WITHIN)


def hold_all(
    take: Callable[[], AbstractContextManager[object]],
    count: int,
    busy: type[Exception],
    held: ExitStack,
) -> None:
    """Acquire `count` resources as they become free, until `held` is closed."""
    deadline, taken = time.monotonic() + _HOLD_WITHIN, 0
    while taken < count and time.monotonic() < deadline:
        try:
            held.enter_context(take())
            taken += 1
        except busy:
            time.sleep(0.05)
