"""What an upgrade will take, and the backup that leads back from it."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from session_controller.backup.manifest import FOLDER, existing, headers_in, read_header
from session_controller.backup.outlook import needed
from session_controller.data_folder import DOCUMENTS_FOLDER
from session_controller.errors import StoreError
from session_controller.storage.database import DATABASE
from session_controller.storage.room import DiskUsage, Room


def way_back(data: Path) -> Path | None:
    """Return the newest backup from before an upgrade, or None."""
    for path in existing(data):
        with suppress(StoreError):
            if read_header(path).before_upgrade:
                return path
    return None


@dataclass(frozen=True, slots=True)
class Cost:
    """What an upgrade takes at most, as far as can be foreseen."""

    backup: int
    """Bytes that the backup writes."""
    migration: int
    """Bytes that the migrations write: each page of the database, once more."""
    read: int
    """Bytes that the backup reads, to copy and to verify them."""
    room: Room

    @property
    def fits(self) -> bool:
        """Whether the disk has room for it."""
        return self.backup + self.migration <= self.room.free

    @property
    def seconds(self) -> float:
        """How long it takes on a slow disk."""
        return (self.backup + self.migration + self.read) / _SLOW


_SLOW = 10 << 20
"""Bytes a second of a small computer with a memory card."""


def cost_of(data: Path, usage: DiskUsage = shutil.disk_usage) -> Cost:
    """Return what an upgrade of a data folder takes. Raises `OSError`."""
    headers = headers_in(data / FOLDER)
    documents = _size(data / DOCUMENTS_FOLDER)
    database = sum(path.stat().st_size for path in data.glob(f"{DATABASE}*"))
    backup = needed(data, headers[0] if headers else None, 0 if headers else documents)
    return Cost(backup, database, 2 * database + documents, Room.on(data, usage))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
