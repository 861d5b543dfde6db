"""Clean Debian machines, and tablets on their network: in namespaces of the tests' own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.faults.mounts import run
from tests.machine import environment
from tests.waiting import wait_until

BOOT = Path(__file__).parent / "boot"
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_BOOTS_WITHIN_S = 60
_COMMAND_WITHIN_S = 180
_LAST_LINES = "journalctl --no-pager -u handrail -n 20"


def unified() -> Path:
    """Return where cgroup2 is mounted; skips where it is not."""
    found = re.search(r"^\S+ (\S+) cgroup2 ", Path("/proc/mounts").read_text(), re.MULTILINE)
    if found is None:
        pytest.skip("no cgroup2 here")
    return Path(found[1])


class Debian:
    """A machine that was just installed, with systemd; `share` is its disk at /mnt/backup."""

    def __init__(self, root: Path, folder: Path, share: Path, address: str) -> None:
        self.address = address
        self._place = folder
        self._group = unified() / f"handrail-{os.getpid()}-{folder.name}"
        for each in (folder, share, self._group):
            each.mkdir(exist_ok=True)
        order = [BOOT, root, folder, share, self._group]
        with (folder.with_suffix(".log")).open("wb") as log:
            self._process = subprocess.Popen(order, stdout=log, stderr=log, env=environment())
        self._log = folder.with_suffix(".log")

    def __enter__(self) -> Self:
        def ready() -> bool:
            assert self._process.poll() is None, self._log.read_text()
            return self._try("systemctl is-system-running").strip() in {"running", "degraded"}

        try:
            wait_until(ready, "it boots", _BOOTS_WITHIN_S, 0.5)
        except BaseException:
            self.cut_power()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.cut_power()

    @property
    def pid(self) -> int:
        """The process id of its init, outside."""
        return int(psutil.Process(self._process.pid).children()[0].pid)

    def cut_power(self) -> None:
        """End it; nothing of it is left."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        groups = sorted(self._group.rglob("*/"), key=lambda path: -len(path.parts))
        wait_until(lambda: self._remove([*groups, self._group]), "its processes end")

    @staticmethod
    def _remove(groups: list[Path]) -> bool:
        for each in groups:
            with suppress(OSError):
                each.rmdir()
        return not groups[-1].exists()

    def _enter(self, command: str) -> "subprocess.CompletedProcess[str]":
        inside = ["env", "-i", f"PATH={_PATH}", "HOME=/root", "LANG=C.UTF-8", "sh", "-e", "-c"]
        order = ["nsenter", "-t", str(self.pid), "-a", "-r", "-w", *inside, f"cd /root\n{command}"]
        return subprocess.run(
            order,
            input="y\n",  # what a person answers
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_WITHIN_S,
            check=False,
            env=environment(),
        )

    def _try(self, command: str) -> str:
        with suppress(IndexError, psutil.Error):
            return self._enter(command).stdout
        return ""

    def type(self, *commands: str) -> str:
        """Type commands as root, one after the other; return what they print. Each must succeed."""
        said = ""
        for command in commands:
            ran = self._enter(command)
            assert ran.returncode == 0, f"{command}: {ran.stdout}{self._try(_LAST_LINES)}"
            said += ran.stdout
        return said

    def put(self, file: Path) -> None:
        """Copy a file to where commands are typed, as by a USB stick."""
        with file.open("rb") as content:
            inside = ["nsenter", "-t", str(self.pid), "-a", "-r", "-w", "tee", f"/root/{file.name}"]
            subprocess.run(inside, stdin=content, stdout=subprocess.DEVNULL, check=True)

    def write(self, path: str, text: str) -> None:
        """Write a file, as with an editor."""
        inside = ["nsenter", "-t", str(self.pid), "-a", "-r", "-w", "tee", path]
        subprocess.run(inside, input=text.encode(), stdout=subprocess.DEVNULL, check=True)


class Tablet:
    """A network namespace beside a machine, with a browser's home folder."""

    def __init__(self, folder: Path, address: str) -> None:
        self.name, self.address, self.home = f"handrail-{folder.name}", address, folder
        self.wrap = ("ip", "netns", "exec", self.name)
        folder.mkdir()

    def __enter__(self) -> Self:
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        run("ip", "netns", "del", self.name)

    @contextmanager
    def cable(self, machine: Debian) -> Iterator[None]:
        """Plug a cable in between both, with an address on each end."""
        ends = (
            "netns",
            str(machine.pid),
            "type",
            "veth",
            "peer",
            "name",
            "lan",
            "netns",
            self.name,
        )
        run("ip", "link", "add", "lan", *ends)
        within = ["nsenter", "-t", str(machine.pid), "-n"]
        for wrap, address in ((within, machine.address), (self.wrap, self.address)):
            run(*wrap, "ip", "addr", "add", f"{address}/24", "dev", "lan")
            run(*wrap, "ip", "link", "set", "lan", "up")
        try:
            yield
        finally:
            with suppress(subprocess.CalledProcessError):  # the machine may be gone
                run("ip", "-n", self.name, "link", "del", "lan")

    def python(self, *order: str) -> str:
        """Run a Python module of the tests there."""
        return run(*self.wrap, sys.executable, "-P", "-m", *order)

    def resolve(self, name: str) -> str:
        """Return the address that the network tells for a name."""
        told = self.python("tests.discovery.resolving", name, "A", self.address)
        (found,) = re.findall(r"[\d.]+", told)
        return str(found)

    def browser(self) -> Path:
        """Return a program that starts Chromium there, with this home."""
        starter = self.home / "chromium"
        words = " ".join(self.wrap)
        starter.write_text(f'#!/bin/sh\nexport HOME="{self.home}"\nexec {words} chromium "$@"\n')
        starter.chmod(0o755)
        return starter


def commands(page: Path, heading: str, names: Mapping[str, str]) -> list[str]:
    """Return the commands that a section of a page shows, each on one line.

    `names` are what a reader replaces: the version of a package.
    """
    text = page.read_text()
    begin = re.search(rf"^#+ {re.escape(heading)}$", text, re.MULTILINE)
    assert begin, f"{page.name} has no section {heading}"
    section = re.split(r"^#+ ", text[begin.end() :], maxsplit=1, flags=re.MULTILINE)[0]
    blocks = re.findall(r"^ *```(\w*)\n(.*?)^ *```", section, re.MULTILINE | re.DOTALL)
    lines = (
        "".join(block for language, block in blocks if not language)
        .replace("\\\n", " ")
        .splitlines()
    )
    found = [line.strip() for line in lines if re.match(r" *(sudo|handrail) ", line)]
    for shown, meant in names.items():
        found = [line.replace(shown, meant) for line in found]
    return found
