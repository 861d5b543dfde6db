"""Replace a database with a backup, in a way that devices accept the older state.

The epoch rises: devices that hold newer views accept the older ones, and resend what they still
hold. It is the time in seconds, to be above every earlier epoch of the box, even if its database
is unreadable. Purged sessions stay purged: those without a key, and those that the replaced
database's log lists as purged.

What a backup cannot contain, since it is not in the data folder, is listed: `Restoration.by_hand`.
"""

import os
import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, count
from pathlib import Path

from sqlite_utils import Database

from schemas.base import written
from session_controller.audit.events import BoxEvent, Restored, SessionPurged
from session_controller.audit.hash_chain import Head, content_hash, follow
from session_controller.backup.box_secrets import CONFIGURATION_FILES, KEPT_FILES
from session_controller.backup.by_hand import by_hand
from session_controller.backup.checking import (
    assemble,
    document_fault,
    public_key,
    refuse_unsigned,
)
from session_controller.backup.manifest import Header, Manifest, decoded_files, read_manifest
from session_controller.backup.outlook import ASIDE, replaced
from session_controller.backup.shelf import names_of
from session_controller.data_folder import DELIVERY_FILE
from session_controller.errors import (
    KeyringError,
    RecoveryKeyError,
    RecoveryKeyNeededError,
    SignerUnknownError,
    StoreError,
)
from session_controller.integrity.configuration import inside
from session_controller.security.encryption import (
    KEY_FILE,
    BoxKeyError,
    DecryptionError,
    keys_are_given,
    load_box_keys,
)
from session_controller.security.files import make_private_folder, sync_folder, write_private
from session_controller.security.keyring import Keyring, keyring_of, read_keyring
from session_controller.security.keys import LOG, session_key
from session_controller.security.recovery import RECOVERY_FILE, RecoveryKey, unlock
from session_controller.security.signer import is_fingerprint_of, signer_fingerprint
from session_controller.storage.database import (
    DATABASE,
    DOCUMENTS_DRAFT,
    DRAFT,
    RESTORING,
    discard_drafts,
    lock_folder,
    refuse_newer_schema,
)
from session_controller.storage.documents import FOLDER as DOCUMENTS
from session_controller.storage.entities import Entry, LoggedBoxEvent
from session_controller.storage.purge import purge
from session_controller.storage.reader import Reader
from session_controller.storage.rows import act_place, entry_row
from session_controller.storage.statements import INSERT_EVENT, INSERT_KEY

ANY_SIGNER = "unknown"
"""In the place of a fingerprint: accept a backup by whatever box."""
_SIDE_FILES = ("", "-wal", "-shm")
_WRITE_VERSION, _ROLLBACK_JOURNAL = 18, b"\x01\x01"
"""Of SQLite's file header: how the file is to be written and read."""


@dataclass(frozen=True, slots=True)
class Restoration:
    """The result of a restore."""

    epoch: int
    sessions: int
    signed_by: str
    """The fingerprint of the box that made the backup."""
    replaced: Path | None
    """The folder in which the replaced database is kept, or None if there was none."""
    by_hand: tuple[str, ...]
    """What the box needs and this machine does not have yet, as sentences."""


def restore(
    data: Path,
    backup: Path,
    at: datetime,
    key: RecoveryKey | None = None,
    signed_by: str | None = None,
) -> Restoration:
    """Restore a backup into a data folder. If interrupted at any point, it can be repeated.

    `signed_by` is the fingerprint of the box that must have made it, or `ANY_SIGNER`. Raises
    `StoreBusyError` while a box uses the folder, `StoreError` for a damaged or forged backup,
    `RecoveryKeyNeededError` if nothing on this machine opens it, and `SignerUnknownError` if
    nothing on it knows the box.
    """
    lock = lock_folder(data)
    try:
        with _refusing(backup):
            manifest = read_manifest(backup)
            keyring = unlock(read_keyring(keyring_of(backup)), data, key)
            refuse_unsigned(backup, manifest, keyring, data)
            signer = public_key(keyring, data)
            _refuse_other_signer(signer, keyring, data, signed_by)
            keyring = _without_given_key(keyring, data)
            draft = _Draft(data, backup, manifest, keyring, at)
            epoch, sessions = _prepared(draft, *_known(data))
        write_private(data / RESTORING, f"{backup}\n".encode())
        files = {**keyring.files, **_configuration(manifest.header, data)}
        replaced = _put_aside(data, at, files)
        for name, content in files.items():
            _write_inside(data, name, content)
        (data / DOCUMENTS_DRAFT).rename(data / DOCUMENTS)
        (data / DRAFT).replace(data / DATABASE)
        sync_folder(data)
        (data / RESTORING).unlink()
        sync_folder(data)
    finally:
        os.close(lock)
    missing = tuple(by_hand(data, keyring, replaced))
    return Restoration(epoch, sessions, signer_fingerprint(signer), replaced, missing)


