"""Handrail and its two peers, each with its own processes, a free port and a new database."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FLOW = HERE.parents[1] / "flows" / "pre-registration.json"
START_S = 30.0
NODE_PACKAGES = ("ws@8", "better-sqlite3@12")


Around = Sequence[str]
"""The prefix of a server's command line: a program that runs it."""


class MissingError(Exception):
    """A peer cannot run here; the message says why."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server: what the load needs to know, and its database."""

    order: dict[str, Any]
    database: Path


@contextmanager
def handrail(folder: Path, _: int, around: Around) -> Iterator[Serving]:
    """Run a box; the load enrolls its devices."""
    with _box(folder, "cli", around) as serving:
        yield serving


@contextmanager
def unsealed(folder: Path, _: int, around: Around) -> Iterator[Serving]:
    """Run a box without encryption and log hashes, to measure their cost."""
    with _box(folder, "benchmarks.command_round_trip.unsealed", around) as serving:
        yield serving


@contextmanager
def _box(folder: Path, program: str, around: Around) -> Iterator[Serving]:
    data = folder / "data"
    free = "127.0.0.1:0"
    serve = ["serve", "--data", str(data), "--mqtt", free, "--http", free]
    command = [*around, sys.executable, "-m", program, *serve]
    with _running(command, folder) as pid:
        _wait(lambda: "handrail ready" in (folder / "log").read_text(encoding="utf-8"))
        where = json.loads((data / "box.json").read_text(encoding="utf-8"))
        admin = next(iter(json.loads((data / "admin.json").read_text(encoding="utf-8")).items()))
        port = int(where["mqtt"].rpartition(":")[2])
        order = {"over": "mqtt", "port": port, "pids": [pid], "admin": admin}
        yield Serving(order, data / "handrail.sqlite")


@contextmanager
def websocket(folder: Path, sessions: int, around: Around) -> Iterator[Serving]:
    """Run the Node peer."""
    program = shutil.which("node")
    if program is None:
        raise MissingError("node is not installed")
    modules = _node_modules()
    order, file = _peer_order(folder, sessions)
    command = [*around, program, str(HERE / "peers" / "websocket.cjs"), str(file)]
    with _running(command, folder, NODE_PATH=str(modules)) as pid:
        _wait_for_port(order["port"])
        yield Serving({**order, "over": "websocket", "pids": [pid]}, Path(order["database"]))


@contextmanager
def mosquitto(folder: Path, sessions: int, around: Around) -> Iterator[Serving]:
    """Run Mosquitto with passwords and access rules, and its controller."""
    program = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None or shutil.which("mosquitto_passwd") is None:
        raise MissingError("mosquitto is not installed")
    order, file = _peer_order(folder, sessions)
    config = _mosquitto_config(folder, order)
    peer = "benchmarks.command_round_trip.peers.mosquitto"
    controller = [*around, sys.executable, "-m", peer, str(file)]
    with ExitStack() as stack:
        broker = stack.enter_context(_running([program, "-c", str(config)], folder))
        _wait_for_port(order["port"])
        pids = [broker, stack.enter_context(_running(controller, folder))]
        yield Serving({**order, "over": "mqtt", "pids": pids}, Path(order["database"]))


Start = Callable[[Path, int, Around], Any]
PEERS = ("handrail", "ws", "mosquitto")
SERVERS: dict[str, Start] = {
    "handrail": handrail,
    "unsealed": unsealed,
    "ws": websocket,
    "mosquitto": mosquitto,
}


def with_slower_syncs(more_ms: float, folder: Path) -> Around:
    """Return a command prefix that delays each sync of a server.

    For machines whose disk reports a sync before the data is durable. It keeps the server's
    process id and slows no other system call (seccomp). Raises `MissingError`.
    """
    if not more_ms:
        return ()
    if shutil.which("strace") is None:
        raise MissingError("strace is not installed")
    calls = "fsync,fdatasync"
    options = ("-D", "-f", "--seccomp-bpf", "-qq", "-o", str(folder / "syncs"))
    what = ("-e", f"trace={calls}", "-e", f"inject={calls}:delay_exit={more_ms * 1_000:.0f}")
    return ("strace", *options, *what)


