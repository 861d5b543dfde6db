"""Delete sessions from the database, except for their entries of the log, which lose the content.

The entries stay, for the hash chain. The session's key is deleted by the caller.
"""

import sqlite3
from collections.abc import Collection

from session_controller.storage.delivery_rows import PURGE_DELIVERIES
from session_controller.storage.statements import FORGET_GUESTS, INSERT_EVENT

_WITHOUT_CONTENT = """
    SELECT id, at, kind, session, revision, device, seq, command_id, person, NULL, content_sha256,
        chain
    FROM events WHERE session=? AND revision IS NOT NULL
"""
_DELETE_EVENT = "DELETE FROM events WHERE id=?"
_DELETE = (
    PURGE_DELIVERIES,
    "DELETE FROM sessions WHERE session=?",
    "DELETE FROM codes WHERE subject=?",
    FORGET_GUESTS,
)


def purge(connection: sqlite3.Connection, sessions: Collection[str]) -> None:
    """Delete sessions within the transaction that is open. Raises `sqlite3.Error`.

    Their entries are deleted and inserted again without content: SQLite merges pages after a
    DELETE, not after an UPDATE that makes a row smaller, and would leave them half empty for ever.
    """
    names = [(name,) for name in sessions]
    for name in names:
        entries = connection.execute(_WITHOUT_CONTENT, name).fetchall()
        connection.executemany(_DELETE_EVENT, [entry[:1] for entry in entries])
        connection.executemany(INSERT_EVENT, entries)
    for statement in _DELETE:
        connection.executemany(statement, names)
