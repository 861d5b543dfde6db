"""A restore drill: the newest backup restored into a scratch folder, verified and removed again."""

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from session_controller.backup.manifest import read_header
from session_controller.backup.outlook import mib
from session_controller.backup.restore import ANY_SIGNER, restore
from session_controller.errors import StoreBusyError, StoreError
from session_controller.integrity.data_folder import Extent, FolderAudit, audit_folder
from session_controller.security.encryption import KEY_FILE, keys_are_given
from session_controller.security.files import write_private
from session_controller.security.recovery import RecoveryKey
from session_controller.storage.room import Room

DRILL_FILE = "drill.json"
SCRATCH = "drill.new"
_TRIES = 3
"""A purge may remove documents while they are read."""


class Drill(BaseModel):
    """The result of a drill."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # a later program may add to it

    v: int = 1
    at: datetime
    backup: str
    seconds: float
    sessions: int = 0
    entries: int = 0
    documents: int = 0
    faults: tuple[str, ...] = ()


def read_drill(data: Path) -> Drill | None:
    """Return the last drill of a data folder, or None if there was none or it is damaged."""
    try:
        return Drill.model_validate_json((data / DRILL_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def drill(data: Path, backup: Path, at: datetime, key: RecoveryKey | None) -> Drill:
    """Restore a backup into a scratch folder, verify all of it, and remember the result.

    With a recovery key, nothing else opens it, as on another machine; without one, the box's key
    does. Raises `StoreError` if it cannot be tried, `RecoveryKeyNeededError`, `RecoveryKeyError`,
    `OSError`.
    """
    began, header = time.monotonic(), read_header(backup)
    with _scratch(data, header.data) as scratch:
        if key is None and not keys_are_given() and (data / KEY_FILE).exists():
            write_private(scratch / KEY_FILE, (data / KEY_FILE).read_bytes())
        result = Drill(at=at, backup=backup.name, seconds=0, documents=header.documents.count)
        try:
            found = _restored(scratch, backup, at, key)
        except StoreError as error:
            update: dict[str, object] = {"faults": (str(error),)}
        else:
            update = {
                "sessions": found.sessions,
                "entries": found.entries,
                "faults": found.faults,
            }
    update["seconds"] = round(time.monotonic() - began, 1)
    result = result.model_copy(update=update)
    write_private(data / DRILL_FILE, result.model_dump_json(indent=1).encode() + b"\n")
    return result


def _restored(scratch: Path, backup: Path, at: datetime, key: RecoveryKey | None) -> FolderAudit:
    for left in reversed(range(_TRIES)):
        try:
            restore(scratch, backup, at, key, ANY_SIGNER)
            break
        except StoreError:
            if not left:
                raise
    return audit_folder(scratch, None, Extent.DEEP, at)


@contextmanager
def _scratch(data: Path, need: int) -> Iterator[Path]:
    """Yield an empty folder in the data folder that is removed afterwards."""
    sweep_scratch(data)
    room, scratch = Room.on(data), data / SCRATCH
    if need > room.free:
        raise StoreError(
            f"the drill needs {mib(need)}, and the disk has {mib(room.free)} besides the "
            f"{mib(room.reserve)} that are kept free for check-ins"
        )
    with suppress(FileExistsError):
        scratch.mkdir(mode=0o700)
    handle = _locked(scratch)
    if handle is None:
        raise StoreBusyError(f"another drill runs in {scratch}")
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch)
        os.close(handle)


def sweep_scratch(data: Path) -> None:
    """Remove what a killed drill left; sessions purged since may be in it. Raises `OSError`."""
    scratch = data / SCRATCH
    handle = _locked(scratch) if scratch.is_dir() else None
    if handle is not None:
        shutil.rmtree(scratch)
        os.close(handle)


def _locked(scratch: Path) -> int | None:
    """Lock the scratch folder, or return None while a drill runs in it."""
    handle = os.open(scratch, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle
