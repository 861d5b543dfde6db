"""Measures commands and the start of a box with real processes: processor time, and the clock."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[2]
_FREE = ("--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
_TICK = os.sysconf("SC_CLK_TCK")
_STOP_S = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process took, in seconds."""

    cpu_s: float
    wall_s: float


def python() -> Cost:
    """Return what Python takes to do nothing."""
    return _cost((sys.executable, "-c", "pass"), HERE)


def command(checkout: Path, words: Sequence[str]) -> Cost:
    """Return what a command of a checkout takes. Raises RuntimeError if it fails."""
    return _cost((*_program(), *words), checkout)


@contextmanager
def box(checkout: Path, data: Path) -> Iterator[Cost]:
    """Run a box of a checkout on a data folder; yield what it took until it was ready."""
    order = (*_program(), "serve", "--data", str(data), *_FREE)
    began = time.monotonic()
    with subprocess.Popen(
        order,
        env=_environment(checkout),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        if "ready" not in process.stdout.readline():
            raise RuntimeError("the box did not start")
        wall = time.monotonic() - began
        try:
            yield Cost(_cpu_of(process.pid), wall)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_S)


def _program() -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "cli")


def _environment(checkout: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(checkout)}


def _cost(order: Sequence[str], checkout: Path) -> Cost:
    nothing = [
        (os.POSIX_SPAWN_OPEN, number, os.devnull, flag, 0)
        for number, flag in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY))
    ]
    began = time.monotonic()
    pid = os.posix_spawn(order[0], order, _environment(checkout), file_actions=nothing)
    _, status, usage = os.wait4(pid, 0)
    if status != 0:
        raise RuntimeError(f"{' '.join(order[3:])} failed: {os.waitstatus_to_exitcode(status)}")
    return Cost(usage.ru_utime + usage.ru_stime, time.monotonic() - began)


def _cpu_of(pid: int) -> float:
    """Return the seconds of processor time that a running process has taken."""
    found = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(found[11]) + int(found[12])) / _TICK
