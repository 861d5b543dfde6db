"""Upgrades of a data folder: a backup, then the migrations, and the way back.

A migration cannot be undone. So none is run before a backup of the database as it was is taken and
verified; the program of the earlier version restores it.
"""

import asyncio
import logging
import shutil
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from session_controller.backup.backups import BackupError, BackupPlan, Backups
from session_controller.backup.keeping import Keep
from session_controller.backup.manifest import FOLDER, existing, headers_in, read_header
from session_controller.backup.outlook import needed
from session_controller.errors import StoreError, StoreNewerError
from session_controller.storage.database import DATABASE, Outdated, newer_in_words, schema_of
from session_controller.storage.documents import FOLDER as DOCUMENTS
from session_controller.storage.room import DiskUsage, Room
from session_controller.storage.store import Store

_log = logging.getLogger(__name__)

_EVERY_BACKUP = Keep(last=sys.maxsize)


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What an upgrade did."""

    migrations: tuple[str, ...]
    backup: Path | None
    """The backup that leads back, or None if it was to go on without."""


def upgrade(data: Path, *, back_up: bool = True) -> Upgraded | None:
    """Migrate a data folder to the schema of this program, after a backup; None if it has it.

    Raises `StoreError`: then nothing was migrated.
    """
    schema = schema_of(data)
    if schema.newer:
        raise StoreNewerError(newer_in_words(schema))
    if not schema.pending:
        return None
    _log.info("the data is of an earlier version; %d migrations are due", len(schema.pending))
    backup = _back_up(data) if back_up else None
    Store(data, Outdated.MIGRATE).close()
    _log.info("the data was migrated; the way back is %s", backup or "not kept, as demanded")
    return Upgraded(schema.pending, backup)


def _back_up(data: Path) -> Path:
    plan = BackupPlan(keep=_EVERY_BACKUP)
    try:
        with closing(Store(data, Outdated.KEEP)) as store:
            return asyncio.run(Backups(store, data, plan, before_upgrade=True).take())
    except BackupError as error:
        raise StoreError(
            f"the database was not migrated, as it cannot be backed up before. {error}. Then start "
            f"again; or go on without a way back: `handrail upgrade --without-backup --data {data}`"
        ) from None


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
    documents = _size(data / DOCUMENTS)
    database = sum(path.stat().st_size for path in data.glob(f"{DATABASE}*"))
    backup = needed(data, headers[0] if headers else None, 0 if headers else documents)
    return Cost(backup, database, 2 * database + documents, Room.on(data, usage))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