def _peer_order(folder: Path, sessions: int) -> tuple[dict[str, Any], Path]:
    plan = [(f"session-{n}", f"host-{n}", f"patient-{n}") for n in range(sessions)]
    devices = [device for _, *both in plan for device in both]
    order = {
        "flow": str(FLOW),
        "database": str(folder / "peer.sqlite"),
        "port": _free_port(),
        "plan": plan,
        "secrets": {device: secrets.token_urlsafe(32) for device in devices},
        "controller_secret": secrets.token_urlsafe(32),
    }
    file = folder / "order.json"
    file.write_text(json.dumps(order), encoding="utf-8")
    return order, file


def _mosquitto_config(folder: Path, order: dict[str, Any]) -> Path:
    """Write passwords, the protocol's access rules, and limits above the load."""
    users = {**order["secrets"], "controller": order["controller_secret"]}
    passwords, rules = folder / "passwords", folder / "rules"
    passwords.write_text("".join(f"{user}:{word}\n" for user, word in users.items()))
    passwords.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
    root = "handrail/v1/main"
    rules.write_text(
        f"user controller\ntopic readwrite handrail/#\n"
        f"pattern write {root}/devices/%u/presence\n"
        f"pattern write {root}/sessions/+/commands/%u\n"
        f"pattern read {root}/controller/status\n"
        f"pattern read {root}/devices/%u/inbox\n"
        f"pattern read {root}/devices/%u/assignment\n"
        f"pattern read {root}/devices/%u/lobby\n"
        f"pattern read {root}/sessions/+/state/%u\n"
        f"pattern read {root}/sessions/+/rejections/%u\n"
    )
    rules.chmod(0o600)
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {order['port']} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
        f"acl_file {rules}\nset_tcp_nodelay true\nmax_queued_messages 0\n"
        f"max_inflight_messages 0\n" + ("user root\n" if os.geteuid() == 0 else "")
    )
    return config


def _node_modules() -> Path:
    """Install the Node packages in the user's cache, once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "handrail-benchmarks" / "websocket"
    modules = folder / "node_modules"
    if all((modules / name.partition("@")[0]).is_dir() for name in NODE_PACKAGES):
        return modules
    npm = shutil.which("npm")
    if npm is None:
        raise MissingError("npm is not installed")
    draft = folder.with_name(
        f"{folder.name}.draft"
    )  # one that was cut short is not taken for whole
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    done = subprocess.run(
        [
            *(npm, "install", "--no-audit", "--no-fund", "--fetch-retries=0"),
            *("--prefix", str(draft), *NODE_PACKAGES),
        ],
        env=os.environ | _node_headers(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not _loads(draft / "node_modules"):
        shutil.rmtree(draft, ignore_errors=True)
        raise MissingError(f"npm could not install {', '.join(NODE_PACKAGES)}")
    shutil.rmtree(folder, ignore_errors=True)
    draft.rename(folder)
    return modules


def _loads(modules: Path) -> bool:
    """Return whether the compiled package can be used: npm may leave its binary out."""
    program = "new (require('better-sqlite3'))(':memory:')"
    env = os.environ | {"NODE_PATH": str(modules)}
    order = ["node", "-e", program]
    return subprocess.run(order, env=env, capture_output=True, check=False).returncode == 0


def _node_headers() -> dict[str, str]:
    """Point node-gyp to the headers installed with Node, in case it has to compile."""
    prefix = Path(shutil.which("node") or "/").resolve().parents[1]
    return {"npm_config_nodedir": str(prefix)} if (prefix / "include" / "node").is_dir() else {}


@contextmanager
def _running(command: list[str], folder: Path, **more: str) -> Iterator[int]:
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | more)
        try:
            yield process.pid
            if process.poll() is not None:
                raise RuntimeError(f"a server ended: {(folder / 'log').read_text()[-2000:]}")
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _wait_for_port(port: int) -> None:
    def is_open() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
        return True

    _wait(is_open)


def _wait(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_S
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError("a server did not start")
        time.sleep(0.05)
