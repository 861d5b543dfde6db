"""Checks of the database, its keys, the secrets of commands, and the log."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from itertools import islice

from session_controller.backup.backups import advice
from session_controller.data_folder import ADMINS_FILE, read_secrets
from session_controller.errors import StoreDamagedError, StoreError, StoreNewerError
from session_controller.integrity.data_folder import Extent, key_problem, reading, verify_reader
from session_controller.integrity.verified_point import POINT_FILE, read_point
from session_controller.preflight.finding import Finding, Level, critical, note, ok
from session_controller.preflight.subject import Subject
from session_controller.preflight.upgrade import upgrade_findings
from session_controller.security.encryption import (
    KEY_FILE,
    BoxKeyError,
    DecryptionError,
    keys_are_given,
)
from session_controller.security.keys import CODES, LOG, KeyGoneError
from session_controller.storage.database import connect_to_read, refuse_unusable
from session_controller.storage.documents import DocumentStore
from session_controller.storage.entities import SealedState
from session_controller.storage.reader import Reader
from session_controller.storage.shape import difference
from session_controller.storage.shape import mend as mend_shape

_RESET_BUG = ((3, 7, 0), (3, 51, 2))
"""SQLite versions whose write-ahead log can be corrupted when two connections checkpoint at once
(sqlite.org/wal.html, "the WAL-reset bug"). The box uses one connection, so it is not affected."""
_MANY_SESSIONS = 5_000
"""How many sessions' documents are looked for."""
MANY_ENTRIES = 200_000
"""Entries of a log that are verified at once, in some ten seconds."""


def start_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what keeps a box from opening its database; reads little."""
    path = subject.database
    try:
        refuse_unusable(subject.data)
    except StoreDamagedError as error:
        yield critical("database", str(error), advice(subject.data))
        return
    except StoreNewerError:
        yield from upgrade_findings(subject.data, subject.usage)
        return
    except sqlite3.Error as error:
        yield critical("database", f"{path} cannot be read ({error})", advice(subject.data))
        return
    if path.exists():
        yield from upgrade_findings(subject.data, subject.usage)
        yield from _shape(subject)
    yield from _keys(subject)
    yield from _secrets(subject)


def _shape(subject: Subject) -> Iterator[Finding]:
    """Yield which indexes are missing and which triggers were added: what can be mended here."""
    with closing(connect_to_read(subject.database)) as connection:
        found = difference(connection)
    if not found:
        return
    lost = [f"the index {each.name} is missing, or is another one" for each in found.indexes]
    strange = [f"the trigger {name} is not Handrail's" for name in found.triggers]
    unique = any(each.unique for each in found.indexes)
    fix = None if subject.running else partial(mend_shape, subject.database)
    mend = f"handrail doctor --fix --data {subject.data}"
    if subject.running:
        mend = f"systemctl stop handrail; {mend}; systemctl start handrail"
    level = Level.CRITICAL if unique or strange else Level.WARNING
    yield Finding("schema", level, "; ".join([*lost, *strange]), mend, fix)


def database_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with the database, after a look at all of it."""
    yield from _sqlite()
    if not subject.database.exists():
        if not (subject.data / KEY_FILE).exists():
            yield note("database", "there is none yet; the first start creates it")
        return
    try:
        with closing(connect_to_read(subject.database)) as connection:
            yield from _integrity(subject, connection)
            yield from _contents(connection)
    except sqlite3.Error as error:
        text = f"{subject.database} cannot be read ({error})"
        yield critical("database", text, advice(subject.data))


def _integrity(subject: Subject, connection: sqlite3.Connection) -> Iterator[Finding]:
    problems = [row[0] for row in connection.execute("PRAGMA integrity_check(5)")]
    if problems == ["ok"]:
        yield ok("database", "it is intact")
    else:
        text = f"the database is damaged: {'; '.join(map(str, problems))}"
        yield critical("database", text, advice(subject.data))


def _contents(connection: sqlite3.Connection) -> Iterator[Finding]:
    counted = {
        "open sessions": "SELECT count(*) FROM sessions WHERE ended_at IS NULL",
        "ended sessions": "SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL",
        "flows": "SELECT count(DISTINCT flow_id) FROM flows",
    }
    parts = [f"{name}: {connection.execute(sql).fetchone()[0]:,}" for name, sql in counted.items()]
    yield note("contents", ", ".join(parts))


