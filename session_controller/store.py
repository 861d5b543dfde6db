"""The SQLite database: one file, one connection that writes, one transaction per batch.

One caller at a time uses it (the service sees to that), from whatever thread: nothing here needs a
lock. WAL with `synchronous=FULL`: what `sync` returned from has survived a power cut.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from sqlite_utils import Database

from schemas.base import rfc3339
from session_controller import points
from session_controller.engine.facts import Event
from session_controller.engine.state import SessionState
from session_controller.opening import (
    StoreBusyError,
    StoreDamagedError,
    StoreError,
    connect_to_read,
    is_damage,
    lock_folder,
    open_database,
    refuse_newer_schema,
)
from session_controller.points import Point
from session_controller.records import (
    Chunk,
    Code,
    CodeKind,
    Device,
    StoredAnswer,
    StoredFlow,
)
from session_controller.rows import (
    STATE,
    answer_row,
    chunk_row,
    cleared_row,
    code_row,
    device_row,
    event_row,
    flow_row,
    key_row,
    read_device,
    read_event,
    read_time,
    session_row,
)

__all__ = ["BACKUP_FILES", "Batch", "Store", "StoreBusyError", "StoreDamagedError", "StoreError"]

BACKUP_FILES = "backup_files"
"""The table of a backup that holds the data folder's other files."""

_MAX_DAMAGE = 20
_PAGES = 256
_PAUSE_S = 0.005
"""A backup takes a megabyte at a time, and waits this long while a batch is being written."""


@dataclass(slots=True)
class Batch:
    """All that one transaction writes. A later entry of a key takes the place of an earlier."""

    events: list[Event] = field(default_factory=list)
    states: dict[str, SessionState] = field(default_factory=dict)
    cleared: dict[str, datetime] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    dropped_uploads: list[tuple[str, str]] = field(default_factory=list)
    answers: list[StoredAnswer] = field(default_factory=list)
    flows: list[StoredFlow] = field(default_factory=list)
    purged: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


