"""The list of what one backup consists of: a small file that names packs and documents.

A line of JSON, and where each page of the database is, compressed. What it lists is signed by the
box, so that a restore need not read everything that the box verified before.
"""

import base64
import hashlib
import json
import re
import zlib
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from session_controller.backup.packs import PageMap
from session_controller.errors import BackupNewerError, StoreError
from session_controller.security.files import write_private

FOLDER = "backups"
BACKUP = ".backup"
_NAME = "handrail-{:%Y%m%dT%H%M%S.%f}Z" + BACKUP
_MAX_LINE = 16 << 20
_VERSION = re.compile(r"[0-9A-Za-z.+-]{1,40}")


class Listed(BaseModel):
    """The documents of a backup: a position in their log, how many documents, their hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    lines: int = 0
    count: int = 0
    sha256: str = ""


class Header(BaseModel):
    """What a manifest says besides where the pages are. Bytes are in base64, hashes in hex."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    program: str = ""
    """The version of Handrail that made it, for an older one to name."""
    taken: datetime
    page_size: int
    pages: int
    root: str
    """SHA-256 of the hashes of all pages."""
    documents: Listed = Listed()
    files: dict[str, str] = {}
    """Configuration without secrets."""
    packs: tuple[str, ...] = ()
    written: int = 0
    """Bytes that this backup wrote."""
    data: int = 0
    """Bytes of the database and of the documents when it was taken."""
    verified: datetime | None = None
    """When all of the database was last verified, entry by entry and state by state."""
    before_upgrade: bool = False
    """Whether it was taken because a migration was to follow."""
    signature: str = ""

    @property
    def signed(self) -> bytes:
        """What the signature covers: the content, not in which packs it is."""
        covered = {"v", "taken", "page_size", "pages", "root", "documents", "files"}
        content = self.model_dump(mode="json", include=covered)
        return b"handrail backup\n" + json.dumps(content, sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Manifest:
    """One backup."""

    header: Header
    pages: PageMap

    def sign(self, sign: Callable[[bytes], bytes]) -> "Manifest":
        """Return it with a signature."""
        signature = sign(self.header.signed).hex()
        return replace(self, header=self.header.model_copy(update={"signature": signature}))

    def write(self, path: Path) -> int:
        """Write or replace it atomically; return its size in bytes. Raises `OSError`."""
        line = self.header.model_dump_json().encode() + b"\n"
        content = line + zlib.compress(self.pages.runs.tobytes())
        write_private(path, content)
        return len(content)


def is_signed(header: Header, public_key: bytes) -> bool:
    """Return whether a box's key has signed what a manifest lists."""
    try:
        signature = bytes.fromhex(header.signature)
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, header.signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def path_of(data: Path, at: datetime) -> Path:
    """Return the path of a backup that is taken now."""
    return data / FOLDER / _NAME.format(at.astimezone(UTC))


def existing(data: Path) -> list[Path]:
    """Return a data folder's backups, newest first."""
    return listed(data / FOLDER)


def listed(folder: Path) -> list[Path]:
    """Return the backups in a folder of backups, newest first."""
    return sorted(folder.glob(f"handrail-*{BACKUP}"), reverse=True)


def headers_in(folder: Path) -> list[Header]:
    """Return what is known of the backups in a folder, newest first; none that is damaged."""
    found = list[Header]()
    for path in listed(folder):
        with suppress(StoreError):
            found.append(read_header(path))
    return found


def read_header(path: Path) -> Header:
    """Read what a manifest says. Raises `StoreError`."""
    return _read(path, whole=False)[0]


def read_manifest(path: Path) -> Manifest:
    """Read a manifest. Raises `StoreError`."""
    header, rest = _read(path, whole=True)
    runs = array("I")
    try:
        runs.frombytes(zlib.decompress(rest))
    except (zlib.error, ValueError):
        raise StoreError(f"{path} is damaged") from None
    found = PageMap(runs)
    known = len(header.packs)
    if len(runs) % 3 or any(p >= known and p != PageMap.ZERO for p, _, _ in found):
        raise StoreError(f"{path} is damaged")
    if sum(runs[2::3]) != header.pages:
        raise StoreError(f"{path} is damaged")
    return Manifest(header, found)


def _read(path: Path, *, whole: bool) -> tuple[Header, bytes]:
    try:
        with path.open("rb") as file:
            line = file.readline(_MAX_LINE)
            header = Header.model_validate_json(line)
            return header, file.read() if whole else b""
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        if (program := _newer_program(line, error)) is not None:
            raise BackupNewerError(
                f"{path} was made by a newer version of Handrail ({program}); this one is "
                f"{version('handrail')}: upgrade it first"
            ) from None
        raise StoreError(f"{path} is not a backup, or is damaged") from None


def _newer_program(line: bytes, error: ValidationError) -> str | None:
    """Return the version that made a manifest if it says what this one does not know, or None."""
    if all(one["type"] != "extra_forbidden" and one["loc"] != ("v",) for one in error.errors()):
        return None
    named = json.loads(line).get("program")
    return named if isinstance(named, str) and _VERSION.fullmatch(named) else "of unknown number"


def refuse_newer(folder: Path) -> None:
    """Raise `BackupNewerError` if a newer version of the program made a backup in a folder."""
    for path in listed(folder):
        try:
            read_header(path)
        except BackupNewerError:
            raise
        except StoreError:
            continue


def decoded_files(header: Header) -> dict[str, bytes]:
    """Return the configuration files of a backup, by name. Raises `StoreError`."""
    try:
        return {n: base64.b64decode(text, validate=True) for n, text in header.files.items()}
    except ValueError:
        raise StoreError("the backup's configuration is damaged") from None


def encoded_files(files: dict[str, bytes]) -> dict[str, str]:
    """Return configuration files as a manifest holds them."""
    return {name: base64.b64encode(content).decode() for name, content in files.items()}


class RootHash:
    """The SHA-256 of the hashes of all pages, computed page by page."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, digest: bytes) -> None:
        """Append a page's hash."""
        self._hash.update(digest)

    def hexdigest(self) -> str:
        """Return the hash so far."""
        return self._hash.hexdigest()
