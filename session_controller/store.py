"""The SQLite database: one file, one connection that writes, one transaction per batch.

One caller at a time uses it (the service sees to that), from whatever thread: nothing here needs a
lock. WAL with `synchronous=FULL`: what `sync` returned from has survived a power cut.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from schemas.base import rfc3339, written
from session_controller import points
from session_controller.batch import Batch
from session_controller.chain import Checkpoint, Place, content_hash, follow, sign
from session_controller.copying import copy_database
from session_controller.delivery.deliveries import Delivery
from session_controller.engine.facts import Event
from session_controller.engine.forms import BrokenLogError
from session_controller.engine.state import SessionState
from session_controller.errors import StoreDamagedError
from session_controller.keychain import CODES, LOG, Keychain, session_key
from session_controller.opening import (
    BUSY_MS,
    is_damage,
    lock_folder,
    open_database,
    take_box_keys,
)
from session_controller.outbox import (
    DROP_DESTINATION,
    INSERT_DELIVERY,
    UPDATE_DELIVERY,
    queued_row,
    updated_row,
)
from session_controller.points import Point
from session_controller.reading import Reader
from session_controller.records import (
    Chunk,
    Entry,
    LoggedAct,
)
from session_controller.rows import (
    act_place,
    answer_row,
    checkpoint_row,
    chunk_row,
    cleared_row,
    code_row,
    device_row,
    entry_row,
    event_content,
    event_place,
    flow_row,
    key_row,
    session_row,
)
from session_controller.sealing import BoxKeyError, BoxKeys, SealBrokenError, Sealer, new_key
from session_controller.snapshots import Snapshots
from session_controller.statements import (
    DELETE_KEY,
    INSERT_CHECKPOINT,
    INSERT_EVENT,
    INSERT_KEY,
    PURGE,
    UPSERT_DEVICE,
    UPSERT_SESSION,
)
from session_controller.vault import Vault

_log = logging.getLogger(__name__)


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Turn what shows that a session cannot be read into what a person reads."""
    try:
        yield
    except (SealBrokenError, BoxKeyError, BrokenLogError, LookupError, ValueError) as error:
        raise StoreDamagedError(
            f"A session in {folder} cannot be read; `handrail audit verify` says which"
        ) from error


