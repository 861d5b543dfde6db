"""Backups: taken while the box runs, verified before they count, and thinned as they get old.

A backup is a small list in `backups/`. It names the packs that hold its pages of the database
(without the keys), its documents, and holds the configuration; what several backups have in common
is there once. Everything patients entered is encrypted. The keys of all backups are in one small
file beside them (`session_controller.security.keyring`), with the box's other secrets, so that a
purge reaches every backup at once.
"""

import asyncio
import base64
import json
import logging
import os
import shutil
import sqlite3
import zlib
from array import array
from collections.abc import Callable, Collection, Iterable
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from threading import Event, Lock
from typing import Any

from session_controller import failpoints
from session_controller.backup import checking, keeping, reading
from session_controller.backup.apart import Helper, InterruptedByPurgeError, NoRoomError, lines
from session_controller.backup.box_secrets import configuration, opener_of, secrets_for_keyring
from session_controller.backup.by_hand import chosen_of, named_files
from session_controller.backup.checking import faults, refuse_unsigned
from session_controller.backup.drill import sweep_scratch
from session_controller.backup.keeping import Keep, remove_unnamed
from session_controller.backup.manifest import (
    FOLDER,
    Header,
    Listed,
    Manifest,
    encoded_files,
    existing,
    path_of,
    read_header,
    read_manifest,
)
from session_controller.backup.outlook import ASIDE, Outlook, forecast, refusal, wait_s
from session_controller.backup.packs import PageMap
from session_controller.backup.rotation import rotate
from session_controller.backup.shelf import LOG as LOG_OF_DOCUMENTS
from session_controller.backup.shelf import forget_documents, sessions_in
from session_controller.backup.turns import turn
from session_controller.errors import KeyringError, StoreError
from session_controller.failpoints import Point
from session_controller.integrity import data_folder as integrity
from session_controller.security.encryption import (
    BoxKeyError,
    BoxKeys,
    DecryptionError,
    load_box_keys,
)
from session_controller.security.files import sync_folder
from session_controller.security.keyring import (
    KEYRING,
    Keyring,
    add_to_keyring,
    discard_draft,
    names_in_keyring,
    read_keyring,
    remove_from_keyring,
    write_keyring,
)
from session_controller.security.keys import LOG, session_key
from session_controller.storage.database import DATABASE, connect_to_read
from session_controller.storage.documents import FOLDER as DOCUMENTS
from session_controller.storage.room import DiskUsage, Room
from session_controller.storage.statements import DELETE_KEY, FORGET_GUESTS
from session_controller.storage.store import Store

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 60.0
_VERIFY_EVERY = timedelta(days=7)
"""How often everything is read again: each entry, each state, each page and each document."""
_MAX_INTERRUPTIONS = 20
_PAUSE_S = 0.5


class BackupError(Exception):
    """A backup could not be taken; the message is for a person."""


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """How often a running box takes a backup, and which it keeps."""

    every: timedelta | None = None
    """None: only on request."""
    keep: Keep = field(default_factory=Keep)


