"""Inspect documents in separate processes: few at a time, each with a time limit."""

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
"""Wall-clock time; the process limits its CPU time far below (`limits.CPU_S`)."""
_COMMAND: Final = (sys.executable, "-P", "-m", "session_controller.media")
_NEEDED: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


async def inspect_apart(
    data: bytes, media_type: str, allowed: tuple[str, ...], *, within_s: float = WITHIN_S
) -> Inspected | Unfit:
    """Run `inspection.inspect` in a process with limited resources.

    A document that crashes it is `damaged`, one that exceeds its limits is `too_large`. The
    process ends with the call in any case. Raises OSError if no process can be started: then
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


def environment() -> dict[str, str]:
    """Return the environment variables that a Python process needs: none holds a secret."""
    return {name: os.environ[name] for name in _NEEDED if name in os.environ}


def _place() -> asyncio.Semaphore:
    """Return the event loop's semaphore: a semaphore belongs to one loop."""
    return _places.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


@contextlib.asynccontextmanager
async def _process() -> AsyncIterator[Process]:
    """Start a process without access to the box's secrets, and end it afterwards."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env=environment()
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())
