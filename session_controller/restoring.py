"""Putting a backup in the place of a database, so that nobody takes the older truth for an error.

The epoch rises: devices that hold newer views then accept the older ones, and send again what
they still hold. It is the time in seconds, so that it rises above every epoch of this box, also of
a database that cannot be read any more.
"""

import os
import shutil
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from session_controller.admins import write_private
from session_controller.backups import KEPT_FILES
from session_controller.opening import DATABASE, RESTORING, StoreError, lock_folder, sync_folder
from session_controller.store import BACKUP_FILES, Store
from session_controller.verification import verify

_DRAFT = "restored.new"
_SIDE_FILES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    epoch: int
    sessions: int
    replaced: Path | None
    """Where the database that was there before is kept."""


def restore(data: Path, backup: Path, at: datetime) -> Restored:
    """Put a backup into a data folder. Killed at any point, it can be done again.

    Raises `StoreBusyError` while a box runs there, and `StoreError` for what is no whole backup.
    """
    lock = lock_folder(data)
    try:
        verified = verify(backup)
        if verified.faults:
            raise StoreError(f"{backup} cannot be restored: {verified.faults[0]}")
        draft = data / _DRAFT
        epoch = max(verified.epoch + 1, _epoch_of(data) + 1, int(at.timestamp()))
        files = _prepare(backup, draft, epoch)
        write_private(data / RESTORING, f"{backup}\n")
        sync_folder(data)
        replaced = _put_aside(data, at)
        for name, content in files.items():
            _write(data / name, content)
        draft.replace(data / DATABASE)
        sync_folder(data)
        (data / RESTORING).unlink()
        sync_folder(data)
    finally:
        os.close(lock)
    return Restored(epoch, verified.sessions, replaced)


def _epoch_of(data: Path) -> int:
    with suppress(sqlite3.Error, StoreError, ValueError), Store.reading(data / DATABASE) as store:
        return store.epoch
    return 0


def _prepare(backup: Path, draft: Path, epoch: int) -> dict[str, bytes]:
    """Copy the backup, raise its epoch, and take the other files out of it."""
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    shutil.copyfile(backup, draft)
    with closing(sqlite3.connect(draft, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous=EXTRA")
        db.execute("BEGIN IMMEDIATE")
        try:
            rows = db.execute(f"SELECT name, bytes FROM {BACKUP_FILES}").fetchall()  # noqa: S608
        except sqlite3.OperationalError:
            raise StoreError(f"{backup} is a database, but no backup") from None
        db.execute(f"DROP TABLE {BACKUP_FILES}")
        db.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", [str(epoch)])
        db.execute("COMMIT")
    return {name: bytes(content) for name, content in rows if name in KEPT_FILES}


def _put_aside(data: Path, at: datetime) -> Path | None:
    """Move the database that is there, whole or not, into a folder of its own."""
    there = [data / f"{DATABASE}{end}" for end in _SIDE_FILES]
    if not any(path.exists() for path in there):
        return None
    aside = data / f"replaced-{at:%Y%m%dT%H%M%S}"
    aside.mkdir(mode=0o700, exist_ok=True)
    for path in there:
        if path.exists():
            path.rename(aside / path.name)
    for name in KEPT_FILES:
        if (data / name).exists():
            shutil.copy2(data / name, aside / name)
    sync_folder(aside)
    return aside


def _write(path: Path, content: bytes) -> None:
    draft = path.with_suffix(".new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
