"""Runs the real program: a box on a data folder, and commands beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PROGRAM = (sys.executable, "-m", "cli")
_STOP_S = 120.0
_SHOWN = 2_000
"""Characters of a command's output that are kept: a list may have a gigabyte."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a command did: its exit code, or None if it was stopped when the time was up."""

    code: int | None
    seconds: float
    output: str


@dataclass(frozen=True, slots=True)
class Serving:
    """A running box, and the seconds until it was ready."""

    process: subprocess.Popen[str]
    ready_s: float

    def memory_mb(self) -> float:
        """Return the resident memory of the box, in MB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise RuntimeError("the box has no memory: it has stopped")


def command(*arguments: str | Path, data: Path, timeout: float) -> Command:
    """Run a command of the program on a data folder; stop it after `timeout` seconds."""
    order = [*PROGRAM, *map(str, arguments), "--data", str(data)]
    with tempfile.TemporaryFile("w+") as output:
        began = time.monotonic()
        process = subprocess.Popen(order, cwd=CHECKOUT, stdout=output, stderr=output, text=True)
        try:
            code: int | None = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            code = None
        took = time.monotonic() - began
        output.seek(0)
        return Command(code, took, output.read(_SHOWN))


def run(*arguments: str | Path, data: Path) -> str:
    """Run a command that must succeed; return what it printed."""
    done = command(*arguments, data=data, timeout=_STOP_S)
    if done.code != 0:
        raise RuntimeError(f"{' '.join(map(str, arguments))} failed: {done.output}")
    return done.output


def offers(option: str, *command_name: str) -> bool:
    """Return whether a command has an option, by its help."""
    help_page = subprocess.run(
        [*PROGRAM, *command_name, "--help"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1"},
    )
    return option in help_page.stdout


_KEEP = ("--backup-every", "0s", "--purge-completed", "0s", "--purge-cancelled", "0s")


@contextmanager
def serving(data: Path, timeout: float) -> Iterator[Serving]:
    """Serve a data folder on free ports, without backups or purges by itself.

    Raises `TimeoutError` if the box is not ready within `timeout` seconds.
    """
    free = "127.0.0.1:0"
    order = [*PROGRAM, "serve", "--data", str(data), "--mqtt", free, "--http", free]
    log = data.with_name(f"{data.name}.log")
    began = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(
            [*order, *_KEEP], cwd=CHECKOUT, stdout=file, stderr=file, text=True
        )
    try:
        while "handrail ready" not in log.read_text():
            if process.poll() is not None:
                raise RuntimeError(f"the box did not start: {log.read_text()}")
            if time.monotonic() > began + timeout:
                raise TimeoutError
            time.sleep(0.01)
        yield Serving(process, time.monotonic() - began)
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
