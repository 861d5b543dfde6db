"""Resource limits of a process that reads an untrusted document."""

import resource
import sys
from typing import Final

MEMORY_BYTES: Final = 1 << 30
"""Fifty megapixels in four channels, twice, plus the decoder's own needs."""
CPU_S: Final = 20


def restrain() -> None:
    """Limit this process's memory and time; forbid writing files and core dumps."""
    sys.dont_write_bytecode = True
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_FSIZE, 0)
    _bound(resource.RLIMIT_CPU, CPU_S)
    if sys.platform != "darwin":  # which cannot limit it
        _bound(resource.RLIMIT_AS, MEMORY_BYTES)


def open_nothing_more() -> None:
    """Forbid opening files and connections from now on; only the three open ones remain."""
    _bound(resource.RLIMIT_NOFILE, 3)


def _bound(what: int, most: int) -> None:
    """Lower a limit permanently; a lower one stays."""
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        most = min(most, hard)
    resource.setrlimit(what, (most, most))
