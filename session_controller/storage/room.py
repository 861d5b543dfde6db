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

    free: int
    """Bytes besides the reserve; never negative."""
    reserve: int

    @classmethod
    def on(cls, folder: Path, usage: DiskUsage = shutil.disk_usage) -> "Room":
        """Return the room on a folder's file system."""
        found = usage(folder)
        reserve = int(found.total * RESERVE)
        return cls(max(0, found.free - reserve), reserve)
