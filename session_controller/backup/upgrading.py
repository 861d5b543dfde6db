"""Upgrades of a data folder: a backup, then the migrations, and the way back.

A migration cannot be undone. So none is run before a backup of the database as it was is taken and
verified; the program of the earlier version restores it.
"""

import asyncio
import logging
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from session_controller.backup.backups import BackupError, BackupPlan, Backups
from session_controller.backup.keeping import Keep
from session_controller.errors import StoreError, StoreNewerError
from session_controller.storage.database import Outdated, newer_in_words, schema_of
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
