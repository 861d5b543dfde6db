"""A copy of the database for a backup: the keys taken out, the documents put in."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from session_controller import points
from session_controller.points import Point
from session_controller.reading import BACKUP_DOCUMENTS
from session_controller.vault import Vault, is_document

_PAGES = 256
_PAUSE_S = 0.005
"""It takes a megabyte at a time, and waits this long while a batch is being written."""


def copy_database(source: sqlite3.Connection, vault: Vault, path: Path) -> dict[str, bytes]:
    """Copy a database as it stands at the end of this, and the documents, into a new file.

    Gives the wrapped keys, which are not in the copy. Raises `sqlite3.Error`, `OSError`.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600))
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        source.backup(copy, pages=_PAGES, sleep=_PAUSE_S, progress=_backing_up)
        copy.execute("PRAGMA journal_mode=delete")  # one file, and nothing beside it
        copy.execute("PRAGMA synchronous=FULL")
        copy.execute("PRAGMA secure_delete=ON")
        copy.execute("BEGIN")
        keys: dict[str, bytes] = dict(copy.execute("SELECT name, wrapped FROM keys"))
        copy.execute("DELETE FROM keys")
        _put_documents_in(copy, vault)
        copy.execute("COMMIT")
        return keys


def _put_documents_in(copy: sqlite3.Connection, vault: Vault) -> None:
    copy.execute(
        f"CREATE TABLE {BACKUP_DOCUMENTS}"
        " (session TEXT, file TEXT, bytes BLOB, PRIMARY KEY (session, file))"
    )
    for session, name in list(vault.names()):
        sealed = vault.sealed(session, name)
        if sealed is not None and is_document(session, name):
            values = (session, name, sealed)
            copy.execute(f"INSERT INTO {BACKUP_DOCUMENTS} VALUES (?,?,?)", values)  # noqa: S608


def _backing_up(_: int, __: int, ___: int) -> None:
    points.reached(Point.BACKING_UP)
