"""The compared brokers, each in its own process, with password and topic rules."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from broker.standalone.passwords import hash_password

from .wire import PASSWORD, USER

START_SECONDS = 20.0
TRIES = 3


def mosquitto(folder: Path, port: int) -> list[str]:
    """Start Mosquitto with a password file, an ACL file, and a queue large enough for the load."""
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, USER, PASSWORD], check=True)
    acl = folder / "acl"
    acl.write_text(f"user {USER}\n" + "".join(f"topic readwrite {t}/#\n" for t in TOPICS))
    acl.chmod(0o600)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
        f"acl_file {acl}\nmax_queued_messages 100000\nset_tcp_nodelay true\nuser root\n"
    )
    return [program, "-c", str(config)]


def handrail(folder: Path, port: int) -> list[str]:
    """Start ours with an equivalent rules file."""
    rules = folder / "rules.yaml"
    topics = [f"{topic}/#" for topic in TOPICS]
    rules.write_text(
        f"listeners: {{mqtt: {{port: {port}}}}}\n"
        f"users: {{{USER}: {{password: {hash_password(PASSWORD.encode())}, role: all}}}}\n"
        f"roles: {{all: {{publish: {topics}, subscribe: {topics}}}}}\n"
        "limits: {connections_per_address: 10000}\n".replace("'", '"')
    )
    return [sys.executable, "-m", "benchmarks.broker.ours", str(rules)]


def amqtt(_folder: Path, port: int) -> list[str]:
    """Start stock amqtt with plugins that check the same password and topics."""
    return [sys.executable, "-W", "ignore", "-m", "benchmarks.broker.stock", str(port)]


TOPICS = ("bench", "idle", "kept")
BROKERS = {"amqtt 0.12.1": amqtt, "Mosquitto": mosquitto, "Handrail": handrail}


@contextmanager
def serving(name: str, folder: Path) -> Iterator[tuple[int, int]]:
    """Run a broker; yield its port and process id."""
    with (folder / "log").open("wb") as log:
        port, process = _start(name, folder, log)
        try:
            yield port, process.pid
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _start(name: str, folder: Path, log: IO[bytes]) -> tuple[int, subprocess.Popen[bytes]]:
    """Start it on a free port; retry once if another program took that port first."""
    for _ in range(TRIES):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        command = BROKERS[name](folder, port)
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
        if _serves(port, process):
            return port, process
        process.kill()
        process.wait()
    raise RuntimeError(f"{name} did not start: {(folder / 'log').read_text()[-500:]}")


def _serves(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process.poll() is None
    return False
