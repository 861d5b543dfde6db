"""Real processes for the contract's tests: `handrail serve`, and Mosquitto where it is."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.machine import require

WAIT_S = 20


@dataclass
class Serving:
    """A process that serves."""

    process: subprocess.Popen[str]
    port: int
    stderr: Path

    def kill(self) -> None:
        """`kill -9`, and wait for the end."""
        self.process.kill()
        self.process.wait(WAIT_S)

    def stop(self) -> int:
        """SIGTERM, and wait for the end; gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)


def admins_of(data: Path) -> dict[str, str]:
    """Read the secrets of facility IT's devices."""
    found: dict[str, str] = json.loads((data / "admin.json").read_text())
    return found


@contextmanager
def handrail_serve(data: Path, port: int, *more: str) -> Iterator[Serving]:
    """Run `handrail serve` as its own process until it says that it is ready."""
    program = Path(sys.executable).with_name("handrail")
    log = data.with_name(f"{data.name}.stderr")
    with log.open("a") as stderr:
        process = subprocess.Popen(
            [
                program,
                "serve",
                "--data",
                data,
                "--http",
                "127.0.0.1:0",
                "--mqtt",
                f"127.0.0.1:{port}",
                *more,
            ],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "ready" in line:
                break
        else:
            raise AssertionError(f"it does not serve: {log.read_text()}")
        yield Serving(process, port, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(WAIT_S)
        process.stdout.close()


@contextmanager
def mosquitto(folder: Path, port: int) -> Iterator[Serving]:
    """Run Mosquitto, open to all on loopback, with its persistence in `folder`."""
    (program,) = require("mosquitto")
    folder.mkdir(exist_ok=True)
    settings = folder / "mosquitto.conf"
    settings.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n"
        f"persistence_location {folder}/\nautosave_interval 1\nset_tcp_nodelay true\n"
        "user root\nmax_queued_messages 0\n"
    )
    log = folder / "mosquitto.log"
    with log.open("a") as stderr:
        process = subprocess.Popen([program, "-c", settings], stderr=stderr, stdout=stderr)
    try:
        _wait_for_port(process, port, log)
        yield Serving(process, port, log)  # type: ignore[arg-type]
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(WAIT_S)


def _wait_for_port(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Wait until somebody listens: each try is one connection, and the kernel answers at once."""
    for _ in range(2_000):
        assert process.poll() is None, log.read_text()
        with socket.socket() as found:
            found.settimeout(1)
            if found.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            process.wait(0.01)
        except subprocess.TimeoutExpired:
            continue
    raise AssertionError("the broker does not listen")
