"""Documents that are whole: files beside the database, sealed, named by the hash of what they hold.

`documents/{session}/{SHA-256 of the sealed bytes}`: the name tells nothing of what is inside, and
whoever changes a byte is found out without a key. A file is written whole before the commit that
speaks of it, and removed after the commit that lets it go; what a crash leaves over is swept up at
the next start.
"""

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from schemas.base import is_identifier
from session_controller.files import sync_folder, write_private
from session_controller.sealing import Sealer

FOLDER = "documents"
_NAME = re.compile("[0-9a-f]{64}")


class Vault:
    """The documents of one data folder."""

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self._used: int | None = None

    def put(self, session: str, sealer: Sealer, document: bytes) -> str:
        """Keep a document, synced to disk; gives the name of its file. Raises `OSError`."""
        sealed = sealer.seal(document, _about(session))
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
        """How many bytes all documents take."""
        if self._used is None:
            self._used = sum(_size(self.folder / s / name) for s, name in self.names())
        return self._used

    def sealed(self, session: str, name: str) -> bytes | None:
        """Give a document's file as it is; None where there is none."""
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

    def forget(self, session: str) -> None:
        """Remove all documents of a session. Raises `OSError` where they stay."""
        folder = self.folder / session
        if folder.exists():
            shutil.rmtree(folder)
            self._used = None
            sync_folder(self.folder)

    def sweep(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Remove what no session speaks of."""
        keep = set(wanted)
        for session, name in list(self.names()):
            if (session, name) not in keep:
                self.discard(session, name)
        for folder in self.folder.glob("*"):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def names(self) -> Iterator[tuple[str, str]]:
        """Give the session and the name of each file."""
        for path in sorted(self.folder.glob("*/*")):
            yield path.parent.name, path.name


def _size(path: Path) -> int:
    """Tell how large a file is: nothing, where it has just been removed."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def is_document(session: str, name: str) -> bool:
    """Tell whether these could be a session's and a document's names: no draft's, and no path's."""
    return is_identifier(session) and bool(_NAME.fullmatch(name))


def open_document(sealed: bytes, session: str, sealer: Sealer) -> bytes:
    """Open a document's file. Raises `SealBrokenError`."""
    return sealer.open(sealed, _about(session))


def is_intact(sealed: bytes, name: str) -> bool:
    """Tell whether a file holds what its name says."""
    return hashlib.sha256(sealed).hexdigest() == name


def _about(session: str) -> bytes:
    return f"document:{session}".encode()
