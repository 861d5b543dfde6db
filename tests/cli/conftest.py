"""The program as its users have it: run in this process for speed, or as a process of its own."""

import json
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from cli import app

PROGRAM = (sys.executable, "-P", "-m", "cli")
_INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import cli
cli.main()
"""
INTERRUPTIBLE = (sys.executable, "-P", "-c", _INTERRUPTIBLE)
"""The same for Ctrl-C: what a shell runs in the background ignores it, and its children do."""
READY_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


Handrail = Callable[..., Ran]


@pytest.fixture
def handrail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Handrail:
    """Run a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HANDRAIL_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: object) -> Ran:
        found = CliRunner().invoke(app, [str(argument) for argument in arguments])
        return Ran(found.exit_code, found.stdout, found.stderr)

    return run


class Serving:
    """`handrail serve` as a process."""

    def __init__(self, data: Path, *options: str) -> None:
        listen = () if "--mqtt" in options else ("--mqtt", "127.0.0.1:0")
        self.log = data.with_suffix(".log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *PROGRAM,
                    "serve",
                    "--data",
                    str(data),
                    *listen,
                    "--http",
                    "127.0.0.1:0",
                    *options,
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.ready = self._line()

    def _line(self) -> str:
        output = self.process.stdout
        assert output is not None
        assert select.select([output], [], [], READY_WITHIN_S)[0], self.log.read_text()
        return output.readline()

    @property
    def port(self) -> int:
        """Where it says that MQTT is."""
        found = re.search(r"mqtt://\S+:(\d+)", self.ready)
        assert found, self.log.read_text()
        return int(found[1])

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and give the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(STOP_WITHIN_S)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)
        elif self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a box that serves for a whole module of tests."""
    folder = tmp_path_factory.mktemp("box") / "data"
    with Serving(folder) as serving:
        assert "ready" in serving.ready
        yield folder
