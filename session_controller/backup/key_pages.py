"""Pages of the database without the keys that are in them.

A backup holds no keys: they are in the keyring, where a purge reaches them. The table `keys` keeps
its shape in a backup, with zeros in place of each wrapped key, so that the database stays whole.
SQLite's file format, sections 1.6 and 2.1: https://www.sqlite.org/fileformat2.html.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from session_controller.errors import StoreError

_INTERIOR, _LEAF = 0x02, 0x0A
"""Types of the pages of a table `WITHOUT ROWID`."""


class KeyPages:
    """The pages of the table of keys in a database file that nobody writes to meanwhile."""

    def __init__(self, path: Path, handle: int, page_size: int) -> None:
        """Find the pages. Raises `sqlite3.Error`, `StoreError`, `OSError`."""
        self._handle, self._size = handle, page_size
        self._usable = page_size - os.pread(handle, 1, 20)[0]
        root, self.wrapped = _read(path)
        """The keys themselves, wrapped."""
        self.pages = set(self._below(root))

    def _below(self, page: int) -> Iterator[int]:
        yield page
        content = os.pread(self._handle, self._size, (page - 1) * self._size)
        if content[0] == _LEAF:
            return
        if content[0] != _INTERIOR:
            raise StoreError("the table of keys cannot be read")
        for at in _cells(content, 12):
            yield from self._below(int.from_bytes(content[at : at + 4], "big"))
        yield from self._below(int.from_bytes(content[8:12], "big"))

    def without_keys(self, content: memoryview) -> bytes:
        """Return a page of the table with zeros in place of the keys, and of what is unused.

        Raises `StoreError`.
        """
        interior = content[0] == _INTERIOR
        first = 12 if interior else 8
        cleared = bytearray(self._size)
        cells = _cells(content, first)
        head = first + 2 * len(cells)
        cleared[:head] = content[:head]
        free = int.from_bytes(content[1:3], "big")
        while free:  # the chain of free blocks: where the next is, and how long this one is
            cleared[free : free + 4] = content[free : free + 4]
            free = int.from_bytes(content[free : free + 2], "big")
        for at in cells:
            end = self._end_of_name(content, at + 4 if interior else at)
            cleared[at:end] = content[at:end]
        return bytes(cleared)

    def _end_of_name(self, content: memoryview, at: int) -> int:
        """Return where the first value of a cell's record ends."""
        length, start = _varint(content, at)
        if length > (self._usable - 12) * 64 // 255 - 23:
            raise StoreError("a key is larger than a page allows")
        head, at = _varint(content, start)
        kind, _ = _varint(content, at)
        return start + head + max(0, kind - 12) // 2


def _read(path: Path) -> tuple[int, dict[str, bytes]]:
    """Return the first page of the table, and its content."""
    # Immutable: the file as it is, without the write-ahead log, and without locks.
    name = f"file:{quote(str(path))}?mode=ro&immutable=1"
    with closing(sqlite3.connect(name, uri=True)) as db:
        row = db.execute("SELECT rootpage FROM sqlite_master WHERE name='keys'").fetchone()
        if row is None:
            raise StoreError(f"{path} has no table of keys")
        return int(row[0]), dict(db.execute("SELECT name, wrapped FROM keys"))


def _cells(content: bytes | memoryview, first: int) -> list[int]:
    count = int.from_bytes(content[3:5], "big")
    ends = range(first, first + 2 * count, 2)
    return [int.from_bytes(content[at : at + 2], "big") for at in ends]


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """Return a number of one to nine bytes, and where it ends."""
    value = 0
    for n in range(8):
        value = value << 7 | content[at + n] & 0x7F
        if not content[at + n] & 0x80:
            return value, at + n + 1
    return value << 8 | content[at + 8], at + 9
