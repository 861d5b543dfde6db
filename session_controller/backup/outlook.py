"""Room for backups: what is kept free, whether one more fits, and when the disk will be full."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from session_controller.backup.manifest import FOLDER, Header, existing, headers_in
from session_controller.storage.database import DATABASE

ASIDE = "replaced-"
"""Prefix of the folders in which a restore keeps the replaced database."""
RESERVE = 0.1
"""The part of the file system that backups leave free: live commands need it when it is full."""
_SOON = 60
"""Days before the disk is full from which `handrail doctor` speaks of a problem."""
_FORECAST_FROM = timedelta(days=35)
"""How far back the forecast looks."""
_LEAST = timedelta(days=1)
_FIRST_S, _LAST_S = 60.0, 6 * 3600.0


class Usage(Protocol):
    """What is known of a file system, in bytes."""

    @property
    def total(self) -> int: ...  # noqa: D102

    @property
    def free(self) -> int: ...  # noqa: D102


DiskUsage = Callable[[Path], Usage]


@dataclass(frozen=True, slots=True)
class Room:
    """The space that backups may use."""

    free: int
    """Bytes besides the reserve; never negative."""
    reserve: int

    @classmethod
    def on(cls, folder: Path, usage: DiskUsage = shutil.disk_usage) -> "Room":
        """Return the room on a folder's file system."""
        found = usage(folder)
        reserve = int(found.total * RESERVE)
        return cls(max(0, found.free - reserve), reserve)

    def refusal(self, need: int) -> str:
        """Return why a backup of so many bytes is not begun, and what to do."""
        return (
            f"The backup needs some {mib(need)}, and the disk has {mib(self.free)} besides the "
            f"{mib(self.reserve)} that are kept free for check-ins; it was not begun. Purge old "
            "sessions, remove what a restore replaced (`handrail restore --forget-replaced`), or "
            "use a larger disk"
        )


def mib(count: int) -> str:
    """Return a number of bytes for people."""
    return f"{count / (1 << 20):,.1f} MiB"


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


def forecast(data: Path, usage: DiskUsage = shutil.disk_usage) -> str | None:
    """Return a sentence on when the disk will be full, or None if there is too little to tell."""
    days = days_left(headers_in(data / FOLDER), Room.on(data, usage).free)
    if days is None:
        return None
    return f"at its present growth, the disk will be full in some {days:,.0f} days"


@dataclass(frozen=True, slots=True)
class Report:
    """A line about backups for `handrail doctor`; `state` is `ok`, `note` or `bad`."""

    check: str
    state: str
    text: str


def report(data: Path, now: datetime, usage: DiskUsage = shutil.disk_usage) -> list[Report]:
    """Describe the backups of a data folder, the room for them, and what restores replaced."""
    paths, room = existing(data), Room.on(data, usage)
    headers = headers_in(data / FOLDER)
    found = [_newest(len(paths), headers, now)]
    if (need := needed(data, headers[0] if headers else None, 0)) > room.free:
        found.append(Report("room for backups", "bad", room.refusal(need)))
    days = days_left(headers, room.free)
    if days is not None and (text := forecast(data, usage)) is not None:
        state = "bad" if days < _SOON else "ok"
        todo = "; purge old sessions, or use a larger disk" if state == "bad" else ""
        found.append(Report("growth", state, text + todo))
    return found + [_replaced(path) for path in replaced(data)]


def _newest(count: int, headers: Sequence[Header], now: datetime) -> Report:
    if not count:
        return Report("backups", "note", "there is no backup yet; `handrail backup` makes one")
    if len(headers) < count:
        text = f"{count - len(headers)} of {count} backups are damaged; remove their files"
        return Report("backups", "bad", text)
    hours = (now - headers[0].taken) / timedelta(hours=1)
    return Report("backups", "ok", f"{count}, the newest of {hours:,.0f} hours ago")


def replaced(data: Path) -> list[Path]:
    """Return the folders in which restores kept what they replaced, oldest first."""
    return sorted(path for path in data.glob(f"{ASIDE}*") if path.is_dir())


def _replaced(path: Path) -> Report:
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    text = (
        f"{path} holds what a restore replaced ({mib(size)}); once nothing in it is needed, "
        "remove it with `handrail restore --forget-replaced`"
    )
    return Report("replaced data", "note", text)
