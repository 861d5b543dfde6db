"""The documents of all backups, each once, and the log of which backup has which.

`backups/documents/{session}/{name}`, as in the data folder: the name is the hash of the content.
`backups/documents.log` has a line for each document that came (`+`) or went (`-`). A backup names
a position in it, the number of lines before: its documents are those that came before and had not
gone. Where lines that no backup needs were removed, a line `=N` has the position of the next one.
"""

import hashlib
import os
import re
import shutil
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from session_controller.backup.manifest import Listed
from session_controller.backup.packs import NoSpaceError
from session_controller.backup.turns import Alive, always
from session_controller.errors import StoreError
from session_controller.security.files import make_private_folder, sync_folder, write_private
from session_controller.storage.documents import is_document, is_intact

DOCUMENTS = "documents"
LOG = "documents.log"
_DRAFT = "handrail-document.new"
_MARK = re.compile("=[0-9]{1,15}")

Name = tuple[str, str]
"""A session, and the name of a document of it."""


def sessions_in(folder: Path) -> set[str]:
    """Return the sessions that have documents in a folder of backups."""
    documents = folder / DOCUMENTS
    return {path.name for path in documents.iterdir()} if documents.is_dir() else set()


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


@dataclass(slots=True)
class Log:
    """What came and went, and which positions are where."""

    lines: list[tuple[str, Name]] = field(default_factory=list)
    marks: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0)])
    """Positions, rising, and how many of the lines precede each."""

    @property
    def end(self) -> int:
        """Return the position after the last line."""
        position, index = self.marks[-1]
        return position + len(self.lines) - index

    def before(self, position: int) -> list[tuple[str, Name]]:
        """Return the lines that precede a position."""
        mark, index = self.marks[bisect_right(self.marks, position, key=itemgetter(0)) - 1]
        return self.lines[: index + position - mark]


def read_log(folder: Path) -> Log:
    """Read a log; a line that is not complete does not count. Raises `StoreError`."""
    path, log = folder / LOG, Log()
    text = path.read_bytes().decode(errors="replace") if path.exists() else ""
    for line in text.split("\n")[:-1]:
        session, _, name = line[1:].partition("/")
        if _MARK.fullmatch(line) and int(line[1:]) >= log.marks[-1][0]:
            log.marks.append((int(line[1:]), len(log.lines)))
        elif line[:1] in ("+", "-") and is_document(session, name):
            log.lines.append((line[0], (session, name)))
        else:
            raise StoreError(f"{path} is damaged")
    return log


def write_log(folder: Path, states: Iterable[tuple[int, Collection[Name]]]) -> None:
    """Replace a log with one of these positions, rising, and their documents. Raises `OSError`."""
    lines, former = list[str](), set[Name]()
    for position, names in states:
        lines += _changes(former, names)
        lines.append(f"={position}\n")
        former = set(names)
    write_private(folder / LOG, "".join(lines).encode())


def _changes(former: Collection[Name], names: Collection[Name]) -> list[str]:
    """Return the lines of a log that lead from some documents to others."""
    came, gone = sorted(set(names) - set(former)), sorted(set(former) - set(names))
    return [f"+{'/'.join(name)}\n" for name in came] + [f"-{'/'.join(name)}\n" for name in gone]


def names_at(log: Log, position: int) -> set[Name]:
    """Return the documents that had come and not gone at a position of the log."""
    there = set[Name]()
    for sign, name in log.before(position):
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
        there, log = set(names_in(self.folder / DOCUMENTS)), read_log(self.folder)
        known, wanted = names_at(log, log.end), set(names_in(live))
        copied = self.copy(live, wanted - there)
        wanted = (wanted & there) | copied
        self._sync(wanted - known - copied)  # what a killed backup copied
        news = _changes(known, wanted)
        self._append(news)
        root = self.folder / DOCUMENTS
        self.bytes = sum(_size(root / session / name) for session, name in wanted)
        return listed(wanted, log.end + len(news))

    def copy(self, live: Path, names: Collection[Name]) -> set[Name]:
        """Copy documents, and return those that were not removed meanwhile.

        Raises `OSError`, `StoreError`.
        """
        copied = {name for name in sorted(names) if self._copied(live, name)}
        self._sync(copied)
        return copied

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
        make_private_folder(target.parent)
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

    def _append(self, news: list[str]) -> None:
        self.alive()
        path = self.folder / LOG
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        with os.fdopen(handle, "r+b") as file:
            whole = file.read()
            file.seek(whole.rfind(b"\n") + 1)  # over a line that a power failure cut off
            added = "".join(news).encode()
            file.write(added)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self.written += len(added)


def _write_verified(draft: Path, content: bytes, source: Path) -> None:
    """Write a document and read it back. Raises `OSError`, or `StoreError` if it is damaged."""
    if not is_intact(content, source.name):
        raise StoreError(f"{source} is damaged")
    handle = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "r+b") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        if file.read() != content:
            raise OSError(None, "the disk does not return what was written to it")


def discard_unused(folder: Path, backups: Collection[Listed]) -> None:
    """Remove the documents that no backup lists, and the lines of the log that none needs.

    If the log does not list what a backup has, any document may be needed: all are kept.
    """
    log, keep = read_log(folder), set[Name]()
    for one in backups:
        names = names_at(log, one.lines)
        if listed(names, one.lines) != one:
            return
        keep |= names
    for found in list(names_in(folder / DOCUMENTS)):
        if found not in keep:
            (folder / DOCUMENTS).joinpath(*found).unlink(missing_ok=True)
    _discard_empty(folder / DOCUMENTS)
    _shorten(folder, log, sorted({one.lines for one in backups} | {log.end}))


def _shorten(folder: Path, log: Log, positions: Sequence[int]) -> None:
    """Replace a log of which at most half is needed."""
    needed, former = 0, set[Name]()
    for position in positions:
        names = names_at(log, position)
        needed, former = needed + len(names ^ former) + 1, names
    if 2 * needed <= len(log.lines) + len(log.marks) - 1:
        write_log(folder, ((position, names_at(log, position)) for position in positions))


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
