"""Room for backups: what is kept free, whether one more fits, and when the disk will be full."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from session_controller.backup.manifest import FOLDER, Header, existing, headers_in
from session_controller.storage.database import DATABASE
from session_controller.storage.room import DiskUsage, Room

ASIDE = "replaced-"
"""Prefix of the folders in which a restore keeps the replaced database."""
_SOON = 60
"""Days before the disk is full from which `handrail doctor` speaks of a problem."""
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


@dataclass(frozen=True, slots=True)
class Report:
    """A line about backups for `handrail doctor`; `state` is `ok`, `note` or `bad`."""

    check: str
    state: str
    text: str


def report(data: Path, now: datetime, usage: DiskUsage = shutil.disk_usage) -> list[Report]:
    """Describe the backups of a data folder, the room for them, and what restores replaced."""
    outlook = Outlook.of(data, usage)
    headers, room, days = outlook.headers, outlook.room, outlook.days
    found = [_newest(outlook.count, headers, now)]
    if (need := needed(data, headers[0] if headers else None, 0)) > room.free:
        found.append(Report("room for backups", "bad", refusal(room, need)))
    if not room.free:
        found.append(Report("room for documents", "bad", _no_document(room)))
    if days is not None and (text := forecast(days)) is not None:
        state = "bad" if days < _SOON else "ok"
        todo = "; purge old sessions, or use a larger disk" if state == "bad" else ""
        found.append(Report("growth", state, text + todo))
    return found + [_replaced(path) for path in replaced(data)]


def _no_document(room: Room) -> str:
    return (
        f"patients' documents are refused: no more than the {mib(room.reserve)} that are kept "
        "free for check-ins are left; purge old sessions, or use a larger disk"
    )


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
