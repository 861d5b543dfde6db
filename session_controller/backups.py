"""Backups: taken while the box serves, verified before they count, and rotated.

A backup is one SQLite file: the whole database without its keys, and the documents; all of what
patients entered is sealed in it. The keys of all backups stand in one small file beside them
(`session_controller.keyring`), so that a purge reaches every backup at once.
"""

import asyncio
import logging
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

from session_controller.errors import KeyringError
from session_controller.files import sync_folder
from session_controller.keychain import session_key
from session_controller.keyring import (
    KEYRING,
    Keyring,
    read_keyring,
    write_keyring,
)
from session_controller.opening import DATABASE, connect_to_read
from session_controller.reaching import ADMINS_FILE
from session_controller.rotation import rotate
from session_controller.sealing import KEY_FILE, keys_are_given, load_box_keys
from session_controller.store import Store
from session_controller.vault import FOLDER as DOCUMENTS
from session_controller.verification import verify

_log = logging.getLogger(__name__)

FOLDER = "backups"
ASIDE = "replaced-"
"""How the folders begin in which a restore keeps what was there before."""
KEPT_FILES = (KEY_FILE, ADMINS_FILE)
_NAME = "handrail-{:%Y%m%dT%H%M%S.%f}Z.sqlite"
_LOOK_EVERY_S = 60.0


class BackupError(Exception):
    """A backup could not be taken; the message is for a person."""


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """How often a running box backs itself up, and how many backups it keeps."""

    every: timedelta | None = None
    """None: only when somebody asks."""
    keep: int = 28


class Backups:
    """The backups of one box. Used in the box's event loop."""

    def __init__(self, store: Store, data: Path, plan: BackupPlan | None = None) -> None:
        self._store = store
        self._data = data
        self._plan = plan or BackupPlan()
        self._under_way: asyncio.Task[Path] | None = None
        self._keyring = Lock()
        """Held by who reads and writes the keyring: a purge may come while a backup is taken."""
        self._forgotten: set[str] = set()
        self._rotations = 0

    def tidy(self) -> None:
        """Clear away what a kill left over: drafts, and keys of what was purged just before.

        For the start. Raises `OSError`, `KeyringError`, `sqlite3.Error`.
        """
        self._clear_drafts()
        keyring = self._data / FOLDER / KEYRING
        kept = set(read_keyring(keyring).keys) if keyring.exists() else set()
        for aside in self._data.glob(f"{ASIDE}*"):
            kept |= _keys_aside(aside)
        if kept - self._store.wrapped_keys().keys():
            self.forget(name for name in self._store.purged() if session_key(name) in kept)

    def _clear_drafts(self) -> None:
        for left in (self._data / FOLDER).glob("handrail-*.new*"):
            left.unlink()

    async def take(self) -> Path:
        """Take a backup, verify it, rotate; who asks meanwhile is given the same.

        Raises `BackupError`.
        """
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._take(), name="handrail-backup")
        return await asyncio.shield(self._under_way)

    async def _take(self) -> Path:
        try:
            path = await asyncio.to_thread(self._write)
        except (sqlite3.Error, OSError, KeyringError) as error:
            raise BackupError(f"The backup could not be written: {error}") from error
        await asyncio.to_thread(_rotate, self._data, self._plan.keep)
        return path

    def _write(self) -> Path:
        """Write a draft, verify it in a process of its own, and only then give it its name."""
        folder = self._data / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        self._clear_drafts()
        path = folder / _NAME.format(datetime.now(UTC))
        draft = path.with_suffix(".new")
        try:
            rotations = self._rotations
            self._add_to_keyring(self._store.backup(draft), rotations)
            _verify(draft)
            draft.replace(path)
        except BaseException:
            self._clear_drafts()
            raise
        sync_folder(folder)
        return path

    def _add_to_keyring(self, keys: dict[str, bytes], rotations: int) -> None:
        """Add a backup's keys, but for those of what was purged while it was taken."""
        path = self._data / FOLDER / KEYRING
        with self._keyring:
            if rotations != self._rotations:
                raise BackupError("The box's key was rotated meanwhile; back up again.")
            older = read_keyring(path).keys if path.exists() else {}
            fresh = {k: v for k, v in keys.items() if k not in self._forgotten}
            write_keyring(path, Keyring({**older, **fresh}, self._files()))

    def _files(self) -> dict[str, bytes]:
        """Give the files that a restore needs: the key's only where it is the box's key."""
        names = [ADMINS_FILE] if keys_are_given() else KEPT_FILES
        paths = (self._data / name for name in names)
        return {path.name: path.read_bytes() for path in paths if path.exists()}

    def rotate(self, at: datetime, device: str) -> int:
        """Wrap all keys by another key of the box; gives how many.

        In the store's turn, on its thread. Raises `sqlite3.Error`, `OSError`, `BoxKeyError`,
        `KeyringError`.
        """
        with self._keyring:
            self._rotations += 1
            count = rotate(self._store, self._data, at, device)
            self._rewrap_keyring()
        return count

    def _rewrap_keyring(self) -> None:
        """Wrap the backups' keys as the box's are; until then their old key stands with them."""
        path, box = self._data / FOLDER / KEYRING, load_box_keys(self._data)
        if box is None or not path.exists():
            return
        old = read_keyring(path)
        opener = old.box_keys(self._data)
        keys = {name: box.wrap(opener.unwrap(k, name), name) for name, k in old.keys.items()}
        write_keyring(path, Keyring(keys, self._files()))

    def forget(self, purged: Iterable[str]) -> None:
        """Take purged sessions out of all backups, and out of databases that a restore replaced.

        Raises `OSError`, `KeyringError`.
        """
        sessions = tuple(purged)
        gone = {session_key(name) for name in sessions}
        path = self._data / FOLDER / KEYRING
        with self._keyring:
            self._forgotten |= gone
            if path.exists():
                write_keyring(path, read_keyring(path).without(gone))
        for database in self._data.glob(f"{ASIDE}*/{DATABASE}"):
            _forget_aside(database.parent, sessions)

    async def keep_taking(self) -> None:
        """Take one whenever the newest is too old, for as long as the box serves."""
        if self._plan.every is None:
            return
        while True:
            await asyncio.sleep(min(_LOOK_EVERY_S, self._plan.every.total_seconds()))
            newest = next(iter(existing(self._data)), None)
            age = datetime.now(UTC) - _taken_at(newest) if newest else self._plan.every
            # A backup of the future was taken before the clock was set back.
            if age >= self._plan.every or age < timedelta(0):
                await self._try_to_take()

    async def _try_to_take(self) -> None:
        try:
            _log.info("backed up to %s", await self.take())
        except BackupError as error:
            _log.error("%s", error)

    async def stop(self) -> None:
        """Wait for the one that is being taken: its thread reads the store."""
        if self._under_way is not None:
            await asyncio.wait([self._under_way])


