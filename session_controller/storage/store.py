"""The SQLite database: one file, one writing connection, one SQL transaction per `Transaction`.

It is used by one caller at a time (the service ensures this), from any thread: no locks needed.
WAL with `synchronous=FULL`: a transaction has survived a power failure once `sync` has returned.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.base import rfc3339, written
from session_controller import failpoints
from session_controller.audit.hash_chain import Checkpoint, Place, content_hash, follow, sign
from session_controller.engine.answering import BrokenLogError
from session_controller.engine.events import Event
from session_controller.engine.state import SessionState
from session_controller.errors import StoreDamagedError
from session_controller.failpoints import Point
from session_controller.security.encryption import (
    BoxKeyError,
    BoxKeys,
    Cipher,
    DecryptionError,
    new_key,
)
from session_controller.security.keys import CODES, LOG, SessionKeys, session_key, staff_key
from session_controller.storage.database import (
    BUSY_MS,
    DATABASE,
    Outdated,
    is_damage,
    lock_folder,
    open_database,
    take_box_keys,
)
from session_controller.storage.deliveries import Delivery
from session_controller.storage.delivery_rows import (
    DROP_DESTINATION,
    INSERT_DELIVERY,
    KEEP_ARRIVALS,
    UPDATE_DELIVERY,
    queued_row,
    updated_row,
)
from session_controller.storage.documents import DocumentStore, Upload, part_name
from session_controller.storage.entities import Entry, LoggedBoxEvent
from session_controller.storage.purge import purge
from session_controller.storage.reader import Reader
from session_controller.storage.rows import (
    act_place,
    answer_row,
    checkpoint_row,
    cleared_row,
    code_row,
    device_row,
    emergency_row,
    entry_row,
    event_content,
    event_place,
    flow_row,
    key_row,
    person_row,
    session_row,
)
from session_controller.storage.snapshots import Snapshots
from session_controller.storage.statements import (
    CLEARED,
    DELETE_CHECKPOINT,
    DELETE_KEY,
    FORGET_DEVICE,
    FORGET_GUESTS,
    INSERT_CHECKPOINT,
    INSERT_EVENT,
    INSERT_KEY,
    UPSERT_DEVICE,
    UPSERT_EMERGENCY,
    UPSERT_PERSON,
    UPSERT_SESSION,
)
from session_controller.storage.transaction import Transaction

_log = logging.getLogger(__name__)

_STOPPED = "stopped"
"""The property of a box that was stopped in good order; a running one has none."""
_PROBED = "probed"
"""The property of a box that `Store.probe` changes: when it was last called."""
_UNTHINNED_DAYS = 3
"""Days before today that may have more than one signature of the log; each start thins them."""
_LIVE = "SELECT session FROM sessions WHERE cleared_at IS NULL"
_MAX_FROZEN_BYTES = 64 << 20
"""Size of the write-ahead log from which a backup that reads the file is interrupted."""
_READERS_MAY_TAKE_S = 300.0
"""How long a backup waits for `handrail audit verify`, for example, to read what is older."""
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
"""Errors while a transaction is being written."""
_PAUSE_S = 0.005
_SPARE_PAGES = 256
_MOVED_PAGES = 128
"""At once, in the order of 10 ms on a small board's card."""


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _files(state: SessionState) -> Iterator[str]:
    """Yield the names of the files that a session refers to."""
    for document in state.documents.values():
        if document.stored:
            yield document.stored.file
        elif not state.status.ended:
            yield part_name(document.upload)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Convert errors that mean an unreadable session into one with a message for people."""
    try:
        yield
    except (DecryptionError, BoxKeyError, BrokenLogError, LookupError, ValueError) as error:
        raise StoreDamagedError(
            f"A session in {folder} cannot be read; `handrail audit verify` shows which one"
        ) from error


class Store(Reader):
    """The database of one data folder. Opening it takes the folder's exclusive lock."""

    _damaged = False
    _frozen = False

    def __init__(self, folder: Path, outdated: Outdated = Outdated.REFUSE) -> None:
        self._folder = folder
        self._lock: int | None = lock_folder(folder)
        try:
            self._set_up(folder, outdated)
        except BaseException:
            os.close(self._lock)
            raise

    def _set_up(self, folder: Path, outdated: Outdated) -> None:
        db = open_database(folder, outdated)
        try:
            self.document_store = DocumentStore(folder)
            keys = SessionKeys(take_box_keys(folder, db), self._find_key)
            super().__init__(db, keys, self.document_store.sealed)
            self.codes_key = self._own_key(CODES)
            self.staff_key = staff_key(self.codes_key)
            self._signing = Ed25519PrivateKey.from_private_bytes(self._own_key(LOG))
            self._head = self._stored_head = self.head()
            self._signed = self.signed()
            self._snapshots = Snapshots()
            self._catch_up()
        except BaseException:
            db.conn.close()
            raise
        self._doomed: list[tuple[str, str]] = []
        self._copying = self._frozen = False
        self._fresh_keys: list[str] = []
        self._to_sweep: list[str] = []
        self._interrupt: Callable[[], None] | None = None
        self._wal = folder / f"{DATABASE}-wal"

    def _find_key(self, name: str) -> bytes | None:
        row = self._one("SELECT wrapped FROM keys WHERE name=?", name)
        return row["wrapped"] if row else None

    def _own_key(self, name: str) -> bytes:
        """Return one of the box's own keys, creating it if absent."""
        key = self._keys.key(name)
        if key is None:
            key = new_key()
            with self._db.atomic():
                self._db.execute(INSERT_KEY, [name, self._keys.box.wrap(key, name)])
        return key

    def _catch_up(self) -> None:
        """Store states that were left behind their log, so that they are replayed only once."""
        with _readable(self._folder):
            live = self.caught_up("WHERE cleared_at IS NULL")
            states = [state for state, events in live if events]
        with suppress(sqlite3.Error):  # a full disk: readers replay the log themselves
            self._write_states(states)

    def _write_states(self, states: Collection[SessionState]) -> None:
        self._refuse_if_damaged()
        if states:
            with self._db.atomic():
                self._many(UPSERT_SESSION, self._session_row, states)

    def close(self) -> None:
        """Store all outdated states if the disk allows, and release the folder's lock."""
        try:
            with suppress(sqlite3.Error):  # the next start replays the rest
                self._write_states(self._snapshots.behind())
                if self.is_swept and not self._doomed:
                    self.set_meta(_STOPPED, "well")
                self.checkpoint()
            self._db.conn.close()
        finally:
            if self._lock is not None:
                os.close(self._lock)

    # --- writing ---------------------------------------------------------------------------

    def write(self, transaction: Transaction) -> None:
        """Write `transaction` in a new SQL transaction; nothing is durable until `sync` returns.

        Many short statements, for the event loop's own thread: on another, each would have to wait
        for its turn. Raises `sqlite3.Error` (disk full, read-only, I/O error) and then rolls back.
        """
        self._refuse_if_damaged()
        try:
            self._db.conn.execute("BEGIN IMMEDIATE")
            self._write(transaction)
        except BaseException:
            self._undo()
            raise
        failpoints.reached(Point.WRITTEN)

    def sync(self, transaction: Transaction) -> None:
        """Commit the written transaction: on return it is on disk, on an error none of it is.

        It waits for the disk: for a separate thread. Bytes of uploads are on the disk before the
        commit that counts them; without it, they count as little as if they were not there. Raises
        `sqlite3.Error` and `OSError`.
        """
        try:
            self.document_store.append(transaction.chunks, self._keys.cipher)
            failpoints.reached(Point.COMMITTING)
            self._db.conn.execute("COMMIT")
        except BaseException:
            self._undo()
            raise
        self._stored_head = self._head
        self._snapshots.stored()
        self._discard(transaction.dropped_documents)
        self._discard_parts(transaction)
        for session in transaction.cleared:
            self._keys.forget(session)

    def _undo(self) -> None:
        """Roll back a transaction that could not be written or committed."""
        if self._db.conn.in_transaction:
            self._db.conn.execute("ROLLBACK")
        self._head = self._stored_head
        for session in self._fresh_keys:  # they were not stored
            self._keys.forget(session)
        self._fresh_keys = []

    def distrust(self, error: sqlite3.Error) -> None:
        """Stop writing if an error shows that the file is damaged: it must be restored."""
        self._damaged = self._damaged or is_damage(error)

    @property
    def is_damaged(self) -> bool:
        """Whether an error has shown that the file is damaged; nothing is written then."""
        return self._damaged

    def _refuse_if_damaged(self) -> None:
        if self._damaged:
            raise sqlite3.DatabaseError("the database is damaged; restore a backup")

    def _write(self, transaction: Transaction) -> None:
        self._many("INSERT OR REPLACE INTO flows VALUES (?,?,?,?,?)", flow_row, transaction.flows)
        self._many(UPSERT_DEVICE, device_row, transaction.devices.values())
        self._many(UPSERT_PERSON, person_row, transaction.persons.values())
        cipher, emergencies = Cipher(self.staff_key), transaction.emergencies.values()
        self._many(UPSERT_EMERGENCY, lambda e: emergency_row(e, cipher), emergencies)
        self._many(FORGET_DEVICE, key_row, transaction.forgotten_devices)
        self._many(INSERT_KEY, tuple, self._new_keys(transaction))
        self._log(transaction)
        self._many(UPSERT_SESSION, self._session_row, self._snapshots.due(transaction))
        self._many(
            "INSERT OR REPLACE INTO codes VALUES (?,?,?,?,?)", code_row, transaction.codes.values()
        )
        self._many(
            "INSERT OR REPLACE INTO answers VALUES (?,?,?,?)", answer_row, transaction.answers
        )
        self._many(
            CLEARED,
            cleared_row,
            transaction.cleared.items(),
        )
        self._many(FORGET_GUESTS, key_row, transaction.cleared)
        self._write_deliveries(transaction)
        purge(self._db.conn, transaction.purged)
        self._many(DELETE_KEY, key_row, [session_key(name) for name in transaction.purged])

    def _write_deliveries(self, transaction: Transaction) -> None:
        self._many(INSERT_DELIVERY, queued_row, transaction.queued)
        known = [d for d in transaction.deliveries if self._keys.knows(d.session)]
        self._many(UPDATE_DELIVERY, self._delivery_row, known)
        self._many(KEEP_ARRIVALS, key_row, transaction.dropped_destinations)
        self._many(DROP_DESTINATION, key_row, transaction.dropped_destinations)

    def _delivery_row(self, delivery: Delivery) -> tuple[object, ...]:
        return updated_row(delivery, self._keys.cipher(delivery.session))

    def _new_keys(self, transaction: Transaction) -> list[tuple[str, bytes]]:
        self._fresh_keys = [s for s in transaction.states if not self._keys.knows(s)]
        return [self._keys.make(session) for session in self._fresh_keys]

    def _session_row(self, state: SessionState) -> tuple[object, ...]:
        return session_row(state, self._head.entry, self._keys.cipher(state.session))

    def _log(self, transaction: Transaction) -> None:
        """Append the transaction's events to the log."""
        entries = [self._event_entry(event) for event in transaction.events]
        entries += [self._entry(act_place(act), written(act.act)) for act in transaction.box_events]
        self._many(INSERT_EVENT, entry_row, entries)

    def _event_entry(self, event: Event) -> Entry:
        cipher = self._keys.cipher(event.session)
        return self._entry(event_place(event), event_content(event, self._head.entry + 1, cipher))

    def _entry(self, place: Place, content: bytes) -> Entry:
        digest = content_hash(content)
        self._head = follow(self._head, place, digest)
        return Entry(self._head.entry, place, content, digest, self._head.chain)

    def _many(
        self, sql: str, row: Callable[[Any], tuple[object, ...]], values: Collection[Any]
    ) -> None:
        if values:
            self._db.conn.executemany(sql, map(row, values))

    def checkpoint(self, *, empty: bool = False) -> bool:
        """Checkpoint the write-ahead log; must only be called on this connection.

        The next transaction reuses the log file, which is faster to sync than growing it; `empty`
        truncates it. Returns whether everything was checkpointed: while another process reads the
        file, call it again later. Raises `sqlite3.Error`.
        """
        self._refuse_if_damaged()
        if self._frozen and not empty and _size(self._wal) < _MAX_FROZEN_BYTES:
            return False
        if self._frozen:
            self._disturb()
        mode = "TRUNCATE" if empty else "RESTART"
        self._db.conn.execute("PRAGMA busy_timeout=0")
        try:
            busy = self._db.conn.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
        finally:
            self._db.conn.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        return not busy

    @property
    def log_bytes(self) -> int:
        """Return the size of the write-ahead log's file, in bytes."""
        return _size(self._wal)

    def forget(self, purged: Collection[str]) -> None:
        """Remove the keys in memory and the documents of purged sessions. Raises `OSError`.

        Call it after the purge has been committed, and `scrub` in the end; idempotent.
        """
        self._disturb()
        for session in purged:
            self._keys.forget(session)
        self.document_store.forget(purged)

    def scrub(self) -> None:
        """Erase every byte of purged sessions in the write-ahead log; idempotent.

        Raises `sqlite3.Error`.
        """
        self._disturb()
        if not self.checkpoint(empty=True):
            raise sqlite3.OperationalError("another process is reading the database")

    def compact(self) -> bool:
        """Move some pages from the end of the file into free ones; return whether more are due.

        A tenth of the pages stays free, so that what is purged each day is not moved each day. The
        file shrinks with the next checkpoint. Raises `sqlite3.Error`.
        """
        self._refuse_if_damaged()
        spare = max(_SPARE_PAGES, self._number("PRAGMA page_count") // 10)
        due = self._number("PRAGMA freelist_count") - spare
        if due > 0:  # `execute` would move one page: it stops at the first row of the statement
            self._db.conn.executescript(f"PRAGMA incremental_vacuum({min(due, _MOVED_PAGES)})")
        return due > _MOVED_PAGES

    def _number(self, sql: str) -> int:
        return int(self._db.conn.execute(sql).fetchone()[0])

    def prune(self, before: datetime) -> None:
        """Delete answers to requests and codes that are too old to be asked for again."""
        with self._db.atomic():
            self._db.execute("DELETE FROM answers WHERE at < ?", [rfc3339(before)])
            self._db.execute("DELETE FROM codes WHERE expires_at < ?", [rfc3339(before)])

    def set_meta(self, key: str, value: str) -> None:
        """Store a property of the box, unless it is unchanged."""
        if self.meta(key) == value:
            return
        with self._db.atomic():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", [key, value])

    def probe(self, at: datetime) -> None:
        """Commit a small change, to find out whether the database stores.

        Raises `sqlite3.Error`.
        """
        self._refuse_if_damaged()
        self.set_meta(_PROBED, rfc3339(at))

    # --- keys and signatures ---------------------------------------------------------------

    def cipher(self, session: str) -> Cipher:
        """Return the cipher of a session's documents. Raises `KeyGoneError`."""
        return self._keys.cipher(session)

    def screen_key(self, session: str, device: str) -> str | None:
        """Return the key of what a screen stores of a live session, without reading the database.

        None if the session's key is not at hand, as after a transaction that failed.
        """
        return self._keys.screen_key(session, device)

    def rewrap(self, box: BoxKeys, act: LoggedBoxEvent) -> int:
        """Wrap all keys with the first key of `box`, in one transaction; return their number."""
        keys = {name: self._keys.key(name) for name in self.wrapped_keys()}
        transaction = Transaction(box_events=[act])
        try:
            self._db.conn.execute("BEGIN IMMEDIATE")
            rows = [(box.wrap(key, name), name) for name, key in keys.items() if key]
            self._db.conn.executemany("UPDATE keys SET wrapped=? WHERE name=?", rows)
            self._write(transaction)
        except BaseException:
            self._undo()
            raise
        self.sync(transaction)
        self._keys.box = box
        return len(rows)

    @property
    def public_key(self) -> bytes:
        """Return the public key that verifies the box's signatures: 32 bytes (RFC 8032, 5.1.5)."""
        return self._signing.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Sign with the box's Ed25519 key."""
        return self._signing.sign(message)

    @property
    def unsigned(self) -> int:
        """Return how many log entries no signature covers yet."""
        return self._stored_head.entry - self._signed

    def sign_head(self, at: datetime) -> Checkpoint:
        """Sign the log's head as it is on disk, and store the signature."""
        checkpoint = sign(self._signing, self._stored_head, rfc3339(at))
        with self._db.atomic():
            self._db.execute(INSERT_CHECKPOINT, checkpoint_row(checkpoint))
        self._signed = checkpoint.head.entry
        return checkpoint

    def thin_signatures(self, at: datetime) -> None:
        """Delete the signatures of earlier days (UTC) but the last of each; the log is unchanged.

        Raises `sqlite3.Error`.
        """
        today, days = rfc3339(at)[:10], list[str]()
        gone: list[int] = []
        for entry, signed_at in self._db.conn.execute(
            "SELECT entry, at FROM checkpoints ORDER BY entry DESC"
        ):
            day = signed_at[:10]
            if day in {today, *days}:
                gone += [entry] if day in days else []
            elif len(days) == _UNTHINNED_DAYS:
                break  # earlier days have been thinned before
            elif day < today:
                days.append(day)
        with self._db.atomic():
            self._many(DELETE_CHECKPOINT, lambda entry: (entry,), gone)

    # --- documents and backups -------------------------------------------------------------

    def _discard(self, documents: Collection[tuple[str, str]]) -> None:
        """Remove files that nothing refers to; during a backup, only once it is complete."""
        self._doomed += documents
        if self._copying:
            return
        doomed, self._doomed = self._doomed, []
        for session, name in doomed:
            self._remove(session, name)

    def _discard_parts(self, transaction: Transaction) -> None:
        """Remove the files of uploads that ended; one that began again has another file already.

        At once, even during a backup, which does not copy them: the same upload may begin again.
        """
        begun: set[Upload] = {(chunk.session, chunk.upload) for chunk in transaction.chunks}
        for session, upload in transaction.dropped_uploads:
            if (session, upload) not in begun:
                failpoints.reached(Point.REMOVING_PART)
                self._remove(session, part_name(upload))

    def _remove(self, session: str, name: str) -> None:
        try:
            self.document_store.discard(session, name)
        except OSError as error:  # the next start removes it
            _log.warning(
                "cannot remove a document's file; the next start tries again: %s", error.strerror
            )

    def sweep(self) -> None:
        """Remove files of live sessions left over by a crash; at the start, before any write.

        After a crash, the files of ended sessions follow with `sweep_ended`, one session at a time.
        Raises `StoreDamagedError` if a session cannot be read.
        """
        stopped_well = self.meta(_STOPPED) is not None
        if stopped_well:
            with self._db.atomic():
                self._db.execute("DELETE FROM meta WHERE key=?", [_STOPPED])
        with _readable(self._folder):
            for state in self.live_states():
                self._sweep(state)
        if not stopped_well:
            self._find_left_over()

    def _find_left_over(self) -> None:
        live = {row["session"] for row in self._rows(_LIVE)}
        stored = set(self.session_names())
        found = self.document_store.sessions()
        self.document_store.forget([name for name in found if name not in stored])
        self._to_sweep = [name for name in found if name in stored and name not in live]

    @property
    def is_swept(self) -> bool:
        """Whether no folder of an ended session may hold what a crash left over."""
        return not self._to_sweep

    def sweep_ended(self) -> None:
        """Remove the files of one ended session that it does not refer to.

        Raises `StoreDamagedError` if the session cannot be read, `sqlite3.Error` and `OSError`:
        its files stay then.
        """
        session = self._to_sweep.pop()
        with _readable(self._folder):
            state = self.state(session)
        if state is not None:
            self._sweep(state)

    def _sweep(self, state: SessionState) -> None:
        self.document_store.sweep(state.session, set(_files(state)))

    @contextmanager
    def copied(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Keep what a backup copies: the database's file until `thaw`, documents until the end.

        On entry the file holds every commit so far; later ones stay in the write-ahead log. May be
        used on a thread of its own while transactions are committed: no second connection touches
        the write-ahead log. If a purge, or a write-ahead log that is too large, cannot wait, the
        store calls `interrupt`, and then changes the file. Raises `sqlite3.Error`.
        """
        self._interrupt, self._copying = interrupt, True
        try:
            self._freeze()
            yield
        finally:
            self._frozen = self._copying = False
            self._interrupt = None

    def thaw(self) -> None:
        """Allow the database's file to change again."""
        self._frozen = False

    def _freeze(self) -> None:
        """Move the write-ahead log into the file, and keep it so."""
        deadline = time.monotonic() + _READERS_MAY_TAKE_S
        while True:
            self._refuse_if_damaged()
            self._frozen = True
            try:
                found = self._db.conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if found[1] == found[2]:  # frames in the log, and in the file
                    return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode not in _PASSING:
                    raise
            self._frozen = False
            if time.monotonic() > deadline:
                raise sqlite3.OperationalError("another process is reading the database")
            time.sleep(_PAUSE_S)

    def _disturb(self) -> None:
        """Interrupt what copies the database: its file is about to change."""
        interrupt = self._interrupt
        if interrupt is not None:
            interrupt()
        self._frozen = False
