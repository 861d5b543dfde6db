"""What a box stores its data on, and how many bytes are written to it: a card, or a folder."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

CARD_BYTES = 32 * 10**9
_SECTOR = 512
_SECTORS_WRITTEN = 6
"""The place of that number in the statistics of a block device."""


class Usage(NamedTuple):
    """How full a file system is, in bytes."""

    total: int
    used: int
    free: int

    @property
    def percent(self) -> float:
        """The used part of what may be used, as `df` shows it."""
        return 100 * self.used / (self.used + self.free)


class Card(Protocol):
    """What the data folder is on."""

    @property
    def folder(self) -> Path:
        """The folder for the data."""

    @property
    def kind(self) -> str:
        """What it is, for the report."""

    def usage(self, folder: Path) -> Usage:
        """Return how full it is."""

    def written(self) -> int:
        """Return how many bytes have been written to it."""


class NoMountError(Exception):
    """This machine or user cannot mount a separate file system; the message says why."""


@dataclass(frozen=True, slots=True)
class MountedCard:
    """A separate file system in an image file. The bytes are those that its device received."""

    folder: Path
    device: Path
    kind: str = "a separate file system (ext4), bytes counted by its block device"

    def usage(self, folder: Path) -> Usage:
        """Return how full it is."""
        return Usage(*shutil.disk_usage(folder))

    def written(self) -> int:
        """Return how many bytes its device received, once nothing waits in memory."""
        _write_out(self.folder)
        statistics = Path("/sys/block", self.device.name, "stat").read_text().split()
        return int(statistics[_SECTORS_WRITTEN]) * _SECTOR


@dataclass(frozen=True, slots=True)
class FolderCard:
    """An ordinary folder. The bytes are those that the processes wrote by system calls."""

    folder: Path
    counted: Callable[[], int]
    kind: str = "an ordinary folder with an assumed size, bytes counted by system calls"

    def usage(self, folder: Path) -> Usage:  # noqa: ARG002 - there is one folder
        """Return how full a card with this content would be."""
        used = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        return Usage(CARD_BYTES, used, CARD_BYTES - used)

    def written(self) -> int:
        """Return how many bytes the processes wrote."""
        return self.counted()


def bytes_written(*processes: int) -> int:
    """Return the bytes that processes, and children they waited for, wrote by system calls."""
    lines = [Path(f"/proc/{pid}/io").read_text().splitlines()[1] for pid in processes]
    return sum(int(line.removeprefix("wchar: ")) for line in lines)


def _write_out(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        ctypes.CDLL(None).syncfs(handle)
    finally:
        os.close(handle)


@contextmanager
def mounted(place: Path) -> Iterator[MountedCard]:
    """Make and mount a card in a folder, and remove it in the end. Raises `NoMountError`."""
    image, folder = place / "card.img", place / "card"
    folder.mkdir()
    image.touch()
    os.truncate(image, CARD_BYTES)
    try:
        _run("mkfs.ext4", "-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(image))
        # What is deleted is given back to the image's file, so that this stays small.
        _run("mount", "-o", "loop,discard", str(image), str(folder))
        try:
            device = _run("findmnt", "--noheadings", "--output", "SOURCE", str(folder)).strip()
            yield MountedCard(folder, Path(device))
        finally:
            _run("umount", str(folder))
    finally:
        image.unlink()


def _run(*order: str) -> str:
    try:
        done = subprocess.run(order, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NoMountError(f"{order[0]}: {error.strerror}") from None
    if done.returncode:
        raise NoMountError(f"{order[0]}: {done.stderr.strip()}")
    return done.stdout
