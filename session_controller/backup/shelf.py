"""The documents of all backups, each once, and the log of which backup has which.

`backups/documents/{session}/{name}`, as in the data folder: the name is the hash of the content.
`backups/documents.log` has a line for each document that came (`+`) or went (`-`). A backup names
a line of it: its documents are those that came before and had not gone.
"""

import hashlib
import os
import shutil
from bisect import bisect_left
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from session_controller.backup.manifest import Listed
from session_controller.backup.packs import NoSpaceError
from session_controller.backup.turns import Alive, always
from session_controller.errors import StoreError
from session_controller.security.files import sync_folder
from session_controller.storage.documents import is_document, is_intact

DOCUMENTS = "documents"
LOG = "documents.log"
_DRAFT = "handrail-document.new"

Name = tuple[str, str]
"""A session, and the name of a document of it."""


def names_in(folder: Path) -> Iterator[Name]:
    """Yield the documents below a folder; neither drafts nor what else is there."""
    if not folder.is_dir():
        return
    with os.scandir(folder) as sessions:
        for session in sessions:
            if session.is_dir(follow_symlinks=False):
                with os.scandir(session.path) as files:
                    names = [file.name for file in files if is_document(session.name, file.name)]
                yield from ((session.name, name) for name in names)


def read_log(folder: Path) -> list[tuple[str, Name]]:
    """Return the lines of a log; one that is not complete does not count. Raises `StoreError`."""
    path = folder / LOG
    text = path.read_text() if path.exists() else ""
    lines = []
    for line in text.splitlines(keepends=True):
        if line.endswith("\n"):
            session, _, name = line[1:-1].partition("/")
            if line[0] not in "+-" or not is_document(session, name):
                raise StoreError(f"{path} is damaged")
            lines.append((line[0], (session, name)))
    return lines


def names_at(lines: list[tuple[str, Name]], position: int) -> set[Name]:
    """Return the documents that had come and not gone at a line of the log."""
    there = set[Name]()
    for sign, name in lines[:position]:
        if sign == "+":
            there.add(name)
        else:
            there.discard(name)
    return there


def listed(names: Collection[Name], lines: int) -> Listed:
    """Describe the documents of a backup."""
    digest = hashlib.sha256()
    for session, name in sorted(names):
        digest.update(f"{session}/{name}\n".encode())
    return Listed(lines=lines, count=len(names), sha256=digest.hexdigest())


def names_of(folder: Path, wanted: Listed) -> set[Name]:
    """Return the documents of a backup. Raises `StoreError` if the log does not list them."""
    found = names_at(read_log(folder), wanted.lines)
    if listed(found, wanted.lines) != wanted:
        raise StoreError(f"{folder / LOG} is damaged")
    return found


@dataclass(slots=True)
class Shelf:
    """Copies the documents of a data folder for all its backups."""

    folder: Path
    limit: int
    """Bytes that may be written."""
    alive: Alive = always
    written: int = 0
    bytes: int = 0
    """Of the documents that are there."""

    def update(self, live: Path) -> Listed:
        """Copy what is new, note what is gone, and describe what is there.

        Raises `OSError`, `StoreError`.
        """
        there, lines = set(names_in(self.folder / DOCUMENTS)), read_log(self.folder)
        known, wanted = names_at(lines, len(lines)), set(names_in(live))
        copied = {name for name in sorted(wanted - there) if self._copied(live, name)}
        wanted = (wanted & there) | copied
        self._sync(copied)
        news = [("+", name) for name in sorted(wanted - known)]
        news += [("-", name) for name in sorted(known - wanted)]
        self._append(news)
        root = self.folder / DOCUMENTS
        self.bytes = sum(_size(root / session / name) for session, name in wanted)
        return listed(wanted, len(lines) + len(news))

    def missing(self, live: Path) -> int:
        """Return the bytes of the documents that are to be copied."""
        absent = set(names_in(live)) - set(names_in(self.folder / DOCUMENTS))
        return sum(_size(live / session / name) for session, name in absent)

    def _copied(self, live: Path, name: Name) -> bool:
        """Copy a document, unless it has just been removed."""
        self.alive()
        source, target = live.joinpath(*name), (self.folder / DOCUMENTS).joinpath(*name)
        try:
            content = source.read_bytes()
        except FileNotFoundError:
            return False
        self.written += len(content)
        if self.written > self.limit:
            raise NoSpaceError("the disk's reserve would be used")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.folder / _DRAFT
        try:
            _write_verified(draft, content, source)
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return True

    def _sync(self, copied: Collection[Name]) -> None:
        root = self.folder / DOCUMENTS
        for session in sorted({session for session, _ in copied}):
            sync_folder(root / session)
        if copied:
            sync_folder(root)
            sync_folder(self.folder)

    def _append(self, news: list[tuple[str, Name]]) -> None:
        self.alive()
        path = self.folder / LOG
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(handle, "r+b") as file:
            whole = file.read()
            file.seek(whole.rfind(b"\n") + 1)  # over a line that a power failure cut off
            added = "".join(f"{sign}{session}/{name}\n" for sign, (session, name) in news).encode()
            file.write(added)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self.written += len(added)


def _write_verified(draft: Path, content: bytes, source: Path) -> None:
    """Write a document and read it back. Raises `OSError`, or `StoreError` if it is damaged."""
    if not is_intact(content, source.name):
        raise StoreError(f"{source} is damaged; nothing can be backed up before it is restored")
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "r+b") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        if file.read() != content:
            raise OSError(None, "the disk does not return what was written to it")


def discard_unused(folder: Path, positions: list[int]) -> None:
    """Remove the documents that no backup lists; `positions` are the backups' lines, rising."""
    came, keep = dict[Name, int](), set[Name]()
    for number, (sign, name) in enumerate(read_log(folder)):
        if sign == "+":
            came[name] = number
            continue
        start = came.pop(name, number)
        # A backup at line p has it if it came before, start < p, and had not gone, p <= number.
        first = bisect_left(positions, start + 1)
        if first < len(positions) and positions[first] <= number:
            keep.add(name)
    newest = positions[-1] if positions else 0
    keep |= {name for name, start in came.items() if start < newest}
    for found in list(names_in(folder / DOCUMENTS)):
        if found not in keep:
            (folder / DOCUMENTS).joinpath(*found).unlink(missing_ok=True)
    _discard_empty(folder / DOCUMENTS)


def _discard_empty(documents: Path) -> None:
    """Remove folders without documents."""
    for session in documents.glob("*"):
        if session.is_dir() and not any(session.iterdir()):
            session.rmdir()


def forget_documents(folder: Path, sessions: Collection[str]) -> None:
    """Remove all documents of purged sessions. Raises `OSError`."""
    documents = folder / DOCUMENTS
    found = [path for session in sessions if (path := documents / session).exists()]
    for path in found:
        shutil.rmtree(path)
    if found:
        sync_folder(documents)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