def _keys_aside(aside: Path) -> set[str]:
    """Give the names of the keys in a database that was put aside; none where it cannot be read."""
    try:
        with closing(connect_to_read(aside / DATABASE)) as db:
            return {row[0] for row in db.execute("SELECT name FROM keys")}
    except sqlite3.Error:
        return set()


def _forget_aside(aside: Path, sessions: Collection[str]) -> None:
    """Take sessions out of a database that was put aside; say so where it cannot be opened."""
    try:
        with closing(sqlite3.connect(aside / DATABASE, isolation_level=None)) as db:
            db.execute("PRAGMA secure_delete=ON")
            rows = [(session_key(name),) for name in sessions]
            db.executemany("DELETE FROM keys WHERE name=?", rows)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        _log.error("%s cannot be read: delete it to complete the purge", aside)
    for name in sessions:
        shutil.rmtree(aside / DOCUMENTS / name, ignore_errors=True)


def existing(data: Path) -> list[Path]:
    """Give a data folder's backups, the newest first."""
    return sorted((data / FOLDER).glob("handrail-*.sqlite"), reverse=True)


def advice(
    data: Path, *, check: Callable[[Path], bool] = lambda path: not verify(path).faults
) -> str:
    """Say which backup to restore: the newest that is whole."""
    found = next((path for path in existing(data) if check(path)), None)
    if found is None:
        return (
            f"{data / FOLDER} holds none that is whole; "
            f"restore a backup from elsewhere with `handrail restore FILE --data {data}`"
        )
    taken = f"{_taken_at(found):%Y-%m-%d %H:%M} UTC"
    return f"restore the backup of {taken} with `handrail restore {found} --data {data}`"


def _taken_at(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _verify(draft: Path) -> None:
    """Verify beside this process: rebuilding every state would hold its event loop up."""
    order = [sys.executable, "-P", "-m", "session_controller.verification", str(draft)]
    found = subprocess.run(order, capture_output=True, text=True, check=False)  # noqa: S603
    if found.returncode != 0:
        raise BackupError(f"The backup is not whole: {found.stdout.strip() or found.returncode}")


def _rotate(data: Path, keep: int) -> None:
    for path in existing(data)[max(keep, 1) :]:
        path.unlink()
