"""Complete documents: encrypted files beside the database, named by their hash.

`documents/{session}/{SHA-256 of the encrypted bytes}`: the name reveals nothing of the content,
and a changed byte is detected without a key. A file is written before the commit that refers to
it, and removed after the commit that drops it; files left over by a crash are deleted at the next
start.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from schemas.base import is_identifier
from session_controller.security.encryption import Cipher
from session_controller.security.files import sync_folder, write_private

FOLDER = "documents"
_NAME = re.compile("[0-9a-f]{64}")


class DocumentStore:
    """The documents of one data folder."""

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self._used: int | None = None

    def put(self, session: str, cipher: Cipher, document: bytes) -> str:
        """Store a document, synced to disk; return the name of its file. Raises `OSError`."""
        sealed = cipher.encrypt(document, _about(session))
        name = hashlib.sha256(sealed).hexdigest()
        folder = self.folder / session
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            sync_folder(self.folder)
            sync_folder(self.folder.parent)
        write_private(folder / name, sealed)
        if self._used is not None:
            self._used += len(sealed)
        return name

    @property
    def used(self) -> int:
        """Return the size of all documents, in bytes."""
        if self._used is None:
            self._used = sum(_size(self.folder / s / name) for s, name in self.names())
        return self._used

    def sealed(self, session: str, name: str) -> bytes | None:
        """Return a document's encrypted file, or None if absent."""
        try:
            return (self.folder / session / name).read_bytes()
        except FileNotFoundError:
            return None

    def discard(self, session: str, name: str) -> None:
        """Remove a document that was replaced."""
        path = self.folder / session / name
        if not path.exists():
            return
        if self._used is not None:
            self._used -= path.stat().st_size
        path.unlink()

    def forget(self, sessions: Iterable[str]) -> None:
        """Remove all documents of sessions. Raises `OSError` if they cannot be removed."""
        found = [folder for name in sessions if (folder := self.folder / name).exists()]
        for folder in found:
            size = sum(map(_size, folder.iterdir()))
            shutil.rmtree(folder)
            if self._used is not None:
                self._used -= size
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
        """Yield the session and the name of each file."""
        for path in sorted(self.folder.glob("*/*")):
            yield path.parent.name, path.name


def _size(path: Path) -> int:
    """Return the size of a file, or 0 if it has just been removed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def is_document(session: str, name: str) -> bool:
    """Return whether these are a valid session id and document name: not a draft, not a path."""
    return is_identifier(session) and bool(_NAME.fullmatch(name))


def open_document(sealed: bytes, session: str, cipher: Cipher) -> bytes:
    """Decrypt a document's file. Raises `DecryptionError`."""
    return cipher.decrypt(sealed, _about(session))


def is_intact(sealed: bytes, name: str) -> bool:
    """Return whether a file's content matches its name."""
    return hashlib.sha256(sealed).hexdigest() == name


def _about(session: str) -> bytes:
    return f"document:{session}".encode()