class Store:
    """The database of one data folder. Opening takes the folder's exclusive lock."""

    _damaged = False

    def __init__(self, folder: Path) -> None:
        self._lock: int | None = lock_folder(folder)
        try:
            self._db = open_database(folder)
        except BaseException:
            os.close(self._lock)
            raise

    @classmethod
    @contextmanager
    def reading(cls, path: Path) -> Iterator[Self]:
        """Read a file that nobody writes to, such as a backup. Raises `sqlite3.Error`."""
        store = cls.__new__(cls)
        store._lock = None  # noqa: SLF001 - its own
        store._db = Database(connect_to_read(path))  # noqa: SLF001
        try:
            refuse_newer_schema(store._db)  # noqa: SLF001
            yield store
        finally:
            store._db.conn.close()  # noqa: SLF001

    def close(self) -> None:
        """Checkpoint where the disk lets it, close, and give the folder's lock back."""
        try:
            with suppress(sqlite3.Error):  # the write-ahead log stays, and is read at the start
                self.checkpoint()
            self._db.conn.close()
        finally:
            if self._lock is not None:
                os.close(self._lock)

    def damage(self) -> list[str]:
        """Give what SQLite finds wrong with the file: nothing, where it is whole."""
        rows = self._db.execute(f"PRAGMA integrity_check({_MAX_DAMAGE})").fetchall()
        found = [str(row[0]) for row in rows if row[0] != "ok"]
        if not found and self._db.execute("PRAGMA foreign_key_check").fetchone():
            found.append("a row belongs to no session")
        return found

    # --- writing ---------------------------------------------------------------------------

    def write(self, batch: Batch) -> None:
        """Begin a transaction and write a batch into it: memory, until `sync` has returned.

        Many short statements, for the event loop's own thread: on another, each would have to wait
        for its turn. Raises `sqlite3.Error` (disk full, read-only, I/O error); then none is left.
        """
        self._refuse_if_damaged()
        with self._undone_on_error():
            self._db.conn.execute("BEGIN IMMEDIATE")
            self._write(batch)
        points.reached(Point.WRITTEN)

    def sync(self) -> None:
        """Commit what was written: on return all of it is on disk, on an error none of it is.

        One statement, which waits for the disk: for a thread of its own. Raises `sqlite3.Error`.
        """
        with self._undone_on_error():
            points.reached(Point.COMMITTING)
            self._db.conn.execute("COMMIT")

    @contextmanager
    def _undone_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            if self._db.conn.in_transaction:
                self._db.conn.execute("ROLLBACK")
            raise

    def distrust(self, error: sqlite3.Error) -> None:
        """Write no more, where an error shows that the file is damaged: a restore is due."""
        self._damaged = self._damaged or is_damage(error)

    def _refuse_if_damaged(self) -> None:
        if self._damaged:
            raise sqlite3.DatabaseError("the database is damaged; restore a backup")

    def _write(self, batch: Batch) -> None:
        self._many("INSERT OR REPLACE INTO flows VALUES (?,?,?,?)", flow_row, batch.flows)
        self._many(_UPSERT_DEVICE, device_row, batch.devices.values())
        self._many(_UPSERT_SESSION, session_row, batch.states.values())
        self._many(_INSERT_EVENT, event_row, batch.events)
        self._many("DELETE FROM chunks WHERE session=? AND upload=?", tuple, batch.dropped_uploads)
        self._many("INSERT OR IGNORE INTO chunks VALUES (?,?,?,?)", chunk_row, batch.chunks)
        self._many(
            "INSERT OR REPLACE INTO codes VALUES (?,?,?,?,?)", code_row, batch.codes.values()
        )
        self._many("INSERT OR REPLACE INTO answers VALUES (?,?,?,?)", answer_row, batch.answers)
        self._many(
            "UPDATE sessions SET cleared_at=? WHERE session=?", cleared_row, batch.cleared.items()
        )
        for table, column in _PURGED:
            self._many(f"DELETE FROM {table} WHERE {column}=?", key_row, batch.purged)  # noqa: S608

    def _many(
        self, sql: str, row: Callable[[Any], tuple[object, ...]], values: Collection[Any]
    ) -> None:
        if values:
            self._db.conn.executemany(sql, map(row, values))

    def checkpoint(self) -> None:
        """Move the write-ahead log into the database; only ever called on this connection."""
        self._refuse_if_damaged()
        self._db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def prune(self, before: datetime) -> None:
        """Forget answers to requests and codes that are older than anyone asks for."""
        with self._db.atomic():
            self._db.execute("DELETE FROM answers WHERE at < ?", [rfc3339(before)])
            self._db.execute("DELETE FROM codes WHERE expires_at < ?", [rfc3339(before)])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a fact about the box."""
        with self._db.atomic():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", [key, value])

    def backup(self, path: Path, files: Mapping[str, bytes]) -> None:
        """Copy the database as it stands at the end of this, and these files, into a new file.

        May run in a thread of its own while batches are committed. It reads through the one
        connection that writes, a few pages at a time: SQLite hands it what is written meanwhile,
        and no second connection comes near the write-ahead log. Raises `sqlite3.Error`, `OSError`.
        """
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            self._db.conn.backup(copy, pages=_PAGES, sleep=_PAUSE_S, progress=_backing_up)
            copy.execute("PRAGMA journal_mode=delete")  # one file, and nothing beside it
            copy.execute("PRAGMA synchronous=FULL")
            copy.execute("BEGIN")
            copy.execute(f"CREATE TABLE {BACKUP_FILES} (name TEXT PRIMARY KEY, bytes BLOB)")
            copy.executemany(f"INSERT INTO {BACKUP_FILES} VALUES (?,?)", files.items())  # noqa: S608
            copy.execute("COMMIT")

    # --- reading ---------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """How often the truth was set back: it rises with each restore."""
        return int(self.meta("epoch") or 1)

    def meta(self, key: str) -> str | None:
        """Give a fact about the box."""
        row = self._one("SELECT value FROM meta WHERE key=?", key)
        return row["value"] if row else None

    def flows(self) -> list[StoredFlow]:
        """Give all flows, the oldest first."""
        rows = self._db.query("SELECT * FROM flows ORDER BY added_at, flow_ref")
        return [
            StoredFlow(r["flow_ref"], r["flow_id"], read_time(r["added_at"]), r["canonical"])
            for r in rows
        ]

    def devices(self) -> list[Device]:
        """Give all devices, revoked ones too."""
        return [read_device(row) for row in self._db.query("SELECT * FROM devices")]

    def open_codes(self, at: datetime) -> list[Code]:
        """Give the codes that still work."""
        rows = self._db.query(
            "SELECT * FROM codes WHERE spent_at IS NULL AND expires_at > ?", [rfc3339(at)]
        )
        return [
            Code(r["code_hash"], CodeKind(r["kind"]), r["subject"], read_time(r["expires_at"]))
            for r in rows
        ]

    def live_states(self) -> list[SessionState]:
        """Give the sessions whose topics are retained: the open, and those that ended lately."""
        rows = self._db.query("SELECT state FROM sessions WHERE cleared_at IS NULL")
        return [STATE.validate_json(row["state"]) for row in rows]

    def states(self, *, ended: bool) -> list[SessionState]:
        """Give all sessions, or those that have not ended."""
        where = "" if ended else "WHERE ended_at IS NULL"
        rows = self._db.query(f"SELECT state FROM sessions {where} ORDER BY opened_at")  # noqa: S608
        return [STATE.validate_json(row["state"]) for row in rows]

    def state(self, session: str) -> SessionState | None:
        """Give a session's newest state."""
        row = self._one("SELECT state FROM sessions WHERE session=?", session)
        return STATE.validate_json(row["state"]) if row else None

    def ended_before(self, at: datetime) -> list[str]:
        """Give the sessions that ended before a moment."""
        rows = self._db.query("SELECT session FROM sessions WHERE ended_at <= ?", [rfc3339(at)])
        return [row["session"] for row in rows]

    def events(self, session: str, after: int = 0, limit: int | None = None) -> Iterator[Event]:
        """Give a session's events in order, from those of a higher revision on."""
        rows = self._db.query(
            "SELECT * FROM events WHERE session=? AND revision > ? ORDER BY id LIMIT ?",
            [session, after, -1 if limit is None else limit],
        )
        return map(read_event, rows)

    def answered(self, session: str, device: str, seq: int) -> Event | None:
        """Give the event that a device's `seq` was answered with."""
        row = self._one(
            "SELECT * FROM events WHERE session=? AND device=? AND seq=?", session, device, seq
        )
        return read_event(row) if row else None

    def answer(self, device: str, request_id: str) -> str | None:
        """Give the answer that a request was given, as JSON."""
        row = self._one(
            "SELECT answer FROM answers WHERE device=? AND request_id=?", device, request_id
        )
        return row["answer"] if row else None

    def chunks(self, session: str, upload: str) -> Iterator[bytes]:
        """Give the bytes of an upload, in order."""
        rows = self._db.query(
            "SELECT bytes FROM chunks WHERE session=? AND upload=? ORDER BY offset",
            [session, upload],
        )
        return (row["bytes"] for row in rows)

    def _one(self, sql: str, *values: object) -> dict[str, Any] | None:
        return next(iter(self._db.query(sql, values)), None)


_UPSERT_DEVICE = "INSERT OR REPLACE INTO devices VALUES (?,?,?,?,?,?,?,?,?)"
_UPSERT_SESSION = """
    INSERT INTO sessions (session, status, opened_at, ended_at, revision, state)
    VALUES (?,?,?,?,?,?)
    ON CONFLICT (session) DO UPDATE SET status=excluded.status, ended_at=excluded.ended_at,
        revision=excluded.revision, state=excluded.state
"""
_INSERT_EVENT = """
    INSERT INTO events (session, revision, at, device, seq, command_id, fact)
    VALUES (?,?,?,?,?,?,?)
"""


def _backing_up(_: int, __: int, ___: int) -> None:
    points.reached(Point.BACKING_UP)


_PURGED = (
    ("chunks", "session"),
    ("events", "session"),
    ("sessions", "session"),
    ("codes", "subject"),
)