def _sqlite() -> Iterator[Finding]:
    first, last = _RESET_BUG
    if first <= sqlite3.sqlite_version_info <= last:
        text = (
            f"SQLite {sqlite3.sqlite_version} has the WAL-reset bug; the box is not affected, as "
            "it uses one connection; do not open the database in another program while it runs"
        )
        yield note("sqlite", text)


def can_decrypt(subject: Subject) -> bool:
    """Return whether this process has a key, so that checks may open what is encrypted."""
    with suppress(BoxKeyError):
        return keys_are_given() or (subject.data / KEY_FILE).exists()
    return False


def _keys(subject: Subject) -> Iterator[Finding]:
    if not subject.database.exists():
        return
    if lost := _own_keys_lost(subject):
        text = f"the keys of the box are missing in the database: {', '.join(lost)}"
        yield critical("keys", text, advice(subject.data))
        return
    problem = key_problem(subject.data)
    if problem is None:
        yield ok("keys", "all keys can be opened with the box's key")
    elif not can_decrypt(subject) and subject.running:
        # Such as a credential of systemd, which only the service gets.
        text = "the box that runs has its key; this command has none, and verifies less"
        yield note("keys", text, "pass HANDRAIL_BOX_KEY to this command, to verify all")
    else:
        mend = (
            f"put back {subject.data / KEY_FILE}, set HANDRAIL_BOX_KEY, give the service its "
            "credential, or restore a backup with its keys"
        )
        yield critical("keys", problem, mend)


def _own_keys_lost(subject: Subject) -> list[str]:
    """Return the keys that a box makes before all else, and that one in use lacks."""
    with closing(connect_to_read(subject.database)) as connection:
        if connection.execute("SELECT 1 FROM events LIMIT 1").fetchone() is None:
            return []
        there = {name for (name,) in connection.execute("SELECT name FROM keys")}
    return sorted({LOG, CODES} - there)


def _secrets(subject: Subject) -> Iterator[Finding]:
    """Yield that the secrets of commands are damaged; without a box, new ones can be made."""
    path = subject.data / ADMINS_FILE
    if not subject.database.exists():
        return
    try:
        read_secrets(path)
    except FileNotFoundError:
        return
    except StoreError:
        text = f"{path} is damaged or cannot be read: it holds the secrets of the box's commands"
        mend = f"rm {path}; handrail serve makes it again"
        fix = None if subject.running or subject.start.broker else partial(path.unlink)
        yield Finding("admin-secrets", Level.CRITICAL, text, mend, fix)


def log_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with the log since it was verified last, and with the states."""
    if not subject.database.exists() or not can_decrypt(subject):
        return
    try:
        with reading(subject.database) as reader:
            point = read_point(subject.data / POINT_FILE, reader)
            newest = reader.head().entry
            if newest - (point.entry if point else 0) > MANY_ENTRIES:
                text = f"{newest:,} entries, which were not verified for long"
                yield note("log", text, "handrail audit verify")
                return
            found = verify_reader(reader, Extent.NEW, point=point)
    except (StoreError, sqlite3.Error):  # named by the other checks
        return
    if found.faults:
        text = "; ".join(found.faults[:3])
        yield critical("log", text, "handrail audit verify --all; then restore a backup")
    else:
        yield ok("log", f"no entry was changed, removed or inserted; {newest:,} entries")


def document_findings(subject: Subject) -> Iterator[Finding]:
    """Yield which documents of sessions are missing; `audit verify --all` reads them, too."""
    if not subject.database.exists() or not can_decrypt(subject):
        return
    store, lost, count = DocumentStore(subject.data), list[str](), 0
    try:
        with reading(subject.database) as reader:
            for sealed in islice(reader.sealed_states(), _MANY_SESSIONS):
                names = _document_names(reader, sealed)
                count += len(names)
                lost += [sealed.session for name in names if not store.has(sealed.session, name)]
    except (StoreError, sqlite3.Error, BoxKeyError):  # named by the other checks
        return
    if lost:
        text = f"{len(lost)} documents are missing, of {', '.join(sorted(set(lost))[:3])}"
        yield critical("documents", text, advice(subject.data))
    elif count:
        yield ok("documents", f"all {count:,} are there")


def _document_names(reader: Reader, sealed: SealedState) -> list[str]:
    """Return the documents that a session has stored; none if its key is gone."""
    try:
        state = reader.open_state(sealed)
    except (KeyGoneError, DecryptionError, ValueError):  # purged, or named by the check of the log
        return []
    stored = (document.stored for document in state.documents.values())
    return [each.file for each in stored if each is not None]
