"""Putting a backup in the place of a database, so that nobody takes the older truth for an error.

The epoch rises: devices that hold newer views then accept the older ones, and send again what
they still hold. It is the time in seconds, so that it rises above every epoch of this box, also of
a database that cannot be read any more. What was purged stays purged: sessions without a key, and
those of which the database that is replaced knows it.
"""

import os
import shutil
import sqlite3
from collections.abc import Collection
from contextlib import AbstractContextManager, closing, suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from schemas.base import written
from session_controller.acts import Act, Restored, SessionPurged
from session_controller.backups import ASIDE, KEPT_FILES
from session_controller.chain import Head, content_hash, follow
from session_controller.errors import StoreError
from session_controller.files import sync_folder, write_private
from session_controller.keychain import session_key
from session_controller.keyring import Keyring, keyring_of, read_keyring
from session_controller.opening import (
    DATABASE,
    DOCUMENTS_DRAFT,
    DRAFT,
    RESTORING,
    discard_drafts,
    lock_folder,
)
from session_controller.reading import BACKUP_DOCUMENTS, Reader
from session_controller.records import Entry, LoggedAct
from session_controller.rows import act_place, entry_row
from session_controller.sealing import BoxKeys, new_key
from session_controller.statements import INSERT_EVENT, INSERT_KEY, PURGE
from session_controller.vault import FOLDER as DOCUMENTS
from session_controller.vault import is_document
from session_controller.verification import verify

_SIDE_FILES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Restoration:
    """What a restore did."""

    epoch: int
    sessions: int
    replaced: Path | None
    """Where the database that was there before is kept."""


def restore(data: Path, backup: Path, at: datetime) -> Restoration:
    """Put a backup into a data folder. Killed at any point, it can be done again.

    Raises `StoreBusyError` while a box runs there, and `StoreError` for what is no whole backup.
    """
    lock = lock_folder(data)
    try:
        verified = verify(backup)
        if verified.faults:
            raise StoreError(f"{backup} cannot be restored: {verified.faults[0]}")
        keyring = read_keyring(keyring_of(backup))
        known_epoch, purged = _known(data)
        epoch = max(verified.epoch + 1, known_epoch + 1, int(at.timestamp()))
        sessions = _prepared(_Draft(data, keyring, at), backup, epoch, purged)
        write_private(data / RESTORING, f"{backup}\n".encode())
        replaced = _put_aside(data, at)
        for name in KEPT_FILES:
            if name in keyring.files:
                write_private(data / name, keyring.files[name])
        (data / DOCUMENTS_DRAFT).rename(data / DOCUMENTS)
        (data / DRAFT).replace(data / DATABASE)
        sync_folder(data)
        (data / RESTORING).unlink()
        sync_folder(data)
    finally:
        os.close(lock)
    return Restoration(epoch, sessions, replaced)


def _known(data: Path) -> tuple[int, set[str]]:
    """Ask the database that is to be replaced, and those before it, for epochs and purges.

    A restore that was killed may have put it aside already. The log tells without a key.
    """
    epoch, purged = 0, set[str]()
    for path in (data / DATABASE, *data.glob(f"{ASIDE}*/{DATABASE}")):
        with suppress(sqlite3.Error, StoreError, ValueError), _without_key(path) as reader:
            epoch, purged = max(epoch, reader.epoch), purged | reader.purged()
    return epoch, purged


def _without_key(path: Path) -> AbstractContextManager[Reader]:
    return Reader.of(path, BoxKeys([new_key()]), {})


def _prepared(draft: "_Draft", backup: Path, epoch: int, purged: Collection[str]) -> int:
    """Write a draft, or leave nothing of it."""
    try:
        return draft.make(backup, epoch, purged)
    except BaseException:
        discard_drafts(draft.data)
        raise


