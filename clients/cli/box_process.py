"""A box in a separate process, on free ports of this machine: it can really be killed."""

import os
import re
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Self

from clients.cli.context import Failure

_READY_WITHIN_S = 60.0
_STOP_WITHIN_S = 15.0
_ADDRESS = re.compile(r"(mqtt|http)://\S+:(\d+)")


class BoxProcess:
    """`handrail serve` on free ports of this machine, which it keeps across restarts."""

    def __init__(self, command: Sequence[str], data: Path) -> None:
        self.data = data
        self.addresses: dict[str, str] = {}
        self._command = command
        self._ports = {"mqtt": "0", "http": "0"}
        self._process: subprocess.Popen[str] | None = None
        self._log = data / "serve.log"

    @property
    def url(self) -> str:
        """The URL that devices connect to."""
        return self.addresses["mqtt"]

    @property
    def pid(self) -> int:
        """The id of the current or last process."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the box and wait until it is ready. Raises Failure."""
        arguments = ["serve", "--data", str(self.data), "--config", os.devnull]
        for name, port in self._ports.items():
            arguments += [f"--{name}", f"127.0.0.1:{port}"]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this program itself
                [*self._command, *arguments], stdout=subprocess.PIPE, stderr=log, text=True
            )
        line = self._ready_line(self._process.stdout)
        for found in _ADDRESS.finditer(line):
            self.addresses[found[1]], self._ports[found[1]] = found[0], found[2]

    def _ready_line(self, output: IO[str] | None) -> str:
        deadline = time.monotonic() + _READY_WITHIN_S
        while output is not None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([output], [], [], left)[0]:
                break
            line = output.readline()
            if "ready" in line or not line:
                if line:
                    return line
                break
        said = self._log.read_text(errors="replace").strip()[-500:]
        self.stop()
        raise Failure(f"the box did not start: {said or 'it printed nothing'}")

    def kill(self) -> None:
        """Kill the box with SIGKILL, as a power failure would."""
        self._end(kill=True)

    def stop(self) -> None:
        """Stop the box with SIGTERM, and wait."""
        self._end(kill=False)

    def _end(self, *, kill: bool) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def wait(self) -> None:
        """Wait until the process ends."""
        if self._process is not None:
            self._process.wait()

    def __enter__(self) -> Self:
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
