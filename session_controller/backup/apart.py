"""Work on backups in separate processes, which a purge may end at any time."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import Lock
from typing import Any

from session_controller.backup.reading import FULL
from session_controller.errors import StoreError
from session_controller.media.apart import environment
from session_controller.security.encryption import KEY_VARIABLE

_PYTHON = (sys.executable, "-P", "-m")
Answer = dict[str, Any]


_GIVEN_KEYS = (KEY_VARIABLE, "CREDENTIALS_DIRECTORY")
"""A helper that verifies the log opens the box's keys."""


def _environment() -> dict[str, str]:
    """Return the environment of a helper: without the password of a broker, for example."""
    return environment() | {name: os.environ[name] for name in _GIVEN_KEYS if name in os.environ}


class InterruptedByPurgeError(Exception):
    """The work was ended, since what it reads was about to change."""


class NoRoomError(Exception):
    """What is to be written would use the disk's reserve; `need` is its size, if it is known."""

    def __init__(self, need: int | None) -> None:
        super().__init__("the disk's reserve would be used")
        self.need = need


class Helper:
    """One process at a time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[str] | None = None
        self._ended = False

    def renew(self) -> None:
        """Begin anew, after an interruption."""
        with self._lock:
            self._ended = False

    def interrupt(self) -> None:
        """End the process, if there is one; on return it writes no more."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def start(self, module: str, argument: str) -> None:
        """Start a module of this package. Raises `InterruptedByPurgeError`, `OSError`."""
        with self._lock:
            if self._ended:
                raise InterruptedByPurgeError
            self._process = subprocess.Popen(  # noqa: S603
                [*_PYTHON, module, argument],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=_environment(),
            )

    def abandon(self) -> None:
        """End the process if it still runs, since nobody waits for it."""
        if self._process is not None:
            self._process.kill()
            with suppress(InterruptedByPurgeError):
                self.end()

    def answer(self) -> Answer:
        """Return the next line that the process prints.

        Raises `InterruptedByPurgeError`, `NoRoomError`, and `StoreError` with what it said.
        """
        process = self._process
        line = process.stdout.readline() if process and process.stdout else ""
        found: Answer = json.loads(line) if line.endswith("\n") else {}
        if found and "need" not in found:
            return found
        code, said = self.end()
        if code == FULL:
            raise NoRoomError(found.get("need"))
        raise StoreError(said)

    def end(self) -> tuple[int, str]:
        """Wait for the process; return its exit code and what else it said.

        Raises `InterruptedByPurgeError`.
        """
        process = self._process
        if process is None:
            raise InterruptedByPurgeError
        stdout, stderr = process.communicate()
        said, code = stdout + stderr, process.returncode
        with self._lock:
            self._process = None
            if self._ended:
                raise InterruptedByPurgeError
        return code, said.strip() or f"its process ended with {code}"

    def call(self, module: str, argument: str) -> tuple[int, str]:
        """Run a module to its end; return its exit code and output."""
        self.start(module, argument)
        return self.end()


def lines(said: str, most: int = 3) -> str:
    """Return the first lines of what a process said, as one."""
    found: Sequence[str] = said.splitlines()[:most]
    return "; ".join(found)
