"""Who works on a folder of backups: one process at a time, also if the box was killed meanwhile."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Alive = Callable[[], None]
"""Called between two steps; raises `OSError` if the box that asked for the work has ended."""


@contextmanager
def turn(folder: Path) -> Iterator[None]:
    """Wait until no other process works on a folder of backups, and hold it. Raises `OSError`."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def as_long_as(parent: int) -> Alive:
    """Return what ends the work of a process whose box was killed: another may have started."""

    def alive() -> None:
        if os.getppid() != parent:
            raise OSError(None, "the box has ended")

    return alive


def always() -> None:
    """Go on."""
