"""Checks that rows are there to which others refer, or which the log says were stored."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice

from schemas.wire.requests import REHEARSAL
from session_controller.backup.backups import advice
from session_controller.errors import StoreError
from session_controller.integrity.data_folder import reading
from session_controller.preflight.database import can_decrypt
from session_controller.preflight.finding import Finding, critical, ok
from session_controller.preflight.subject import Subject
from session_controller.security.encryption import BoxKeyError, DecryptionError
from session_controller.security.keys import KeyGoneError
from session_controller.storage.database import connect_to_read

CHECK = "rows"
_NAMED = 3
_NAMED_ELSEWHERE = (sqlite3.Error, StoreError, BoxKeyError, LookupError)
"""Of what other checks name: a database that cannot be read, or that lacks a column."""
_LOG_READ_UP_TO = 2_000_000
"""Of the log, in which a start of each row is looked for: in about a second."""
_SESSIONS_READ = 1_000


@dataclass(frozen=True, slots=True)
class _Kept:
    """Rows that are never deleted, and the entry of the log with which each begins."""

    kind: str
    field: str
    """The part of the entry that names the row."""
    table: str
    key: str
    words: str


_NEVER_DELETED = (
    _Kept("DeviceEnrolled", "subject", "devices", "device", "devices"),
    _Kept("PersonChanged", "subject", "persons", "person", "persons of staff"),
    _Kept("EmergencyAccessBegun", "subject", "emergencies", "access", "emergency accesses"),
    _Kept("FlowAdded", "flow_ref", "flows", "flow_ref", "forms"),
)
_REFERENCES = {
    "sessions that have a key": (
        "SELECT substr(name, 9) FROM keys WHERE name LIKE 'session:%' "
        "AND substr(name, 9) NOT IN (SELECT session FROM sessions)"
    ),
    "sessions that are to be delivered": (
        "SELECT DISTINCT session FROM deliveries "
        "WHERE session NOT IN (SELECT session FROM sessions)"
    ),
}
"""What selects the missing rows, by what they are."""


def row_findings(subject: Subject) -> Iterator[Finding]:
    """Yield which rows of the database are missing; nothing if it cannot be read."""
    if not subject.database.exists():
        return
    with suppress(*_NAMED_ELSEWHERE):
        with closing(connect_to_read(subject.database)) as connection:
            lost = dict(_lost(connection))
        lost |= _needed(subject)
        yield _finding(subject, lost) or ok(CHECK, "each that another refers to is there")


def needed_row_findings(subject: Subject) -> Iterator[Finding]:
    """Yield the same of what a box needs for the sessions that it serves as it starts."""
    if subject.database.exists():
        with suppress(*_NAMED_ELSEWHERE):
            found = _finding(subject, _needed(subject))
            yield from [found] if found else []


def _finding(subject: Subject, lost: Mapping[str, Sequence[str]]) -> Finding | None:
    found = [f"{words}: {_named(names)}" for words, names in lost.items() if names]
    if not found:
        return None
    text = f"rows of the database are missing, of {'; '.join(found)}"
    return critical(CHECK, text, advice(subject.data))


def _needed(subject: Subject) -> dict[str, list[str]]:
    """Return which devices and forms of the sessions are missing whose guests are still there."""
    if not can_decrypt(subject):
        return {}
    devices, forms = set[str](), set[str]()
    with reading(subject.database) as reader:
        for sealed in islice(reader.uncleared_states(), _SESSIONS_READ):
            try:
                state = reader.open_state(sealed)
            except (KeyGoneError, DecryptionError, ValueError):  # the check of the log says so
                continue
            devices |= state.participants.keys()
            forms.add(state.flow_ref)
        devices -= {device.device for device in reader.devices()}
        forms = {ref for ref in forms if reader.find_flow(ref) is None}
    rehearsed = {name for name in devices if name.startswith(REHEARSAL)}
    return {"devices of sessions": sorted(devices - rehearsed), "forms of sessions": sorted(forms)}


def _lost(connection: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    for words, sql in _REFERENCES.items():
        yield words, [str(name) for (name,) in connection.execute(sql)]
    (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM events").fetchone()
    if newest <= _LOG_READ_UP_TO:
        begun = _begun(connection)
        for kept in _NEVER_DELETED:
            yield kept.words, sorted(begun[kept.kind] - _rows(connection, kept))


def _begun(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """Return by kind what the log says began; in one pass, since no index has the kinds."""
    fields = {kept.kind: kept.field for kept in _NEVER_DELETED}
    found = {kind: set[str]() for kind in fields}
    marks = ",".join("?" * len(fields))
    sql = f"SELECT kind, content FROM events WHERE kind IN ({marks}) AND content IS NOT NULL"  # noqa: S608
    for kind, content in connection.execute(sql, tuple(fields)):
        try:
            name = str(json.loads(content)[fields[kind]])
        except (ValueError, LookupError, TypeError):  # the check of the log says so
            continue
        if not name.startswith(REHEARSAL):  # of a rehearsal, which deletes its devices
            found[kind].add(name)
    return found


def _rows(connection: sqlite3.Connection, kept: _Kept) -> set[str]:
    rows = connection.execute(f"SELECT {kept.key} FROM {kept.table}")  # noqa: S608 - our constants
    return {str(name) for (name,) in rows}


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
