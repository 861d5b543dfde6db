"""Looks at documents in processes of their own, few at a time, each for a while and no longer."""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from typing import Final
from weakref import WeakKeyDictionary

from session_controller.media import letters
from session_controller.media.outcome import Inspected, Unfit

AT_ONCE: Final = 2
WITHIN_S: Final = 60.0
"""By the clock; the process bounds its own CPU time far below (`limits.CPU_S`)."""
_COMMAND: Final = (sys.executable, "-P", "-m", "session_controller.media")
_NEEDED: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def inspect_apart(
    data: bytes, media_type: str, allowed: tuple[str, ...], *, within_s: float = WITHIN_S
) -> Inspected | Unfit:
    """Do what `inspection.inspect` does, in a process that a bad document cannot outgrow.

    One that crashes is `damaged`, one that takes too long or too much `too_large`. No process
    outlives the call, however it ends. Raises OSError where the machine can start none: then
    nothing is known about the document.
    """
    question = letters.write_question(data, media_type, allowed)
    async with _place(), _process() as process:
        try:
            letter, _ = await asyncio.wait_for(process.communicate(question), within_s)
        except TimeoutError:
            return Unfit("too_large")
    if process.returncode == -signal.SIGXCPU:
        return Unfit("too_large")
    return letters.read_answer(letter) if process.returncode == 0 else Unfit("damaged")


def _place() -> asyncio.Semaphore:
    """Give the places of this event loop: a semaphore belongs to one."""
    return _places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


@contextlib.asynccontextmanager
async def _process() -> AsyncIterator[Process]:
    """Start a reader that knows none of the box's secrets, and see it end."""
    surroundings = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=surroundings
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())