@dataclass(frozen=True, slots=True)
class _Draft:
    """What will take the place of the database and the documents."""

    data: Path
    keyring: Keyring
    at: datetime

    def make(self, backup: Path, epoch: int, purged: Collection[str]) -> int:
        """Write it beside what is there; gives how many sessions it holds."""
        discard_drafts(self.data)
        draft = self.data / DRAFT
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        shutil.copyfile(backup, draft)
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            for pragma in ("synchronous=EXTRA", "secure_delete=ON"):
                db.execute(f"PRAGMA {pragma}")
            db.execute("BEGIN IMMEDIATE")
            _refuse_no_backup(db, backup)
            self._write_documents(db)
            db.execute(f"DROP TABLE {BACKUP_DOCUMENTS}")
            db.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", [str(epoch)])
            sessions = self._write_keys(db, epoch, purged)
            db.execute("COMMIT")
        return sessions

    def _write_keys(self, db: sqlite3.Connection, epoch: int, purged: Collection[str]) -> int:
        names = [row[0] for row in db.execute("SELECT session FROM sessions")]
        keys = self.keyring.keys
        dead = [n for n in names if n in purged or session_key(n) not in keys]
        for statement in PURGE:
            db.executemany(statement, [(name,) for name in dead])
        mine = {session_key(name) for name in names if name not in dead}
        own = {name: key for name, key in keys.items() if name in mine or ":" not in name}
        db.executemany(INSERT_KEY, own.items())
        for name in dead:
            shutil.rmtree(self.data / DOCUMENTS_DRAFT / name, ignore_errors=True)
        acts: list[tuple[Act, str | None]] = [(SessionPurged(), name) for name in dead]
        self._log(db, [*acts, (Restored(epoch=epoch), None)])
        return len(names) - len(dead)

    def _log(self, db: sqlite3.Connection, acts: list[tuple[Act, str | None]]) -> None:
        row = db.execute("SELECT id, chain FROM events ORDER BY id DESC LIMIT 1").fetchone()
        head = Head(*row) if row else Head()
        for act, session in acts:
            place = act_place(LoggedAct(self.at, act, session=session))
            content = written(act)
            digest = content_hash(content)
            head = follow(head, place, digest)
            entry = Entry(head.entry, place, content, digest, head.chain)
            db.execute(INSERT_EVENT, entry_row(entry))

    def _write_documents(self, db: sqlite3.Connection) -> None:
        folder = self.data / DOCUMENTS_DRAFT
        folder.mkdir(mode=0o700)
        rows = db.execute(f"SELECT session, file, bytes FROM {BACKUP_DOCUMENTS}")  # noqa: S608
        for session, file, content in rows:
            if not is_document(session, file):
                continue
            (folder / session).mkdir(mode=0o700, exist_ok=True)
            write_private(folder / session / file, content)
        sync_folder(folder)


def _refuse_no_backup(db: sqlite3.Connection, backup: Path) -> None:
    try:
        db.execute(f"SELECT 1 FROM {BACKUP_DOCUMENTS} LIMIT 1")  # noqa: S608
    except sqlite3.OperationalError:
        raise StoreError(f"{backup} is a database, but no backup") from None


def _put_aside(data: Path, at: datetime) -> Path | None:
    """Move the database that is there, whole or not, into a folder of its own."""
    there = [data / f"{DATABASE}{end}" for end in _SIDE_FILES] + [data / DOCUMENTS]
    if not any(path.exists() for path in there):
        return None
    aside = _free(data, f"{ASIDE}{at:%Y%m%dT%H%M%S}")
    aside.mkdir(mode=0o700)
    for name in KEPT_FILES:  # first: nothing that is put aside opens without them
        if (data / name).exists():
            shutil.copy2(data / name, aside / name)
    for path in there:
        if path.exists():
            path.rename(aside / path.name)
    sync_folder(aside)
    return aside


def _free(data: Path, name: str) -> Path:
    """Give a name that no restore has used, though the clock was set back."""
    names = chain([name], (f"{name}-{n}" for n in count(2)))
    return next(data / one for one in names if not (data / one).exists())
