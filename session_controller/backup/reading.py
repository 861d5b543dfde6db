"""Read the database and the documents for a backup, in a separate process.

`python -m session_controller.backup.reading ORDER`, as JSON. While it reads the pages,
the box does not move its write-ahead log into the file, which therefore does not change: the file
is read as plain bytes, so that only what has changed since the last backup is written, and once.
In a process of its own, since closing a file drops the locks that SQLite has on it in the same
process, and since hashing would delay the box.
"""

import base64
import json
import os
import sqlite3
import sys
import zlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from session_controller.backup.key_pages import KeyPages
from session_controller.backup.manifest import Manifest, RootHash, read_manifest
from session_controller.backup.outlook import needed
from session_controller.backup.packs import (
    HASH_BYTES,
    NoSpaceError,
    PackWriter,
    PageMap,
    page_hash,
    read_index,
)
from session_controller.backup.shelf import Shelf
from session_controller.backup.turns import Alive, always, as_long_as, turn
from session_controller.errors import KeyringError, StoreError
from session_controller.security.keyring import KEYRING, names_in_keyring
from session_controller.storage.database import DATABASE
from session_controller.storage.documents import FOLDER as DOCUMENTS

_CHUNK = 256
"""Pages read at once: a megabyte."""
FULL, FAILED = 3, 1
"""Exit codes: the disk's reserve would be used; anything else."""


@dataclass(frozen=True, slots=True)
class CopiedPages:
    """Where the pages of the database are now."""

    page_size: int
    root: str
    packs: tuple[str, ...]
    pages: PageMap
    written: int
    keys: dict[str, bytes]
    """The wrapped keys, which are not in the packs."""


def copy_pages(
    database: Path, folder: Path, previous: Manifest | None, limit: int, alive: Alive = always
) -> CopiedPages:
    """Write the pages that differ from those of the previous backup, at most `limit` bytes.

    Raises `OSError`, `StoreError`, `sqlite3.Error`.
    """
    handle = os.open(database, os.O_RDONLY)
    try:
        size = int.from_bytes(os.pread(handle, 2, 16), "big")
        size = 1 << 16 if size == 1 else size
        writer = PackWriter(folder, size, limit)
        try:
            return _Copying(handle, KeyPages(database, handle, size), writer, alive).run(
                _Former(folder, previous, size)
            )
        except BaseException:
            writer.discard()
            raise
    finally:
        os.close(handle)


class _Former:
    """The pages of the previous backup, by their place in the database."""

    def __init__(self, folder: Path, previous: Manifest | None, page_size: int) -> None:
        usable = previous if previous and previous.header.page_size == page_size else None
        self.packs = usable.header.packs if usable else ()
        self._pack, self._index = usable.pages.pages() if usable else (array("I"), array("I"))
        self._hashes = [_index_or_none(folder, name) for name in self.packs]

    def place(self, number: int, digest: bytes) -> tuple[int, int] | None:
        """Return where a page is, counted from 0, if it has not changed since."""
        if number >= len(self._pack) or self._pack[number] == PageMap.ZERO:
            return None
        pack, index = self._pack[number], self._index[number]
        hashes, at = self._hashes[pack], index * HASH_BYTES
        if hashes is None or hashes[at : at + HASH_BYTES] != digest:
            return None
        return pack, index


def _index_or_none(folder: Path, name: str) -> bytes | None:
    """Return a pack's hashes, or None if it is missing or damaged: its pages are written anew."""
    try:
        return read_index(folder, name)
    except (OSError, StoreError):
        return None


@dataclass(slots=True)
class _Copying:
    handle: int
    keys: KeyPages
    writer: PackWriter
    alive: Alive

    def run(self, former: _Former) -> CopiedPages:
        """Read the file from its beginning to its end."""
        size = self.writer.page_size
        count = os.fstat(self.handle).st_size // size
        empty = bytes(size)
        root, pages = RootHash(), PageMap()
        for first in range(0, count, _CHUNK):
            self.alive()
            chunk = os.pread(self.handle, _CHUNK * size, first * size)
            for n in range(min(_CHUNK, count - first)):
                page = chunk[n * size : (n + 1) * size]
                number = first + n
                if number + 1 in self.keys.pages:
                    page = self.keys.without_keys(memoryview(page))
                digest = page_hash(page)
                root.add(digest)
                if page == empty:
                    pages.add(PageMap.ZERO, 0)
                    continue
                place = former.place(number, digest)
                if place is None:
                    pack, index = self.writer.add(page, digest)
                    place = len(former.packs) + pack, index
                pages.add(*place)
        self.writer.finish()
        packs = (*former.packs, *self.writer.made)
        used, pages = only_used(packs, pages)
        return CopiedPages(
            size, root.hexdigest(), used, pages, self.writer.written, self.keys.wrapped
        )


def only_used(packs: tuple[str, ...], pages: PageMap) -> tuple[tuple[str, ...], PageMap]:
    """Leave out packs that no page is in."""
    numbers = sorted({pack for pack, _, _ in pages} - {PageMap.ZERO})
    new = {old: n for n, old in enumerate(numbers)} | {PageMap.ZERO: PageMap.ZERO}
    runs = array("I")
    for pack, first, count in pages:
        runs.extend((new[pack], first, count))
    return tuple(packs[n] for n in numbers), PageMap(runs)


def main() -> int:
    """Carry out the order; print a line of JSON for the pages, then one for the documents."""
    order = json.loads(sys.argv[1])
    os.nice(10)
    try:
        with turn(Path(order["folder"])):
            _carry_out(order)
    except NoSpaceError:
        return FULL
    except (OSError, StoreError, KeyringError, sqlite3.Error) as error:
        text = error.strerror if isinstance(error, OSError) else str(error)
        print(text or str(error), file=sys.stderr)  # noqa: T201
        return FAILED
    return 0


def _carry_out(order: Mapping[str, Any]) -> None:
    data, folder = Path(order["data"]), Path(order["folder"])
    previous = read_manifest(Path(order["previous"])) if order["previous"] else None
    header = previous.header if previous else None
    need = needed(data, header, Shelf(folder, 0).missing(data / DOCUMENTS))
    if need > order["limit"]:
        _print({"need": need})
        raise NoSpaceError
    alive = as_long_as(order["parent"])
    copied = copy_pages(data / DATABASE, folder, previous, order["limit"], alive)
    keyring = folder / KEYRING
    known = names_in_keyring(keyring) if keyring.exists() else set()
    _print(
        {
            "page_size": copied.page_size,
            "root": copied.root,
            "packs": copied.packs,
            "map": base64.b64encode(zlib.compress(copied.pages.runs.tobytes())).decode(),
            "written": copied.written,
            "keys": {name: key.hex() for name, key in copied.keys.items() if name not in known},
        }
    )
    shelf = Shelf(folder, order["limit"] - copied.written, alive)
    documents = shelf.update(data / DOCUMENTS)
    _print({"documents": documents.model_dump(), "written": shelf.written, "bytes": shelf.bytes})


def _print(facts: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