class Backups:
    """The backups of one box, for use in the box's event loop."""

    def __init__(
        self,
        store: Store,
        data: Path,
        plan: BackupPlan | None = None,
        *,
        before_upgrade: bool = False,
        usage: DiskUsage = shutil.disk_usage,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._data = data
        self._folder = data / FOLDER
        self.plan = plan or BackupPlan()
        """May be replaced while the box runs."""
        self._usage, self._clock = usage, clock
        self._before_upgrade = before_upgrade
        self._under_way: asyncio.Task[Path] | None = None
        self._helper = Helper()
        self._stopping = Event()
        self._keyring = Lock()
        """Protects the keyring file, and lets one purge after the other forget."""
        self._forgotten: set[str] = set()
        self._rotations = 0
        self._failures, self._failed_at = 0, self._clock()
        self._afresh = False
        """Whether the next backup writes all pages: an older one turned out to be damaged."""
        self._named_files = named_files(chosen_of(store)).values()

    def tidy(self) -> None:
        """Delete what a killed process left: drafts, and keys of sessions purged just before.

        For the start. Raises `OSError`, `KeyringError`, `sqlite3.Error`.
        """
        self.clear_drafts()
        sweep_scratch(self._data)
        keyring = self._folder / KEYRING
        kept = {session_key(name) for name in sessions_in(self._folder)}
        if keyring.exists():
            remove_from_keyring(keyring, ())
            kept |= names_in_keyring(keyring)
        for aside in self._data.glob(f"{ASIDE}*"):
            kept |= _keys_aside(aside)
        if kept - self._store.key_names():
            self.forget(name for name in self._store.purged() if session_key(name) in kept)

    def clear_drafts(self) -> None:
        """Delete what a killed process left of a backup that was not complete. Raises `OSError`."""
        if not self._folder.is_dir():
            return
        try:
            with turn(self._folder):
                for left in self._folder.glob("handrail-*.new*"):
                    left.unlink()
                (self._folder / f"{LOG_OF_DOCUMENTS}.new").unlink(missing_ok=True)
                with self._keyring:
                    discard_draft(self._folder / KEYRING)
                remove_unnamed(self._folder)
        except StoreError as error:
            _log.error("%s; remove it, then the space of its packs is used again", error)

    async def take(self) -> Path:
        """Create and verify a backup, then thin the older ones. Calls made meanwhile share it.

        Raises `BackupError`.
        """
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(self._take(), name="handrail-backup")
        return await asyncio.shield(self._under_way)

    async def _take(self) -> Path:
        try:
            path = await asyncio.to_thread(self._write)
        except (sqlite3.Error, OSError, KeyringError, BoxKeyError, StoreError) as error:
            raise BackupError(f"Cannot write the backup: {error}") from error
        await asyncio.to_thread(self._thin)
        return path

    def _write(self) -> Path:
        """Write a backup; begin again if a purge interrupts it."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(self._data)
        self.clear_drafts()
        try:
            for _ in range(_MAX_INTERRUPTIONS):
                self._helper.renew()
                try:
                    return self._attempt()
                except InterruptedByPurgeError:
                    self.clear_drafts()
                    if self._stopping.wait(_PAUSE_S):
                        raise BackupError("The box stops; back up again.") from None
        except NoRoomError as error:
            raise BackupError(self._no_room(error.need)) from None
        finally:
            self.clear_drafts()
        raise BackupError("Sessions are being purged; back up again once that is done.")

    def _no_room(self, need: int | None) -> str:
        room = Room.on(self._folder, self._usage)
        return refusal(room, need if need is not None else room.free + 1)

    def _attempt(self) -> Path:
        """Copy what is new, verify it, and only then list it as a backup."""
        now, rotations = self._clock(), self._rotations
        previous, before = self._newest_whole()
        order = {
            "data": str(self._data),
            "folder": str(self._folder),
            "previous": str(previous) if previous and not self._afresh else None,
            "limit": Room.on(self._folder, self._usage).free,
            "parent": os.getpid(),
        }
        try:
            with self._store.copied(self._helper.interrupt):
                self._helper.start(reading.__name__, json.dumps(order))
                failpoints.reached(Point.BACKING_UP)
                copied = self._helper.answer()
                self._store.thaw()
                failpoints.reached(Point.BACKED_UP_PAGES)
                shelved = self._helper.answer()
                self._helper.end()
        finally:
            self._helper.abandon()
        failpoints.reached(Point.BACKED_UP_DOCUMENTS)
        manifest = self._manifest(copied, shelved, now)
        keys = {name: bytes.fromhex(key) for name, key in copied["keys"].items()}
        return self._listed(manifest, before, keys, rotations)

    def _newest_whole(self) -> tuple[Path | None, Header | None]:
        """Return the newest backup whose list can be read, if there is one."""
        for path in existing(self._data):
            with suppress(StoreError):
                return path, read_manifest(path).header
        return None, None

    def _manifest(self, copied: dict[str, Any], shelved: dict[str, Any], now: datetime) -> Manifest:
        pages = PageMap(array("I", zlib.decompress(base64.b64decode(copied["map"]))))
        count = sum(pages.runs[2::3])
        header = Header(
            program=version("handrail"),
            taken=now,
            page_size=copied["page_size"],
            pages=count,
            root=copied["root"],
            documents=Listed(**shelved["documents"]),
            files=encoded_files(configuration(self._data)),
            packs=tuple(copied["packs"]),
            written=copied["written"] + shelved["written"],
            data=count * copied["page_size"] + shelved["bytes"],
            before_upgrade=self._before_upgrade,
        )
        return Manifest(header, pages).sign(self._store.sign)

    def _listed(
        self, manifest: Manifest, before: Header | None, keys: dict[str, bytes], rotations: int
    ) -> Path:
        """Write the list of a backup that is verified."""
        path = path_of(self._data, manifest.header.taken)
        written = self._add_to_keyring(keys, rotations)
        self._refuse_other_box(path, manifest)
        failpoints.reached(Point.BACKUP_KEYS)
        verified = self._verified(path.with_suffix(".new"), manifest, before)
        total = {"written": manifest.header.written + written, "verified": verified}
        header = manifest.header.model_copy(update=total)
        Manifest(header, manifest.pages).write(path)
        self._afresh = False
        failpoints.reached(Point.BACKUP_LISTED)
        return path

    def _verified(self, draft: Path, manifest: Manifest, before: Header | None) -> datetime:
        """Verify what is not known to be right, and return when all was verified last.

        What a backup writes is read back as it is written. Besides, the first backup and one each
        week are verified in whole. Raises `BackupError`, `InterruptedByPurgeError`.
        """
        last, now = before.verified if before else None, manifest.header.taken
        if last is not None and timedelta(0) <= now - last < _VERIFY_EVERY and not self._afresh:
            return last
        manifest.write(draft)
        with self._store.copied(self._helper.interrupt):
            self._store.thaw()
            database = str(self._data / DATABASE)
            for module, name in ((integrity.__name__, database), (checking.__name__, str(draft))):
                code, said = self._helper.call(module, name)
                if code:
                    self._afresh = module == checking.__name__
                    raise BackupError(f"The backup is damaged; take it again: {lines(said)}")
        return now

    def _add_to_keyring(self, keys: dict[str, bytes], rotations: int) -> int:
        """Add a backup's keys, except those of sessions purged while it was taken."""
        path = self._folder / KEYRING
        with self._keyring:
            if rotations != self._rotations:
                raise BackupError("The box key was rotated during the backup; take it again.")
            self._complete_rotation()
            fresh = {k: v for k, v in keys.items() if k not in self._forgotten}
            former = read_keyring(path).sealed if path.exists() else {}
            secrets = secrets_for_keyring(self._data, self._named_files, former)
            return add_to_keyring(path, fresh, secrets.files, secrets.sealed)

    def _complete_rotation(self) -> None:
        """Wrap the backups' keys like the box's, after a rotation that was killed, or a restore."""
        path, box = self._folder / KEYRING, load_box_keys(self._data)
        wrapped = read_keyring(path).keys.get(LOG) if path.exists() else None
        if wrapped is not None and box is not None and not box.has_wrapped(wrapped):
            self._rewrap_keyring(box)

    def _refuse_other_box(self, path: Path, manifest: Manifest) -> None:
        """Raise `BackupError` if the folder's keys are not those with which the box signs."""
        try:
            refuse_unsigned(path, manifest, read_keyring(self._folder / KEYRING), self._data)
        except StoreError:
            raise BackupError(
                f"{self._folder} has the backups of another box; move it away and take a new backup"
            ) from None

    def _thin(self) -> None:
        """Remove backups that are not to be kept; if that fails, log an error."""
        if len(existing(self._data)) <= self.plan.keep.last:
            return
        limit = Room.on(self._folder, self._usage).free
        order = {
            "folder": str(self._folder),
            "keep": asdict(self.plan.keep),
            "limit": limit,
            "parent": os.getpid(),
        }
        try:
            self._helper.renew()
            code, said = self._helper.call(keeping.__name__, json.dumps(order))
        except (OSError, InterruptedByPurgeError):
            return  # a purge; the next backup thins them
        if code:
            _log.error("older backups cannot be removed: %s", lines(said))

    def rotate(self, at: datetime, device: str, person: str | None = None) -> int:
        """Wrap all keys with another box key; return their number.

        Runs on the store's thread. Raises `sqlite3.Error`, `OSError`, `BoxKeyError`,
        `KeyringError`.
        """
        with self._keyring:
            self._rotations += 1
            return rotate(self._store, self._data, at, device, person, also=self._rewrap_keyring)

    def _rewrap_keyring(self, box: BoxKeys) -> None:
        """Wrap the backups' keys with the first of these box keys, and seal the secrets again."""
        path = self._folder / KEYRING
        if not path.exists():
            return
        old = read_keyring(path)
        try:
            opener = opener_of(old, self._data)
            keys = {name: box.wrap(opener.unwrap(k, name), name) for name, k in old.keys.items()}
        except (BoxKeyError, DecryptionError) as error:
            raise KeyringError(f"{path}: {error}; or move it away and take a new backup") from None
        secrets = secrets_for_keyring(self._data, self._named_files, {}, box)
        write_keyring(path, Keyring(keys, secrets.files, secrets.sealed))

    def forget(self, purged: Iterable[str]) -> None:
        """Delete purged sessions from all backups, and from databases that a restore replaced.

        Raises `OSError`, `KeyringError`.
        """
        sessions = tuple(purged)
        gone = {session_key(name) for name in sessions}
        path = self._folder / KEYRING
        self._helper.interrupt()  # it may be copying a document that is to go
        with self._keyring:
            self._forgotten |= gone
            try:
                if path.exists():  # first: who copies a backup finds a document or no key
                    remove_from_keyring(path, gone)
            finally:
                forget_documents(self._folder, sessions)
            sweep_scratch(self._data)
            for database in self._data.glob(f"{ASIDE}*/{DATABASE}"):
                _forget_aside(database.parent, sessions)

    async def keep_taking(self) -> None:
        """Create a backup whenever the newest is too old, for as long as the box runs."""
        if self.plan.every is not None:
            await self._tell_outlook()
        while True:
            every = self.plan.every or timedelta(seconds=_LOOK_EVERY_S)
            await asyncio.sleep(min(_LOOK_EVERY_S, every.total_seconds()))
            if self.is_due():
                await self._try_to_take()

    async def _tell_outlook(self) -> None:
        outlook = await asyncio.to_thread(Outlook.of, self._data, self._usage)
        if (text := forecast(outlook.days)) is not None:
            _log.info("%s", text)

    def is_due(self) -> bool:
        """Return whether the newest backup is too old, and the last failure long enough ago."""
        every, now = self.plan.every, self._clock()
        if every is None:
            return False
        since = (now - self._failed_at).total_seconds()
        if self._failures and 0 <= since < wait_s(self._failures):
            return False
        newest = next(iter(existing(self._data)), None)
        age = now - _taken_at(newest) if newest else every
        # A backup dated in the future was taken before the clock was set back.
        return age >= every or age < timedelta(0)

    async def _try_to_take(self) -> None:
        try:
            _log.info("backed up to %s", await self.take())
        except BackupError as error:
            self._failures, self._failed_at = self._failures + 1, self._clock()
            again = timedelta(seconds=wait_s(self._failures))
            _log.error("%s (tried again in %s)", error, again)
        else:
            self._failures = 0

    async def stop(self) -> None:
        """End a running backup, and wait for its thread, which reads the store."""
        self._stopping.set()
        self._helper.interrupt()
        if self._under_way is not None:
            await asyncio.wait([self._under_way])


def _keys_aside(aside: Path) -> set[str]:
    """Return the names of the keys in a replaced database, or none if it cannot be read."""
    try:
        with closing(connect_to_read(aside / DATABASE)) as db:
            return {row[0] for row in db.execute("SELECT name FROM keys")}
    except sqlite3.Error:
        return set()


def _forget_aside(aside: Path, sessions: Collection[str]) -> None:
    """Delete sessions from a replaced database; log an error if it cannot be opened."""
    try:
        with closing(sqlite3.connect(aside / DATABASE, isolation_level=None)) as db:
            db.execute("PRAGMA secure_delete=ON")
            rows = [(session_key(name),) for name in sessions]
            db.executemany(DELETE_KEY, rows)
            db.executemany(FORGET_GUESTS, [(name,) for name in sessions])
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error:
        _log.error(
            "cannot read %s, which may contain purged sessions; delete it to complete the purge",
            aside,
        )
    for name in sessions:
        shutil.rmtree(aside / DOCUMENTS / name, ignore_errors=True)


def advice(
    data: Path, *, check: Callable[[Path], bool] = lambda path: not any(faults(path))
) -> str:
    """Return a sentence that names the backup to restore: the newest intact one."""
    found = next((path for path in existing(data) if check(path)), None)
    if found is None:
        return (
            f"{data / FOLDER} contains no intact backup; "
            f"restore a backup from elsewhere with `handrail restore FILE --data {data}`"
        )
    taken = f"{_taken_at(found):%Y-%m-%d %H:%M} UTC"
    return f"restore the backup of {taken} with `handrail restore {found} --data {data}`"


def _taken_at(path: Path) -> datetime:
    try:
        return read_header(path).taken
    except StoreError:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
