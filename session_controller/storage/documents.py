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
from session_controller.storage.room import DiskUsage, Room

FOLDER = "documents"
_NAME = re.compile("[0-9a-f]{64}")


class DocumentStore:
    """The documents of one data folder."""

    def __init__(self, data: Path, usage: DiskUsage = shutil.disk_usage) -> None:
        self.folder = data / FOLDER
        self.usage = usage

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
        return name

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

    def discard(self, session: str, name: str) -> None:
        """Remove a document that was replaced."""
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
        """Yield the session and the name of each file."""
        for path in sorted(self.folder.glob("*/*")):
            yield path.parent.name, path.name


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