def _known(data: Path) -> tuple[int, set[str]]:
    """Return the highest epoch and the purged sessions of the replaced and older databases.

    An interrupted restore may have moved the database already. The log is readable without a key.
    """
    epoch, purged = 0, set[str]()
    for path in (data / DATABASE, *data.glob(f"{ASIDE}*/{DATABASE}")):
        with suppress(sqlite3.Error, StoreError, ValueError), Reader.without_keys(path) as reader:
            epoch, purged = max(epoch, reader.epoch), purged | reader.purged()
    return epoch, purged


def _refuse_other_signer(
    public: bytes, keyring: Keyring, data: Path, signed_by: str | None
) -> None:
    """Raise `StoreError` if a backup was signed by another box than the one that is expected.

    `signed_by` is the fingerprint that a person typed, or `ANY_SIGNER`. Without it, the data folder
    must know the box; else `SignerUnknownError` is raised. A recovery key does not tell: whoever
    has its recipient, which is no secret, can encrypt for it.
    """
    if signed_by is None:
        if not _knows(data, public, keyring):
            raise SignerUnknownError(
                "nothing on this machine says which box it must be signed by",
                sealed=keyring.is_sealed,
            )
    elif signed_by != ANY_SIGNER and not is_fingerprint_of(signed_by, public):
        raise StoreError(
            f"it was signed by the box {signer_fingerprint(public)}, and not by {signed_by!r}: it "
            "is of another box, or was forged; do not use it"
        )


def _knows(data: Path, public: bytes, keyring: Keyring) -> bool:
    """Return whether a data folder is of the box with a public key: by its key, or its log."""
    try:
        box = load_box_keys(data)
        if box is not None and LOG in keyring.keys:
            box.unwrap(keyring.keys[LOG], LOG)
            return True
    except (BoxKeyError, DecryptionError):
        pass  # the box had another key then
    known = set[bytes]()
    for path in (data / DATABASE, *data.glob(f"{ASIDE}*/{DATABASE}")):
        with suppress(sqlite3.Error, StoreError, ValueError), Reader.without_keys(path) as reader:
            known |= reader.signing_keys()
    return public in known


_LOGGED_PURGES = "SELECT session FROM events WHERE kind='SessionPurged'"


@contextmanager
def _refusing(backup: Path) -> Iterator[None]:
    """Name the backup in the message if it is not restored."""
    try:
        yield
    except (RecoveryKeyNeededError, RecoveryKeyError) as error:
        raise type(error)(f"{backup} cannot be restored: {error}") from None
    except SignerUnknownError:
        raise
    except (StoreError, KeyringError) as error:
        raise StoreError(f"{backup} cannot be restored: {error}") from None


def _without_given_key(keyring: Keyring, data: Path) -> Keyring:
    """Leave out the box's key if this machine has it outside the data folder: it stays there."""
    try:
        box = load_box_keys(data) if keys_are_given() else None
        if box is not None:
            box.unwrap(keyring.keys[LOG], LOG)
            files = {name: text for name, text in keyring.files.items() if name != KEY_FILE}
            return replace(keyring, files=files)
    except (BoxKeyError, DecryptionError):
        pass  # another key; what is to be done is listed
    return keyring


def _prepared(draft: "_Draft", known_epoch: int, purged: Collection[str]) -> tuple[int, int]:
    """Write a draft completely, or remove it; return its epoch and how many sessions it has."""
    try:
        return draft.make(known_epoch, purged)
    except BaseException:
        discard_drafts(draft.data)
        raise


