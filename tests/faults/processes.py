"""Boxes and brokers as processes of their own, which tests kill: only those that they started."""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from tests.machine import require
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
_PATIENCE_S = 60.0


class BoxProcess:
    """`handrail serve`, with a trap or without; it ends with the `with`, whatever happens."""

    def __init__(
        self,
        data: Path,
        port: int,
        *options: str,
        host: str = "127.0.0.1",
        point: str = "none",
        nth: int = 1,
        wrap: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
    ) -> None:
        order = [*wrap, sys.executable, "-m", "tests.faults.victim", point, str(nth), "serve"]
        order += ["--data", str(data), "--mqtt", f"{host}:{port}", "--http", "127.0.0.1:0"]
        order += [] if host == "127.0.0.1" else ["--no-tls"]
        self.log = data.parent / "box.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*order, *options],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **(env or {})},
                process_group=0,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def ready(self) -> bool:
        """Wait until it serves; False: it ended before."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + _PATIENCE_S
        said = b""
        while b"ready" not in said:
            left = deadline - time.monotonic()
            if left < 0:
                raise TimeoutError(f"the box is not ready: {self.log.read_text()[-2000:]}")
            if select.select([self.process.stdout], [], [], left)[0]:
                piece = os.read(self.process.stdout.fileno(), 4096)
                if not piece:
                    self.process.wait(_PATIENCE_S)
                    return False
                said += piece
        return True

    def waited_s(self) -> float:
        """Return how long its main thread was runnable while others had the processor.

        Linux's schedstat; 0 where the kernel does not tell.
        """
        pid = self.process.pid
        try:
            found = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()
        except OSError:
            return 0.0
        return int(found[1]) / 1e9

    def fell(self, within_s: float) -> bool:
        """Wait for it to die by itself, by its trap's SIGKILL; False: it still lives."""
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        assert code == -signal.SIGKILL, f"it ended with {code}: {self.log.read_text()[-2000:]}"
        return True

    def freeze(self) -> None:
        """Stop it, and what it started, where they are: nothing that follows reaches anybody.

        What the kernel does for it goes on, as a write to the disk.
        """
        os.killpg(self.process.pid, signal.SIGSTOP)

    def kill(self) -> None:
        """End it, and what it started, with SIGKILL."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(_PATIENCE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def stop(self) -> int:
        """End it politely; gives its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(_PATIENCE_S)
        self.kill()
        return code


class Mosquitto:
    """A broker that is not ours, which keeps its sessions on disk; skips where it is missing."""

    def __init__(self, folder: Path, port: int) -> None:
        (self._program,) = require("mosquitto")
        self._folder = folder
        self._port = port
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        (folder / "mosquitto.conf").write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
            f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n"
            f"max_queued_messages 10000\nuser root\n"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it listens."""
        order = [self._program, "-c", str(self._folder / "mosquitto.conf")]
        self.process = subprocess.Popen(
            order,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        wait_until(self._listens, "mosquitto listens", _PATIENCE_S)

    def _listens(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self._port)) == 0

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(_PATIENCE_S)