class Store(Reader):
    """The database of one data folder. Opening takes the folder's exclusive lock."""

    _damaged = False

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: int | None = lock_folder(folder)
        try:
            self._set_up(folder)
        except BaseException:
            os.close(self._lock)
            raise

    def _set_up(self, folder: Path) -> None:
        db = open_database(folder)
        try:
            self.vault = Vault(folder)
            keys = Keychain(take_box_keys(folder, db), self._find_key)
            super().__init__(db, keys, self.vault.sealed)
            self.codes_key = self._own_key(CODES)
            self._signing = Ed25519PrivateKey.from_private_bytes(self._own_key(LOG))
            self._head = self._stored_head = self.head()
            self._signed = max((c.head.entry for c in self.checkpoints()), default=0)
            self._snapshots = Snapshots()
            self._catch_up()
        except BaseException:
            db.conn.close()
            raise
        self._doomed: list[tuple[str, str]] = []
        self._copying = False

    def _find_key(self, name: str) -> bytes | None:
        row = self._one("SELECT wrapped FROM keys WHERE name=?", name)
        return row["wrapped"] if row else None

    def _own_key(self, name: str) -> bytes:
        """Give a key of the box's own; make it where there is none yet."""
        key = self._keys.key(name)
        if key is None:
            key = new_key()
            with self._db.atomic():
                self._db.execute(INSERT_KEY, [name, self._keys.box.wrap(key, name)])
        return key

    def _catch_up(self) -> None:
        """Write what the last run left behind its log, so that it is taken up once."""
        with _readable(self._folder):
            states = [state for state, events in self.caught_up("WHERE ended_at IS NULL") if events]
        with suppress(sqlite3.Error):  # a full disk: then all readers take it up themselves
            self._write_states(states)

    def _write_states(self, states: Collection[SessionState]) -> None:
        self._refuse_if_damaged()
        if states:
            with self._db.atomic():
                self._many(UPSERT_SESSION, self._session_row, states)

    def close(self) -> None:
        """Bring all states up to date where the disk lets it, and give the folder's lock back."""
        try:
            with suppress(sqlite3.Error):  # the next start takes up what is left
                self._write_states(self._snapshots.behind())
                self.checkpoint()
            self._db.conn.close()
        finally:
            if self._lock is not None:
                os.close(self._lock)

    # --- writing ---------------------------------------------------------------------------

    def write(self, batch: Batch) -> None:
        """Begin a transaction and write a batch into it: memory, until `sync` has returned.

        Many short statements, for the event loop's own thread: on another, each would have to wait
        for its turn. Raises `sqlite3.Error` (disk full, read-only, I/O error); then none is left.
        """
        self._refuse_if_damaged()
        try:
            self._db.conn.execute("BEGIN IMMEDIATE")
            self._write(batch)
        except BaseException:
            self._undo(batch)
            raise
        points.reached(Point.WRITTEN)

    def sync(self, batch: Batch) -> None:
        """Commit what was written: on return all of it is on disk, on an error none of it is.

        One statement, which waits for the disk: for a thread of its own. Raises `sqlite3.Error`.
        """
        try:
            points.reached(Point.COMMITTING)
            self._db.conn.execute("COMMIT")
        except BaseException:
            self._undo(batch)
            raise
        self._stored_head = self._head
        self._snapshots.stored()
        self._discard(batch.dropped_documents)
        for session in batch.cleared:
            self._keys.forget(session)

    def _undo(self, batch: Batch) -> None:
        """Be as before a batch that could not be written or committed."""
        if self._db.conn.in_transaction:
            self._db.conn.execute("ROLLBACK")
        self._head = self._stored_head
        for session in batch.states:  # a key that was made is not stored
            self._keys.forget(session)

    def distrust(self, error: sqlite3.Error) -> None:
        """Write no more, where an error shows that the file is damaged: a restore is due."""
        self._damaged = self._damaged or is_damage(error)

    def _refuse_if_damaged(self) -> None:
        if self._damaged:
            raise sqlite3.DatabaseError("the database is damaged; restore a backup")

    def _write(self, batch: Batch) -> None:
        self._many("INSERT OR REPLACE INTO flows VALUES (?,?,?,?,?)", flow_row, batch.flows)
        self._many(UPSERT_DEVICE, device_row, batch.devices.values())
        self._many(INSERT_KEY, tuple, self._new_keys(batch))
        self._log(batch)
        self._many(UPSERT_SESSION, self._session_row, self._snapshots.due(batch))
        self._many("DELETE FROM chunks WHERE session=? AND upload=?", tuple, batch.dropped_uploads)
        self._many("INSERT OR IGNORE INTO chunks VALUES (?,?,?,?)", self._chunk_row, batch.chunks)
        self._many(
            "INSERT OR REPLACE INTO codes VALUES (?,?,?,?,?)", code_row, batch.codes.values()
        )
        self._many("INSERT OR REPLACE INTO answers VALUES (?,?,?,?)", answer_row, batch.answers)
        self._many(
            "UPDATE sessions SET cleared_at=? WHERE session=?", cleared_row, batch.cleared.items()
        )
        self._write_deliveries(batch)
        for statement in PURGE:
            self._many(statement, key_row, batch.purged)
        self._many(DELETE_KEY, key_row, [session_key(name) for name in batch.purged])

    def _write_deliveries(self, batch: Batch) -> None:
        self._many(INSERT_DELIVERY, queued_row, batch.queued)
        known = [d for d in batch.deliveries if self._keys.knows(d.session)]
        self._many(UPDATE_DELIVERY, self._delivery_row, known)
        self._many(DROP_DESTINATION, key_row, batch.dropped_destinations)

    def _delivery_row(self, delivery: Delivery) -> tuple[object, ...]:
        return updated_row(delivery, self._keys.sealer(delivery.session))

    def _new_keys(self, batch: Batch) -> list[tuple[str, bytes]]:
        return [self._keys.make(s) for s in batch.states if not self._keys.knows(s)]

    def _session_row(self, state: SessionState) -> tuple[object, ...]:
        return session_row(state, self._head.entry, self._keys.sealer(state.session))

    def _chunk_row(self, chunk: Chunk) -> tuple[object, ...]:
        return chunk_row(chunk, self._keys.sealer(chunk.session))

    def _log(self, batch: Batch) -> None:
        """Continue the chain with what the batch says."""
        entries = [self._event_entry(event) for event in batch.events]
        entries += [self._entry(act_place(act), written(act.act)) for act in batch.acts]
        self._many(INSERT_EVENT, entry_row, entries)

    def _event_entry(self, event: Event) -> Entry:
        sealer = self._keys.sealer(event.session)
        return self._entry(event_place(event), event_content(event, self._head.entry + 1, sealer))

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
        """Move the write-ahead log into the database; only ever called on this connection.

        The next batch begins the log anew within the same file, which is quicker to sync than one
        that has to grow; `empty` leaves no byte in it. Tells whether all was moved: while somebody
        reads the file, it waits for another time rather than for them. Raises `sqlite3.Error`.
        """
        self._refuse_if_damaged()
        mode = "TRUNCATE" if empty else "RESTART"
        self._db.conn.execute("PRAGMA busy_timeout=0")
        try:
            busy = self._db.conn.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()[0]
        finally:
            self._db.conn.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        return not busy

    def scrub(self, purged: Collection[str]) -> None:
        """Leave no byte of purged sessions behind, in files or in the write-ahead log.

        Call it once the purge is committed; doing it again does no harm. Raises `sqlite3.Error`,
        `OSError`.
        """
        for session in purged:
            self._keys.forget(session)
            self.vault.forget(session)
        if not self.checkpoint(empty=True):
            raise sqlite3.OperationalError("somebody reads the file")

    def prune(self, before: datetime) -> None:
        """Forget answers to requests and codes that are older than anyone asks for."""
        with self._db.atomic():
            self._db.execute("DELETE FROM answers WHERE at < ?", [rfc3339(before)])
            self._db.execute("DELETE FROM codes WHERE expires_at < ?", [rfc3339(before)])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a fact about the box; one that is known is not written again."""
        if self.meta(key) == value:
            return
        with self._db.atomic():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", [key, value])

    # --- keys and signatures ---------------------------------------------------------------

    def sealer(self, session: str) -> Sealer:
        """Give what seals a session's documents. Raises `KeyGoneError`."""
        return self._keys.sealer(session)

    def rewrap(self, box: BoxKeys, act: LoggedAct) -> int:
        """Wrap all keys by the first of `box`, in one transaction; gives how many it were."""
        keys = {name: self._keys.key(name) for name in self.wrapped_keys()}
        batch = Batch(acts=[act])
        try:
            self._db.conn.execute("BEGIN IMMEDIATE")
            rows = [(box.wrap(key, name), name) for name, key in keys.items() if key]
            self._db.conn.executemany("UPDATE keys SET wrapped=? WHERE name=?", rows)
            self._write(batch)
        except BaseException:
            self._undo(batch)
            raise
        self.sync(batch)
        self._keys.box = box
        return len(rows)

    @property
    def public_key(self) -> bytes:
        """The key that verifies what this box signs: 32 bytes (RFC 8032, 5.1.5)."""
        return self._signing.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """Sign with the box's Ed25519 key."""
        return self._signing.sign(message)

    @property
    def unsigned(self) -> int:
        """How many entries of the log no signature covers yet."""
        return self._stored_head.entry - self._signed

    def sign_head(self, at: datetime) -> Checkpoint:
        """Sign the log's head as it is on disk, and keep that."""
        checkpoint = sign(self._signing, self._stored_head, rfc3339(at))
        with self._db.atomic():
            self._db.execute(INSERT_CHECKPOINT, checkpoint_row(checkpoint))
        self._signed = checkpoint.head.entry
        return checkpoint

    # --- documents and backups -------------------------------------------------------------

    def _discard(self, documents: Collection[tuple[str, str]]) -> None:
        """Remove files that nothing speaks of; while a backup is made, a little later."""
        self._doomed += documents
        if self._copying:
            return
        doomed, self._doomed = self._doomed, []
        for session, name in doomed:
            try:
                self.vault.discard(session, name)
            except OSError as error:  # the next start sweeps it up
                _log.warning("a document's file stays: %s", error.strerror)

    def sweep(self) -> None:
        """Remove files that a crash left over. For the start, before anything is written.

        It reads every session: raises `StoreDamagedError` where one cannot be read.
        """
        with _readable(self._folder):
            states = self.states()
        wanted = (
            (state.session, document.stored.file)
            for state in states
            for document in state.documents.values()
            if document.stored
        )
        self.vault.sweep(wanted)

    def backup(self, path: Path) -> dict[str, bytes]:
        """Copy the database as it stands at the end of this, and the documents, into a new file.

        Gives the wrapped keys, which are not in the copy. May run in a thread of its own while
        batches are committed: it reads through the one connection that writes, a few pages at a
        time; SQLite hands it what is written meanwhile, and no second connection comes near the
        write-ahead log. Raises `sqlite3.Error`, `OSError`.
        """
        self._copying = True
        try:
            return copy_database(self._db.conn, self.vault, path)
        finally:
            self._copying = False