@dataclass(frozen=True, slots=True)
class _Draft:
    """The new database and documents, not yet in place."""

    data: Path
    backup: Path
    manifest: Manifest
    keyring: Keyring
    at: datetime

    def make(self, known_epoch: int, purged: Collection[str]) -> tuple[int, int]:
        """Write the draft beside the current files; return its epoch and number of sessions."""
        discard_drafts(self.data)
        draft = self.data / DRAFT
        handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w+b", buffering=1 << 20) as file:
            assemble(self.backup.parent, self.manifest, file)
            file.seek(_WRITE_VERSION)
            file.write(_ROLLBACK_JOURNAL)  # a single file, until the box opens it
        self._write_documents(purged)
        with closing(sqlite3.connect(draft, isolation_level=None)) as db:
            refuse_newer_schema(Database(db, execute_plugins=False))
            # A draft that is interrupted is made again: it needs no journal.
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "secure_delete=ON"):
                db.execute(f"PRAGMA {pragma}")
            db.execute("BEGIN IMMEDIATE")
            (found,) = db.execute("SELECT max(value) FROM meta WHERE key='epoch'").fetchone()
            epoch = max(int(found or 1), known_epoch, int(self.at.timestamp()) - 1) + 1
            db.execute("INSERT OR REPLACE INTO meta VALUES ('epoch', ?)", [str(epoch)])
            sessions = self._write_keys(db, epoch, purged)
            db.execute("COMMIT")
        os.sync()  # one for all files: tens of thousands of documents are synced one by one slowly
        return epoch, sessions

    def _write_keys(self, db: sqlite3.Connection, epoch: int, purged: Collection[str]) -> int:
        names = [row[0] for row in db.execute("SELECT session FROM sessions")]
        keys = self.keyring.keys
        dead = [n for n in names if n in purged or session_key(n) not in keys]
        purge(db, dead)
        db.execute("DELETE FROM keys")  # their names, with zeros instead of the keys
        mine = {session_key(name) for name in names if name not in dead}
        own = {name: key for name, key in keys.items() if name in mine or ":" not in name}
        db.executemany(INSERT_KEY, sorted(own.items()))
        for name in dead:
            shutil.rmtree(self.data / DOCUMENTS_DRAFT / name, ignore_errors=True)
        # Also those that this backup does not have: the replaced database may be deleted, and an
        # older or a newer backup restored after it.
        logged = {row[0] for row in db.execute(_LOGGED_PURGES)}
        gone = sorted({*dead, *purged} - logged)
        acts: list[tuple[BoxEvent, str | None]] = [(SessionPurged(), name) for name in gone]
        self._log(db, [*acts, (Restored(epoch=epoch), None)])
        return len(names) - len(dead)

    def _log(self, db: sqlite3.Connection, acts: list[tuple[BoxEvent, str | None]]) -> None:
        row = db.execute("SELECT id, chain FROM events ORDER BY id DESC LIMIT 1").fetchone()
        head = Head(*row) if row else Head()
        for act, session in acts:
            place = act_place(LoggedBoxEvent(self.at, act, session=session))
            content = written(act)
            digest = content_hash(content)
            head = follow(head, place, digest)
            entry = Entry(head.entry, place, content, digest, head.chain)
            db.execute(INSERT_EVENT, entry_row(entry))

    def _write_documents(self, purged: Collection[str]) -> None:
        """Copy the documents, each verified. Raises `StoreError` if one is missing or changed."""
        folder = self.data / DOCUMENTS_DRAFT
        folder.mkdir(mode=0o700)
        shelf = self.backup.parent
        for session, name in sorted(names_of(shelf, self.manifest.header.documents)):
            if session in purged:
                continue
            source = shelf / DOCUMENTS / session / name
            if fault := document_fault(shelf, (session, name), self.keyring):
                raise StoreError(fault)
            if source.exists():
                (folder / session).mkdir(mode=0o700, exist_ok=True)
                shutil.copyfile(source, folder / session / name)
                (folder / session / name).chmod(0o600)


def _configuration(header: Header, data: Path) -> dict[str, bytes]:
    """Return the files of a backup that are in it, except for an earlier recovery key's.

    The paper with that one may have been destroyed.
    """
    names = set(CONFIGURATION_FILES)
    if (data / RECOVERY_FILE).exists():
        names.remove(RECOVERY_FILE)
    return {name: text for name, text in decoded_files(header).items() if name in names}


def _write_inside(data: Path, name: str, content: bytes) -> None:
    """Write a file of the data folder; ignore a name that leads out of it."""
    if inside(data, name) is not None:
        make_private_folder((data / name).parent)
        write_private(data / name, content)


def _put_aside(data: Path, at: datetime, files: Collection[str]) -> Path | None:
    """Move the current database, damaged or not, into a folder of its own, and copy the files."""
    there = [data / f"{DATABASE}{end}" for end in _SIDE_FILES] + [data / DOCUMENTS]
    copied = [name for name in {*KEPT_FILES, *CONFIGURATION_FILES, *files} if inside(data, name)]
    if not any(path.exists() for path in (*there, data / DELIVERY_FILE)):
        return None
    aside = _free(data, f"{ASIDE}{at:%Y%m%dT%H%M%S}")
    aside.mkdir(mode=0o700)
    for name in copied:  # first: the replaced data cannot be decrypted without them
        if (data / name).exists():
            make_private_folder((aside / name).parent)
            shutil.copy2(data / name, aside / name)
    os.sync()  # before they are replaced
    for path in there:
        if path.exists():
            path.rename(aside / path.name)
    sync_folder(aside)
    return aside


def _free(data: Path, name: str) -> Path:
    """Return an unused path, even if the clock was set back."""
    names = chain([name], (f"{name}-{n}" for n in count(2)))
    return next(data / one for one in names if not (data / one).exists())


def forget_replaced(data: Path) -> list[Path]:
    """Remove the folders in which restores kept what they replaced; return them.

    Raises `StoreError` while one of them may hold the only data: when a restore was interrupted,
    or when there is no database. Raises `OSError`.
    """
    if (data / RESTORING).exists() or not (data / DATABASE).exists():
        raise StoreError(
            f"{data} has no database in place, so what a restore replaced is kept; "
            "complete the restore first"
        )
    found = replaced(data)
    for path in found:
        shutil.rmtree(path)
    return found
