"""Verify a data folder: what is new since the last time, or all of it.

`python -m session_controller.integrity.data_folder FILE` verifies all in a separate process, which
does not delay a running box; it prints one line per fault, and exits with 1 if there are any.
"""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import chain as joined
from itertools import islice
from pathlib import Path

from pydantic import JsonValue

from session_controller.audit.hash_chain import EMPTY, Head
from session_controller.errors import StoreDamagedError, StoreError
from session_controller.integrity.audit_log import LogCheck, Receipt, read_receipt, told
from session_controller.integrity.sessions import SessionCheck
from session_controller.integrity.verified_point import (
    POINT_FILE,
    VerifiedPoint,
    read_point,
    verified_up_to,
    write_point,
)
from session_controller.security.encryption import BoxKeyError, DecryptionError, load_box_keys
from session_controller.storage.database import DATABASE
from session_controller.storage.documents import DocumentStore
from session_controller.storage.entities import EntryFilter
from session_controller.storage.reader import Reader

MAX_FAULTS = 20
"""After so many, a verification stops."""


class Extent(StrEnum):
    """How much to verify."""

    NEW = "new"
    """What is new since the last verification, or all if there was none."""
    ALL = "all"
    """All of the log; that every state opens and is its session's newest; every document."""
    DEEP = "deep"
    """The same, and rebuild every state from its log."""


@dataclass(frozen=True, slots=True)
class Verified:
    """The result of verifying a database."""

    faults: tuple[str, ...]
    """What is wrong, at most `MAX_FAULTS`; names sessions and never contains values."""
    sessions: int = 0
    """How many sessions were verified."""
    events: int = 0
    """How many log entries were verified."""
    epoch: int = 0
    purged: int = 0
    """How many sessions were purged in these entries."""
    newest: Head = EMPTY
    """The newest entry that was verified."""
    after: int = 0
    """The entry from which an earlier verification was continued; 0: none."""


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Read a data folder's database without writing. Raises `StoreError`, `sqlite3.Error`."""
    try:
        box = load_box_keys(path.parent)
    except BoxKeyError as error:
        raise StoreError(str(error)) from None
    if box is None and not path.exists():
        raise StoreError(f"{path.parent} is not the data folder of a box; name it with --data")
    if box is None:
        raise StoreError(
            f"{path.parent} lacks the box key; put back box.key, or set HANDRAIL_BOX_KEY"
        )
    with Reader.of(path, box, fetch_document=DocumentStore(path.parent).sealed) as reader:
        yield reader


def key_problem(data: Path) -> str | None:
    """Return why the box's key cannot unwrap a data folder's keys, or None if it can.

    A folder without a database has no problem yet. Changes nothing; never raises.
    """
    if not (data / DATABASE).exists():
        return None
    try:
        with reading(data / DATABASE) as reader:
            for name in reader.wrapped_keys():
                reader.open_key(name)
    except (StoreError, DecryptionError, BoxKeyError) as error:
        return str(error)
    except sqlite3.Error as error:
        return f"the keys cannot be read ({error})"
    return None


@dataclass(frozen=True, slots=True)
class FolderAudit:
    """The result of verifying a data folder."""

    entries: int
    """The newest entry of the log."""
    signed: int
    """The newest entry covered by a signature."""
    after: int
    """The entry after which the log was verified; 0: all of it."""
    verified_at: str | None
    """When the log up to there was verified (RFC 3339), or None if it was verified now."""
    sessions: int
    """How many sessions were verified."""
    purged: int
    """How many sessions were purged, of those with entries that were verified."""
    faults: tuple[str, ...]
    stopped: bool
    """Whether there were so many faults that the rest was not verified."""
    remembered: bool
    """Whether the next verification can continue from here."""


def audit_folder(data: Path, receipt: str | None, extent: Extent, at: datetime) -> FolderAudit:
    """Verify the log, states and documents of a data folder; a box may be running.

    With a receipt, at least the whole log is verified. Raises `StoreError`, `ReceiptError`.
    """
    known = read_receipt(receipt) if receipt else None
    with _told(data), reading(data / DATABASE) as reader:
        point = read_point(data / POINT_FILE, reader)
        if known is not None and extent is Extent.NEW:
            extent = Extent.ALL
        found = verify_reader(reader, extent, receipt=known, point=point)
        remembered = remember(data / POINT_FILE, reader, found, point, at)
        start = point if point and found.after else None
        return FolderAudit(
            entries=reader.head().entry,
            signed=reader.signed(),
            after=found.after,
            verified_at=start.at if start else None,
            sessions=found.sessions,
            purged=found.purged,
            faults=found.faults,
            stopped=len(found.faults) == MAX_FAULTS,
            remembered=remembered,
        )


