"""Packs: files that hold pages of the database for all backups, each page once.

A pack is its pages, the SHA-256 of each, and their number; its name is the SHA-256 of that index.
It is never changed. It counts once it has its name: before, it was read back from the disk.
"""

import hashlib
import os
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from session_controller.errors import StoreError
from session_controller.security.files import sync_folder

FOLDER = "packs"
PACK = ".pack"
DRAFT = ".new"
HASH_BYTES = 32
_COUNT_BYTES = 4
PACK_BYTES = 64 << 20
"""Size of a full pack: what is copied at once if less than half of it is still needed."""

Place = tuple[str, int]
"""The name of a page's pack, and its number in it."""


class NoSpaceError(OSError):
    """What is to be written would use the reserve of the disk."""


def page_hash(page: bytes | memoryview) -> bytes:
    """Return the SHA-256 of a page."""
    return hashlib.sha256(page).digest()


def names(folder: Path) -> list[str]:
    """Return the names of all packs below a folder of backups."""
    return [path.stem for path in (folder / FOLDER).glob(f"*{PACK}")]


def pack_path(folder: Path, name: str) -> Path:
    """Return the path of a pack."""
    return folder / FOLDER / f"{name}{PACK}"


def read_index(folder: Path, name: str) -> bytes:
    """Return the hashes of a pack's pages, in order. Raises `StoreError`, `OSError`."""
    path = pack_path(folder, name)
    with path.open("rb") as file:
        end = file.seek(-_COUNT_BYTES, os.SEEK_END) if path.stat().st_size > _COUNT_BYTES else 0
        count = int.from_bytes(file.read(_COUNT_BYTES), "little")
        start = end - count * HASH_BYTES
        if start > 0:
            file.seek(start)
            index = file.read(end - start)
            if hashlib.sha256(index).hexdigest() == name:
                return index
    raise StoreError(f"{path} is damaged")


class PageReader:
    """Reads pages of packs, each verified by its hash."""

    def __init__(self, folder: Path, page_size: int) -> None:
        self._folder, self._size = folder, page_size
        self._handle: int | None = None
        self._name, self._index = "", b""

    def read(self, pack: str, first: int, count: int) -> Iterator[memoryview]:
        """Yield consecutive pages of a pack. Raises `StoreError`, `OSError`."""
        handle = self._open(pack)
        step = 256
        for start in range(first, first + count, step):
            number = min(step, first + count - start)
            content = memoryview(os.pread(handle, number * self._size, start * self._size))
            for n in range(number):
                page = content[n * self._size : (n + 1) * self._size]
                at = (start + n) * HASH_BYTES
                if page_hash(page) != self._index[at : at + HASH_BYTES]:
                    raise StoreError(f"{pack_path(self._folder, pack)} is damaged")
                yield page

    def _open(self, pack: str) -> int:
        if self._handle is None or pack != self._name:
            self.close()
            self._index = read_index(self._folder, pack)
            self._handle = os.open(pack_path(self._folder, pack), os.O_RDONLY)
            self._name = pack
        return self._handle

    def close(self) -> None:
        """Close the pack that was read last."""
        if self._handle is not None:
            os.close(self._handle)
        self._handle, self._name = None, ""


def is_whole(folder: Path, name: str, page_size: int) -> bool:
    """Return whether a pack is there, and each of its pages can be read as it was written."""
    reader = PageReader(folder, page_size)
    try:
        count = len(read_index(folder, name)) // HASH_BYTES
        return sum(1 for _ in reader.read(name, 0, count)) == count
    except (OSError, StoreError):
        return False
    finally:
        reader.close()


@dataclass(slots=True)
class PackWriter:
    """Writes pages into as many packs as are needed, at most `limit` bytes in all."""

    folder: Path
    page_size: int
    limit: int
    written: int = 0
    made: list[str] = field(default_factory=list)
    """The packs that are complete."""
    _handle: int | None = None
    _index: bytearray = field(default_factory=bytearray)

    @property
    def _draft(self) -> Path:
        return self.folder / FOLDER / f"{os.getpid()}{DRAFT}"

    def add(self, page: bytes | memoryview, digest: bytes) -> tuple[int, int]:
        """Write a page; return the number of its pack among `made`, and its own in the pack.

        Raises `OSError`, and `NoSpaceError` if the limit is reached.
        """
        if len(self._index) // HASH_BYTES * self.page_size >= PACK_BYTES:
            self.finish()
        self.written += self.page_size + HASH_BYTES
        if self.written > self.limit:
            raise NoSpaceError("the disk's reserve would be used")
        if self._handle is None:
            self._draft.parent.mkdir(mode=0o700, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC
            self._handle = os.open(self._draft, flags, 0o600)
        _write(self._handle, page)
        self._index += digest
        return len(self.made), len(self._index) // HASH_BYTES - 1

    def finish(self) -> None:
        """Complete the pack: sync it, read it back, and rename it. Raises `OSError`."""
        if self._handle is None:
            return
        index = bytes(self._index)
        count = len(index) // HASH_BYTES
        _write(self._handle, index + count.to_bytes(_COUNT_BYTES, "little"))
        os.fsync(self._handle)
        self._read_back(self._handle, index)
        name = hashlib.sha256(index).hexdigest()
        self._draft.replace(pack_path(self.folder, name))
        sync_folder(self._draft.parent)
        self.made.append(name)
        self._close()

    def _read_back(self, handle: int, index: bytes) -> None:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)  # from the disk, not memory
        for n in range(len(index) // HASH_BYTES):
            page = os.pread(handle, self.page_size, n * self.page_size)
            if page_hash(page) != index[n * HASH_BYTES : (n + 1) * HASH_BYTES]:
                raise OSError(None, "the disk does not return what was written to it")

    def discard(self) -> None:
        """Remove the pack that is not complete."""
        self._close()
        self._draft.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
        self._handle, self._index = None, bytearray()


def _write(handle: int, content: bytes | memoryview) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


class PageMap:
    """Where each page of a database is: runs of consecutive pages of a pack.

    Three numbers per run: the pack's place in a list, or `ZERO`; the first page in it; how many.
    """

    ZERO = 0xFFFFFFFF
    """Instead of a pack: these pages are empty."""

    def __init__(self, runs: "array[int] | None" = None) -> None:
        self.runs = runs if runs is not None else array("I")

    def add(self, pack: int, index: int) -> None:
        """Append a page."""
        runs = self.runs
        if pack == self.ZERO:
            index = 0
        if runs and runs[-3] == pack and (pack == self.ZERO or runs[-2] + runs[-1] == index):
            runs[-1] += 1
        else:
            runs.extend((pack, index, 1))

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yield the runs."""
        values = iter(self.runs)
        return zip(values, values, values, strict=True)

    def pages(self) -> "tuple[array[int], array[int]]":
        """Return the pack of each page, and its number in it."""
        packs, indexes = array("I"), array("I")
        for pack, first, count in self:
            packs.extend([pack] * count)
            indexes.extend(range(first, first + count) if pack != self.ZERO else [0] * count)
        return packs, indexes
