"""Room for backups: what is kept free, whether one more fits, and when the disk will be full."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from session_controller.backup.manifest import FOLDER, Header, existing, headers_in
from session_controller.storage.database import DATABASE
from session_controller.storage.room import DiskUsage, Room

ASIDE = "replaced-"
"""Prefix of the folders in which a restore keeps the replaced database."""
_FORECAST_FROM = timedelta(days=35)
"""How far back the forecast looks."""
_LEAST = timedelta(days=1)
_FIRST_S, _LAST_S = 60.0, 6 * 3600.0


def refusal(room: Room, need: int) -> str:
    """Return why a backup of so many bytes is not begun, and what to do."""
    return (
        f"The backup needs some {mib(need)}, and the disk has {mib(room.free)} besides the "
        f"{mib(room.reserve)} that are kept free for check-ins; it was not begun. Purge old "
        "sessions, remove what a restore replaced (`handrail restore --forget-replaced`), or "
        "use a larger disk"
    )


def mib(count: int) -> str:
    """Return a number of bytes for people: in MiB, or from 10 GiB on in GiB."""
    return f"{count / (1 << 30):,.0f} GiB" if count >= 10 << 30 else f"{count / (1 << 20):,.1f} MiB"


def needed(data: Path, newest: Header | None, documents: int) -> int:
    """Return the bytes that the next backup will write at most, as far as can be foreseen.

    What the last one wrote besides, and what the database has grown by.
    """
    path = data / DATABASE
    size = path.stat().st_size if path.exists() else 0
    if newest is None:
        return size + documents
    return documents + max(0, size - newest.pages * newest.page_size) + newest.page_size


def wait_s(failures: int) -> float:
    """Return how long to wait after so many failures in a row: 1, 2, 4 minutes, up to 6 hours."""
    return min(_FIRST_S * 2.0 ** (max(failures, 1) - 1), _LAST_S)


def days_left(headers: Sequence[Header], free: int) -> float | None:
    """Return in how many days the disk will be full, or None if there is too little to tell.

    `headers` are those of the backups, newest first. What the data grows by is stored twice: by
    the box, and by its backups.
    """
    if not headers:
        return None
    newest = headers[0]
    recent = [one for one in headers if newest.taken - one.taken <= _FORECAST_FROM]
    span = newest.taken - recent[-1].taken
    growth = newest.data - recent[-1].data
    if span < _LEAST or growth <= 0:
        return None
    return free / (2 * growth / (span / timedelta(days=1)))


@dataclass(frozen=True, slots=True)
class Outlook:
    """The backups of a data folder, and the room on its disk."""

    count: int
    headers: Sequence[Header]
    """What is known of them, newest first; none that is damaged."""
    room: Room

    @classmethod
    def of(cls, data: Path, usage: DiskUsage = shutil.disk_usage) -> "Outlook":
        """Return the outlook of a data folder now."""
        headers = headers_in(data / FOLDER)
        return cls(len(existing(data)), headers, Room.on(data, usage))

    @property
    def days(self) -> float | None:
        """In how many days the disk will be full, or None if there is too little to tell."""
        return days_left(self.headers, self.room.free)


def forecast(days: float | None) -> str | None:
    """Return a sentence on when the disk will be full, or None if there is too little to tell."""
    if days is None:
        return None
    return f"at its present growth, the disk will be full in some {days:,.0f} days"


def replaced(data: Path) -> list[Path]:
    """Return the folders in which restores kept what they replaced, oldest first."""
    return sorted(path for path in data.glob(f"{ASIDE}*") if path.is_dir())


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
