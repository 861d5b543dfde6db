"""Documents: encrypted files beside the database, in the format of `segments`.

`documents/{session}/{SHA-256 of the encrypted bytes}` is a complete document: the name reveals
nothing of the content, and a changed byte is detected without a key. A file is complete before the
commit that refers to it, and removed after the commit that drops it; files left over by a crash are
deleted at the next start.

`documents/{session}/{upload}.part` is an upload that is not complete. Bytes are appended before the
commit that counts them: what stands behind the counted bytes is overwritten. A part that began
again is another file (another inode), so that what was linked from a part never changes.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from schemas.base import is_identifier
from session_controller import failpoints
from session_controller.data_folder import DOCUMENTS_FOLDER
from session_controller.failpoints import Point
from session_controller.security.encryption import Cipher
from session_controller.security.files import make_private_folder, sync_folder, write_private
from session_controller.storage.entities import Chunk
from session_controller.storage.room import DiskUsage, Room
from session_controller.storage.segments import (
    FORMAT,
    find_position,
    seal_document,
    seal_segment,
)

FOLDER = DOCUMENTS_FOLDER
_NAME = re.compile("[0-9a-f]{64}")
_PART = ".part"

Upload = tuple[str, str]
"""A session, and the id of an upload in it: both name files, and have no capital letters."""


@dataclass(frozen=True, slots=True)
class Part:
    """The file of an upload whose bytes have all arrived."""

    upload: Upload
    sealed: bytes = field(repr=False)
    inode: tuple[int, int]
    """Which file it was, and when it was last written."""


class DocumentStore:
    """The documents of one data folder."""

    def __init__(self, data: Path, usage: DiskUsage = shutil.disk_usage) -> None:
        self.folder = data / FOLDER
        self.usage = usage
        self._ends: dict[Upload, tuple[int, int]] = {}
        """For each part that was appended to, its size decrypted and as a file."""

    # --- complete documents ----------------------------------------------------------------

    def put(self, upload: Upload, cipher: Cipher, document: bytes) -> str:
        """Store a document, synced to disk; return the name of its file. Raises `OSError`."""
        sealed = seal_document(cipher, *upload, document)
        name = hashlib.sha256(sealed).hexdigest()
        write_private(self._folder_of(upload[0]) / name, sealed)
        failpoints.reached(Point.DOCUMENT_NAMED)
        return name

    def keep(self, part: Part) -> str:
        """Store a part as a document by a second name, which it returns. Raises `OSError`.

        It is copied where the file system has no links, or the upload began again meanwhile.
        """
        name = hashlib.sha256(part.sealed).hexdigest()
        path = self._folder_of(part.upload[0]) / name
        if _linked(self._part(part.upload), path, part):
            sync_folder(path.parent)
        else:
            write_private(path, part.sealed)
        failpoints.reached(Point.DOCUMENT_NAMED)
        return name

    def _folder_of(self, session: str) -> Path:
        """Return a session's folder, which is made if it is missing."""
        folder = self.folder / session
        if not folder.exists():
            make_private_folder(folder)
            self.folder.chmod(0o700)
            sync_folder(self.folder)
            sync_folder(self.folder.parent)
        return folder

    @property
    def room(self) -> Room:
        """Return the room on the disk, as the file system has it now. Raises `OSError`."""
        return Room.on(self.folder.parent, self.usage)

    def sealed(self, session: str, name: str) -> bytes | None:
        """Return a document's encrypted file, or None if absent."""
        try:
            return (self.folder / session / name).read_bytes()
        except FileNotFoundError:
            return None

    def has(self, session: str, name: str) -> bool:
        """Return whether a document's file exists; it is not read."""
        return (self.folder / session / name).exists()

    # --- uploads that are not complete -----------------------------------------------------

    def append(self, chunks: Iterable[Chunk], cipher: Callable[[str], Cipher]) -> None:
        """Append to parts what continues them, synced to disk. Raises `OSError`.

        May be repeated: bytes at the same offset are overwritten, and what follows is cut off.
        """
        by_upload: dict[Upload, list[Chunk]] = {}
        for chunk in chunks:
            by_upload.setdefault((chunk.session, chunk.upload), []).append(chunk)
        for upload, found in by_upload.items():
            key = cipher(upload[0])
            sealed = b"".join(seal_segment(key, *upload, c.offset, c.data) for c in found)
            if found[0].offset == 0:
                end = self._begin(upload, FORMAT + sealed)
            else:
                end = self._continue(upload, found[0].offset, sealed)
            self._ends[upload] = found[-1].offset + len(found[-1].data), end
            failpoints.reached(Point.PART_SYNCED)

    def _begin(self, upload: Upload, content: bytes) -> int:
        path = self._folder_of(upload[0]) / self._part(upload).name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b") as file:
            end = _write(file, 0, content)
        sync_folder(path.parent)
        return end

    def _continue(self, upload: Upload, offset: int, content: bytes) -> int:
        with self._part(upload).open("r+b") as file:
            at = self._position(upload, file, offset)
            if at is None:
                raise FileNotFoundError(f"bytes before {offset} of an upload are missing")
            return _write(file, at, content)

    def _position(self, upload: Upload, file: BinaryIO, offset: int) -> int | None:
        known, at = self._ends.get(upload, (None, 0))
        if known == offset and at <= os.fstat(file.fileno()).st_size:
            return at
        return find_position(file.fileno(), offset)

    def holds(self, upload: Upload, received: int) -> bool:
        """Return whether the first `received` bytes of an upload are there. Raises `OSError`."""
        return received == 0 or self.part(upload, received, content=False) is not None

    def part(self, upload: Upload, size: int, *, content: bool = True) -> Part | None:
        """Return the first `size` bytes of an upload, encrypted, or None if they are not there.

        Raises `OSError`.
        """
        try:
            with self._part(upload).open("rb") as file:
                end = self._position(upload, file, size)
                if end is None:
                    return None
                found = os.fstat(file.fileno())
                return Part(upload, file.read(end if content else 0), _inode(found))
        except FileNotFoundError:
            return None

    def _part(self, upload: Upload) -> Path:
        return self.folder / upload[0] / part_name(upload[1])

    # --- removing --------------------------------------------------------------------------

    def discard(self, session: str, name: str) -> None:
        """Remove a file that nothing refers to."""
        self._ends.pop((session, name.removesuffix(_PART)), None)
        (self.folder / session / name).unlink(missing_ok=True)

    def forget(self, sessions: Iterable[str]) -> None:
        """Remove all documents of sessions. Raises `OSError` if they cannot be removed."""
        found = [folder for name in sessions if (folder := self.folder / name).exists()]
        for folder in found:
            shutil.rmtree(folder)
        if found:
            sync_folder(self.folder)

    def sweep(self, session: str, wanted: Collection[str]) -> None:
        """Remove files of a session that it does not refer to."""
        folder = self.folder / session
        if not folder.is_dir():
            return
        for name in [path.name for path in folder.iterdir()]:
            if name not in wanted:
                self.discard(session, name)
        if not any(folder.iterdir()):
            folder.rmdir()

    def sessions(self) -> list[str]:
        """Return the sessions that have a folder."""
        if not self.folder.is_dir():
            return []
        return [entry.name for entry in os.scandir(self.folder) if entry.is_dir()]

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the session and the name of each complete document."""
        for path in sorted(self.folder.glob("*/*")):
            if is_document(path.parent.name, path.name):
                yield path.parent.name, path.name


def part_name(upload: str) -> str:
    """Return the name of the file of an upload that is not complete: never one of a document."""
    return f"{upload}{_PART}"


def _write(file: BinaryIO, at: int, content: bytes) -> int:
    """Write at a position, cut off what follows, and sync; return the file's size."""
    file.seek(at)
    file.write(content)
    file.truncate()
    file.flush()
    failpoints.reached(Point.PART_WRITTEN)
    os.fsync(file.fileno())
    return file.tell()


def _linked(source: Path, path: Path, part: Part) -> bool:
    """Link a part to a path; return whether that holds the part now, and nothing else."""
    try:
        os.link(source, path)
        found = path.stat()
    except OSError:
        return False
    return (_inode(found), found.st_size) == (part.inode, len(part.sealed))


def _inode(found: os.stat_result) -> tuple[int, int]:
    return found.st_ino, found.st_mtime_ns


def is_document(session: str, name: str) -> bool:
    """Return whether these are a valid session id and document name: not a draft, not a path."""
    return is_identifier(session) and bool(_NAME.fullmatch(name))


def is_intact(sealed: bytes, name: str) -> bool:
    """Return whether a file's content matches its name."""
    return hashlib.sha256(sealed).hexdigest() == name
