"""Which tables, columns, indexes and triggers a database must have, and which it has.

What it must have is what its migrations made: they are run again in an empty database.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sqlite_utils import Database

from session_controller.storage.schema import SCHEMA

_Columns = frozenset[str]


@dataclass(frozen=True, slots=True)
class Index:
    """An index of a table."""

    name: str
    unique: bool
    columns: tuple[str | None, ...]
    sql: str
    """The statement that creates it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a database consists of, besides its rows."""

    tables: dict[str, _Columns]
    indexes: dict[str, Index]
    triggers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Difference:
    """How a database differs from what its migrations made."""

    lost: tuple[str, ...] = ()
    """Tables and columns that are missing, in words: only a backup has their rows."""
    indexes: tuple[Index, ...] = ()
    """Indexes that are missing or are not as they were made; they can be made again."""
    triggers: tuple[str, ...] = ()
    """Triggers that no migration made."""

    def __bool__(self) -> bool:
        return bool(self.lost or self.indexes or self.triggers)


def difference(connection: sqlite3.Connection) -> Difference:
    """Return how a database differs from what its migrations made. Raises `sqlite3.Error`."""
    found = _shape(connection)
    if not found.tables:  # nothing was stored yet
        return Difference()
    if SCHEMA.migrations_table not in found.tables:
        return Difference((f"the table {SCHEMA.migrations_table}",))
    applied = {migration.name for migration in SCHEMA.applied(Database(connection))}
    wanted = _wanted(frozenset(applied))
    if _has_more(found, wanted):
        return Difference((f"rows of the table {SCHEMA.migrations_table}",))
    return Difference(
        tuple(_lost(wanted, found)),
        tuple(_indexes(wanted, found)),
        tuple(sorted(found.triggers - wanted.triggers)),
    )


def _has_more(found: Shape, wanted: Shape) -> bool:
    """Return whether there is what only later migrations make: they ran, and are not recorded."""
    newest = _wanted(frozenset(one.name for one in SCHEMA.pending(Database(memory=True))))
    return any(
        found.tables.get(table, frozenset()) & (columns - wanted.tables.get(table, frozenset()))
        for table, columns in newest.tables.items()
    )


def mend(path: Path) -> None:
    """Make missing indexes again, and drop triggers that no migration made.

    Raises `OSError`, also for what SQLite refuses.
    """
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            found = difference(connection)
            connection.execute("BEGIN IMMEDIATE")
            for trigger in found.triggers:
                connection.execute(f"DROP TRIGGER {_quoted(trigger)}")
            for index in found.indexes:
                connection.execute(f"DROP INDEX IF EXISTS {_quoted(index.name)}")
                connection.execute(index.sql)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise OSError(None, str(error), str(path)) from error


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@lru_cache
def _wanted(applied: frozenset[str]) -> Shape:
    """Return what these migrations make, as far as they are known and follow each other."""
    db = Database(memory=True)
    names = [migration.name for migration in SCHEMA.pending(db)]
    stop = next((name for name in names if name not in applied), None)
    SCHEMA.apply(db, stop_before=stop)
    with closing(db.conn):
        return _shape(db.conn)


def _shape(connection: sqlite3.Connection) -> Shape:
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    return Shape(
        {name: _columns(connection, name) for kind, name, _ in rows if kind == "table"},
        {
            name: _index(connection, name, sql)
            for kind, name, sql in rows
            if kind == "index" and sql is not None
        },
        frozenset(name for kind, name, _ in rows if kind == "trigger"),
    )


def _columns(connection: sqlite3.Connection, table: str) -> _Columns:
    rows = connection.execute("SELECT name FROM pragma_table_info(?)", (table,))
    return frozenset(name for (name,) in rows)


def _index(connection: sqlite3.Connection, name: str, sql: str) -> Index:
    columns = connection.execute("SELECT name FROM pragma_index_info(?)", (name,))
    unique = sql.upper().startswith("CREATE UNIQUE")
    return Index(name, unique, tuple(column for (column,) in columns), sql)


def _lost(wanted: Shape, found: Shape) -> Iterator[str]:
    for table, columns in wanted.tables.items():
        if table not in found.tables:
            yield f"the table {table}"
        elif lost := columns - found.tables[table]:
            yield f"the column {_listed(lost)} of the table {table}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names))


def _indexes(wanted: Shape, found: Shape) -> Iterator[Index]:
    for name, index in wanted.indexes.items():
        there = found.indexes.get(name)
        if there is None or (there.unique, there.columns) != (index.unique, index.columns):
            yield index
