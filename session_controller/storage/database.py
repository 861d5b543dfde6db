"""Open the database: lock the folder, check it read-only, set the pragmas, migrate."""

import fcntl
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

from sqlite_utils import Database

from session_controller.data_folder import DATABASE_FILE
from session_controller.errors import (
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    StoreNewerError,
    StoreOutdatedError,
)
from session_controller.security.encryption import (
    KEY_FILE,
    BoxKeyError,
    BoxKeys,
    DecryptionError,
    load_box_keys,
    make_box_keys,
)
from session_controller.security.files import make_private_folder, sync_folder
from session_controller.storage.schema import SCHEMA
from session_controller.storage.shape import difference

BUSY_MS = 5000
_PRAGMAS = {
    "auto_vacuum": 2,  # INCREMENTAL: free pages can be returned; it must come before `journal_mode`
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: NORMAL loses acknowledged commits on power failure
    "foreign_keys": 1,
    "busy_timeout": BUSY_MS,
    "secure_delete": 1,  # purged data must not remain in free pages
    "trusted_schema": 0,
    "wal_autocheckpoint": 0,  # the service checkpoints while idle
    "journal_size_limit": 16 << 20,  # bytes kept by the write-ahead log when it restarts
}
DATABASE = DATABASE_FILE
LOCK = "lock"
RESTORING = "restoring"
"""A file that marks a data folder while a backup is restored into it."""

DRAFT = "restored.new"
DOCUMENTS_DRAFT = "documents.new"
"""Documents being restored, next to the keys of all sessions: must not be left behind."""

_LOOK_AT_ALL = 8 * 1024 * 1024
"""Bytes; of a larger database, a start checks only the tables that do not grow with the years.

What is damaged in the others is found by the verification of a backup and by `audit verify`, and by
SQLite itself where it reads or writes: the box then stops writing.
"""
_BOUNDED = ("meta", "flows", "devices", "persons", "codes", "answers")

PROGRAM = "version"
"""The property of a box that names the version of its last start."""


class Outdated(Enum):
    """What to do with a database of an earlier schema."""

    REFUSE = "refuse"
    """Raise `StoreOutdatedError`: it is migrated after a backup only."""
    KEEP = "keep"
    """Open it as it is, for that backup."""
    MIGRATE = "migrate"


@dataclass(frozen=True, slots=True)
class Schema:
    """The schema of a database, beside that of this program."""

    applied: tuple[str, ...] = ()
    """Its migrations."""
    pending: tuple[str, ...] = ()
    """Migrations that it lacks; none if nothing was ever stored in it."""
    newer: tuple[str, ...] = ()
    """Its migrations that this program does not know."""
    program: str | None = None
    """The version of Handrail that started on it last, if known."""


def lock_folder(folder: Path) -> int:
    """Lock the folder for this process: two writers would corrupt the write-ahead log."""
    make_private_folder(folder)
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreBusyError(f"{folder} is in use by a running box; stop it first") from error
    return handle


def open_database(folder: Path, outdated: Outdated = Outdated.REFUSE) -> Database:
    """Open the database for writing, after a read-only check that it is intact."""
    path = folder / DATABASE
    try:
        refuse_unusable(folder)
        discard_drafts(folder)
        db = Database(_connect(path), execute_plugins=False)
        try:
            _bring_up_to_date(db, folder, outdated)
        except BaseException:
            db.conn.close()
            raise
    except sqlite3.Error as error:
        if is_damage(error):
            raise StoreDamagedError(f"{path} is damaged ({error})") from error
        raise StoreError(f"{path} cannot be opened: {error}") from error
    sync_folder(folder)
    return db


def _bring_up_to_date(db: Database, folder: Path, outdated: Outdated) -> None:
    if outdated is Outdated.KEEP:
        return
    if outdated is Outdated.REFUSE and _schema(db).pending:
        raise StoreOutdatedError(
            f"{folder} was last used by an earlier version of Handrail and has to be migrated; "
            f"`handrail upgrade --data {folder}` backs it up and migrates it"
        )
    SCHEMA.apply(db)


def schema_of(folder: Path) -> Schema:
    """Return the schema of a data folder's database; reads only.

    Raises `StoreError` if it cannot be read.
    """
    path = folder / DATABASE
    if not path.exists() or path.stat().st_size == 0:
        return Schema()
    try:
        with closing(connect_to_read(path)) as connection:
            return _schema(Database(connection, execute_plugins=False))
    except sqlite3.Error as error:
        kind = StoreDamagedError if is_damage(error) else StoreError
        raise kind(f"{path} cannot be read ({error})") from error