def told_entries(data: Path, wanted: EntryFilter) -> Iterator[dict[str, JsonValue]]:
    """Describe entries of a data folder's log, without patient data, newest first.

    Raises `StoreError`.
    """
    with _told(data), reading(data / DATABASE) as reader:
        yield from map(told, reader.entries(wanted))


@contextmanager
def _told(data: Path) -> Iterator[None]:
    """Convert SQLite's errors into one with a message for people."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreDamagedError(f"{data / DATABASE} cannot be read ({error})") from None


def verify(path: Path, extent: Extent = Extent.DEEP) -> Verified:
    """Verify a database file. Changes nothing; never raises."""
    return _read(path, lambda reader: verify_reader(reader, extent))


def _read(path: Path, look: Callable[[Reader], Verified]) -> Verified:
    try:
        with reading(path) as reader:
            return look(reader)
    except StoreError as error:
        return _unreadable(str(error))
    except (sqlite3.Error, ValueError, DecryptionError, BoxKeyError) as error:
        return _unreadable(type(error).__name__)


def _unreadable(why: str) -> Verified:
    return Verified(faults=(f"cannot be read: {why}",))


def _damaged(damage: list[str]) -> Verified:
    return Verified(faults=tuple(damage[:MAX_FAULTS]))


def verify_reader(
    reader: Reader,
    extent: Extent = Extent.NEW,
    *,
    receipt: Receipt | None = None,
    point: VerifiedPoint | None = None,
) -> Verified:
    """Verify an open database, as far as `extent` says, and its log against a receipt.

    `point` is up to where the log was verified before: without one, everything is new.
    """
    lost = _contradiction(reader, point) if point else None
    continues = extent is Extent.NEW and point is not None and point.whole and not lost
    damage = [] if continues else reader.damage()
    if damage:
        return _damaged(damage)
    start = point.head if continues and point else None
    log = LogCheck(reader, receipt=receipt, start=start)
    sessions = SessionCheck(reader, deep=continues or extent is Extent.DEEP)
    everything = joined(
        [lost] if lost else [],
        log.faults(),
        sessions.box_faults(),
        sessions.some(log) if continues else sessions.all(log),
    )
    return Verified(
        faults=tuple(islice(everything, MAX_FAULTS)),
        sessions=sessions.count,
        events=log.entries,
        epoch=reader.epoch,
        purged=len(log.purged),
        newest=log.head,
        after=start.entry if start else 0,
    )


def _contradiction(reader: Reader, point: VerifiedPoint) -> str | None:
    """Return how the log differs from what was verified before, or None if it continues it."""
    chain = reader.chain_at(point.entry)
    if chain is None:
        return f"the log ends before entry {point.entry}, which was verified at {point.at}"
    if chain != point.head.chain:
        return f"the log up to entry {point.entry} differs from what was verified at {point.at}"
    if reader.signed() < point.entry:  # a point is a signed entry
        return f"signatures of the log were removed: entry {point.entry} was signed at {point.at}"
    return None


def remember(
    path: Path, reader: Reader, found: Verified, point: VerifiedPoint | None, at: datetime
) -> bool:
    """Store up to where the log was verified, or after faults that all has to be verified again.

    Returns whether the next verification can continue from there.
    """
    if not found.faults:
        newest = verified_up_to(reader, found.newest, at)
        return newest is not None and write_point(path, newest, reader)
    if point is not None:
        write_point(path, point.model_copy(update={"whole": False}), reader)
    return False


def main() -> int:
    """Verify all of the database named on the command line."""
    verified = verify(Path(sys.argv[1]), Extent.ALL)
    for fault in verified.faults:
        sys.stdout.write(f"{fault}\n")
    return 1 if verified.faults else 0


if __name__ == "__main__":
    sys.exit(main())
