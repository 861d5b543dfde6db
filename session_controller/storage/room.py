"""The space on the disk that backups and documents may use: a part is kept free for the rest."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

RESERVE = 0.1
"""The part of the file system that backups and documents leave free: live commands need it."""


class Usage(Protocol):
    """What is known of a file system, in bytes."""

    @property
    def total(self) -> int: ...  # noqa: D102

    @property
    def free(self) -> int: ...  # noqa: D102


DiskUsage = Callable[[Path], Usage]


@dataclass(frozen=True, slots=True)
class Room:
    """The space that backups and documents may use."""

    total: int
    """Size of the file system, in bytes."""
    left: int
    """What is free, the reserve included."""

    @property
    def reserve(self) -> int:
        """What is kept free."""
        return int(self.total * RESERVE)

    @property
    def free(self) -> int:
        """What is free besides the reserve; never negative."""
        return max(0, self.left - self.reserve)

    @classmethod
    def on(cls, folder: Path, usage: DiskUsage = shutil.disk_usage) -> "Room":
        """Return the room on a folder's file system."""
        found = usage(folder)
        return cls(found.total, found.free)
