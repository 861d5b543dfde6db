"""What a process that reads a stranger's document may use, and no more."""

import resource
import sys
from typing import Final

MEMORY_BYTES: Final = 1 << 30
"""Fifty megapixels in four channels, twice, with the decoder's own needs."""
CPU_S: Final = 20


def restrain() -> None:
    """Bound memory and time of this process; it may write no file and leave no core."""
    sys.dont_write_bytecode = True
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_FSIZE, 0)
    _bound(resource.RLIMIT_CPU, CPU_S)
    if sys.platform != "darwin":  # which cannot bound it
        _bound(resource.RLIMIT_AS, MEMORY_BYTES)


def open_nothing_more() -> None:
    """Let no file and no connection be opened from now on: only the three that there are."""
    _bound(resource.RLIMIT_NOFILE, 3)


def _bound(what: int, most: int) -> None:
    """Lower a limit for good; one that is lower already stays."""
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))