def _schema(db: Database) -> Schema:
    known = [
        migration.name for migration in SCHEMA.pending(Database(memory=True, execute_plugins=False))
    ]
    applied = tuple(migration.name for migration in SCHEMA.applied(db))
    pending = tuple(name for name in known if name not in applied) if _is_in_use(db) else ()
    newer = tuple(name for name in applied if name not in known)
    return Schema(applied, pending, newer, _program(db))


def _is_in_use(db: Database) -> bool:
    """Return whether anything was stored: each box has keys before all else."""
    return db["keys"].exists() and db["keys"].count > 0


def _program(db: Database) -> str | None:
    if not db["meta"].exists():
        return None
    row = next(iter(db.query("SELECT value FROM meta WHERE key=?", [PROGRAM])), None)
    return row["value"] if row else None


def discard_drafts(folder: Path) -> None:
    """Remove what an interrupted restore left behind."""
    for left in folder.glob(f"{DRAFT}*"):
        left.unlink()
    shutil.rmtree(folder / DOCUMENTS_DRAFT, ignore_errors=True)


def refuse_unusable(folder: Path) -> None:
    """Refuse a database that must not be written to. Raises `StoreError`, `sqlite3.Error`."""
    path = folder / DATABASE
    if (folder / RESTORING).exists():
        raise StoreDamagedError(f"A restore into {folder} was interrupted")
    if not path.exists() or path.stat().st_size == 0:
        if (folder / KEY_FILE).exists():  # created after the database
            raise StoreDamagedError(f"{path} is missing, although this folder has been in use")
        return
    with closing(connect_to_read(path)) as connection:
        db = Database(connection, execute_plugins=False)
        large = path.stat().st_size > _LOOK_AT_ALL
        for table in _BOUNDED if large else ("",):
            wanted = f"('{table}')" if table else ""
            found = db.execute(f"PRAGMA quick_check{wanted}").fetchone()[0]
            if found != "ok":
                raise StoreDamagedError(f"{path} is damaged ({found})")
        refuse_newer_schema(db)
        if lost := difference(connection).lost:
            raise StoreDamagedError(f"{path} lacks {'; '.join(lost)}")


def refuse_newer_schema(db: Database) -> None:
    """Raise `StoreNewerError` if the schema is newer than this program."""
    found = _schema(db)
    if found.newer:
        raise StoreNewerError(newer_in_words(found))


def newer_in_words(schema: Schema) -> str:
    """Return why this program cannot use a database of a newer version, and what to do."""
    by = f" ({schema.program})" if schema.program else ""
    return (
        f"this data was last used by a newer or unreleased version of Handrail{by}: its schema "
        f"includes {schema.newer[-1]!r}, which this version ({version('handrail')}) does not know; "
        "install the newer version again, or restore the backup from before the upgrade with "
        "`handrail restore`"
    )


def take_box_keys(folder: Path, db: Database) -> BoxKeys:
    """Return the box's keys, created on first start. Raises `StoreError` if they do not match."""
    try:
        keys = load_box_keys(folder)
        sample = next(iter(db.query("SELECT name, wrapped FROM keys LIMIT 1")), None)
        if keys is None and sample is None:
            return make_box_keys(folder)
        if keys is None:
            raise StoreError(
                f"{folder / KEY_FILE} is missing, and without it the data cannot be decrypted; "
                "put it back, or restore a backup together with its keys"
            )
        if sample is not None:
            keys.unwrap(sample["wrapped"], sample["name"])
    except (BoxKeyError, DecryptionError) as error:
        raise StoreError(f"The box key of {folder} cannot be used: {error}") from error
    return keys


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error means a damaged file, not a failing disk or a passing condition."""
    name = getattr(error, "sqlite_errorname", None) or ""
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a file read-only, without checkpointing it."""
    wal = path.with_name(f"{path.name}-wal")
    # Without a write-ahead log, SQLite would create an empty one only to read.
    alone = "" if wal.exists() else "&immutable=1"
    name = f"file:{quote(str(path))}?mode=ro{alone}"
    return sqlite3.connect(name, uri=True, isolation_level=None)


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _set_up(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    for name, wanted in _PRAGMAS.items():
        connection.execute(f"PRAGMA {name}={wanted}").fetchall()
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != wanted:
            raise StoreError(f"{path}: SQLite does not accept {name}={wanted} here")
