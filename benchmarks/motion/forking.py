"""Starts the helper processes of backups by a fork, from a process that has imported their modules.

Each does what it does in a box, in a separate process; only the start of an interpreter, half a
second of CPU each time, is saved. `python -m benchmarks.motion.forking FD` is that process.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from session_controller.backup import apart, checking, keeping, reading
from session_controller.integrity import data_folder

_MODULES = {module.__name__ for module in (checking, keeping, reading, data_folder)}
_MOST = 1 << 16
_NUMBER = 8


class Forked:
    """What a backup uses of `subprocess.Popen`."""

    def __init__(self, server: socket.socket, module: str, argument: str) -> None:
        self.returncode: int | None = None
        self._server, self._ending = server, Lock()
        (out, their_out), (err, their_err) = os.pipe(), os.pipe()
        self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)
        order = json.dumps([module, argument]).encode()
        socket.send_fds(server, [order], [their_out, their_err])
        os.close(their_out)
        os.close(their_err)
        self.pid = _receive(server)

    def kill(self) -> None:
        """End it."""
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        with self._ending:
            if self.returncode is None:
                self.returncode = _receive(self._server)
            return self.returncode

    def communicate(self) -> tuple[str, str]:
        """Return what it wrote, once it has ended."""
        with self.stdout, self.stderr:
            said = self.stdout.read(), self.stderr.read()
        self.wait()
        return said


@contextmanager
def forked_helpers() -> Iterator[int]:
    """Fork the helpers of backups; yields the process that does it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", __spec__.name, str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
    theirs.close()

    def start(command: Sequence[str], **_: Any) -> Forked:
        return Forked(ours, *command[-2:])

    replaced = SimpleNamespace(Popen=start, DEVNULL=None, PIPE=None)
    try:
        with patch.object(apart, "subprocess", replaced):
            yield process.pid
    finally:
        ours.close()
        process.wait()


def _receive(server: socket.socket) -> int:
    received = server.recv(_NUMBER)
    if not received:
        raise OSError(None, "the process that forks helpers has ended")
    return int.from_bytes(received, "little", signed=True)


def _send(client: socket.socket, number: int) -> None:
    client.send(number.to_bytes(_NUMBER, "little", signed=True))


def serve(client: socket.socket) -> None:
    """Start what is asked for, one after the other, until the connection is closed."""
    while True:
        order, handles, _, _ = socket.recv_fds(client, _MOST, 2)
        if not order:
            return
        pid = os.fork()
        if pid == 0:
            os._exit(_run(*json.loads(order), *handles))
        for handle in handles:
            os.close(handle)
        _send(client, pid)
        _, status = os.waitpid(pid, 0)
        _send(client, os.waitstatus_to_exitcode(status))


def _run(module: str, argument: str, out: int, err: int) -> int:
    os.dup2(out, 1)
    os.dup2(err, 2)
    if argument.startswith("{"):  # the helper ends with the process that started it
        argument = json.dumps(json.loads(argument) | {"parent": os.getppid()})
    sys.argv = [module, argument]
    os.nice = lambda _: 0  # in a box they yield to check-ins; here nobody else works
    try:
        assert module in _MODULES
        main = importlib.import_module(module).main
        return int(main())
    except BaseException as error:  # noqa: BLE001 - as an interpreter does
        print(repr(error), file=sys.stderr)
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the connection
    serve(socket.socket(fileno=int(sys.argv[1])))
