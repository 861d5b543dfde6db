"""Mounts that tests make, taken away again whatever happens."""

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.machine import environment, needs, why_missing
from tests.waiting import wait_until

_SHUTDOWN = 0x8004587D
_NO_LOG_FLUSH = 2
_DISK_BYTES = 256 << 20
_UNMOUNT_S = 60

_MISSING = "mounting needs root" if os.geteuid() else why_missing("mount", "umount")
needs_root = pytest.mark.skipif(_MISSING is not None, reason=_MISSING or "")
needs_strace = needs("strace")


@contextmanager
def tmpfs(at: Path, size: str, options: str = "") -> Iterator[Path]:
    """Mount a small file system in memory; skips where even root may not, as in a container."""
    at.mkdir()
    order = ["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", str(at)]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def run(*order: str) -> str:
    """Run a command of the system and give what it says."""
    return subprocess.run(
        order, check=True, capture_output=True, text=True, env=environment()
    ).stdout


class Disk:
    """An ext4 file system on a loop device, whose power can be cut while it is in use."""

    def __init__(self, folder: Path) -> None:
        self._image = folder / "disk.img"
        self.at = folder / "disk"
        self.at.mkdir()
        with self._image.open("wb") as file:
            file.truncate(_DISK_BYTES)
        run("mkfs.ext4", "-q", str(self._image))

    def power_on(self) -> None:
        """Mount it, as a machine does that starts: the journal is replayed.

        Skips where not even root may, as in a container.
        """
        order = ["mount", "-o", "loop", str(self._image), str(self.at)]
        done = subprocess.run(order, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"cannot mount a loop device here: {done.stderr.strip()}")

    def cut_power(self) -> None:
        """Lose at once all that the file system has not written: neither data nor journal go out.

        The kernel's EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH, as xfstests uses it.
        """
        handle = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(handle)

    def unmount(self) -> None:
        """Unmount it; its users were killed, and may need a moment to exit."""
        wait_until(self._is_unmounted, f"{self.at} is not in use", _UNMOUNT_S)

    def _is_unmounted(self) -> bool:
        if os.path.ismount(self.at):
            subprocess.run(["umount", str(self.at)], check=False, capture_output=True)
        return not os.path.ismount(self.at) and not self._is_in_use()

    def _is_in_use(self) -> bool:
        """Return whether the image has a loop device: other namespaces may have it mounted."""
        found = Path("/sys/block").glob("loop*/loop/backing_file")
        return any(_content(path) == str(self._image.resolve()) for path in found)

    def check(self) -> None:
        """Raise where the file system itself is broken beyond its journal."""
        run("e2fsck", "-fp", str(self._image))


def _content(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:  # the device has just been released
        return ""


@contextmanager
def disk(folder: Path) -> Iterator[Disk]:
    """Yield a mounted disk, and unmount it."""
    made = Disk(folder)
    made.power_on()
    try:
        yield made
    finally:
        made.unmount()
