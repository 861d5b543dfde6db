"""Opening the database: the folder's lock, a look that writes nothing, the pragmas, migrations."""

import fcntl
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlite_utils import Database

from session_controller.errors import StoreBusyError, StoreDamagedError, StoreError
from session_controller.files import sync_folder
from session_controller.migrations import SCHEMA
from session_controller.sealing import (
    KEY_FILE,
    BoxKeyError,
    BoxKeys,
    SealBrokenError,
    load_box_keys,
    make_box_keys,
)

BUSY_MS = 5000
_PRAGMAS = {
    "journal_mode": "wal",
    "synchronous": 2,  # FULL: NORMAL loses acknowledged commits at a power cut
    "foreign_keys": 1,
    "busy_timeout": BUSY_MS,
    "secure_delete": 1,  # what is purged leaves no bytes in free pages
    "trusted_schema": 0,
    "wal_autocheckpoint": 0,  # the service checkpoints when nobody waits
    "journal_size_limit": 16 << 20,  # bytes that the write-ahead log keeps when it begins anew
}
DATABASE = "handrail.sqlite"
RESTORING = "restoring"
"""A file that stands in a data folder while a backup is put in its place."""

DRAFT = "restored.new"
DOCUMENTS_DRAFT = "documents.new"
"""What a restore prepares, with the keys of all sessions: nothing that may be left lying."""

_LOOK_AT_ALL = 256 * 1024 * 1024
"""Above, a start leaves the documents' bytes unchecked: it has to be over within two seconds."""
_WITHOUT_BYTES = ("meta", "flows", "devices", "sessions", "keys", "codes", "answers")


def lock_folder(folder: Path) -> int:
    """Take the folder for this process: two writers would corrupt the write-ahead log."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreBusyError(f"{folder} is in use by a running box") from error
    return handle


def open_database(folder: Path) -> Database:
    """Open the database to write, once a look at it has shown that it is whole."""
    path = folder / DATABASE
    try:
        _look(folder, path)
        discard_drafts(folder)
        db = Database(_connect(path))
        try:
            SCHEMA.apply(db)
        except BaseException:
            db.conn.close()
            raise
    except sqlite3.Error as error:
        if is_damage(error):
            raise StoreDamagedError(f"{path} is damaged ({error})") from error
        raise StoreError(f"{path} cannot be opened: {error}") from error
    sync_folder(folder)
    return db


def discard_drafts(folder: Path) -> None:
    """Remove what a restore left that did not come to its end."""
    for left in folder.glob(f"{DRAFT}*"):
        left.unlink()
    shutil.rmtree(folder / DOCUMENTS_DRAFT, ignore_errors=True)


def _look(folder: Path, path: Path) -> None:
    """Refuse what must not be written to: read only, so that it stays as it is."""
    if (folder / RESTORING).exists():
        raise StoreDamagedError(f"A restore into {folder} did not come to its end")
    if not path.exists() or path.stat().st_size == 0:
        if (folder / KEY_FILE).exists():  # made after the database
            raise StoreDamagedError(f"{path} is gone, although this folder was in use")
        return
    with closing(connect_to_read(path)) as connection:
        db = Database(connection)
        large = path.stat().st_size > _LOOK_AT_ALL
        for table in _WITHOUT_BYTES if large else ("",):
            wanted = f"('{table}')" if table else ""
            found = db.execute(f"PRAGMA quick_check{wanted}").fetchone()[0]
            if found != "ok":
                raise StoreDamagedError(f"{path} is damaged ({found})")
        refuse_newer_schema(db)


def refuse_newer_schema(db: Database) -> None:
    """Raise `StoreError` for a schema that this program does not know."""
    known = {migration.name for migration in SCHEMA.pending(Database(memory=True))}
    newer = [m.name for m in SCHEMA.applied(db) if m.name not in known]
    if newer:
        raise StoreError(
            f"This database is of a Handrail that is newer, or that was never released (schema "
            f"{newer[-1]}); update the program"
        )


def take_box_keys(folder: Path, db: Database) -> BoxKeys:
    """Give the box's keys, made at the first start. Raises `StoreError` where they do not fit."""
    try:
        keys = load_box_keys(folder)
        sample = next(iter(db.query("SELECT name, wrapped FROM keys LIMIT 1")), None)
        if keys is None and sample is None:
            return make_box_keys(folder)
        if keys is None:
            raise StoreError(
                f"{folder / KEY_FILE} is gone, and nothing can be read without it; put it back, "
                "or restore a backup together with its keys"
            )
        if sample is not None:
            keys.unwrap(sample["wrapped"], sample["name"])
    except (BoxKeyError, SealBrokenError) as error:
        raise StoreError(f"The key of {folder} cannot be used: {error}") from error
    return keys


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error means that the file itself is broken, not the disk or the moment."""
    name = getattr(error, "sqlite_errorname", None) or ""
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a file that is not written through this connection, nor checkpointed."""
    wal = path.with_name(f"{path.name}-wal")
    # Where there is no write-ahead log, SQLite would make an empty one only to look.
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
            raise StoreError(f"{path}: SQLite does not take {name}={wanted} here")
