"""Delivery to a folder: a file per session and its seal, each written atomically."""

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from schemas.wire.seals import SEAL_SUFFIX
from session_controller.delivery.outcomes import Delivered, Outcome, Reason, TryAgain
from session_controller.delivery.sender import Keep, Parcel
from session_controller.export.record import Record

_PRIVATE = 0o600


class FolderSender:
    """Writes sessions into one folder. A session sent again replaces its files."""

    def __init__(
        self,
        folder: Path,
        ending: str,
        write: Callable[[Record], bytes],
        seal: Callable[[Record, bytes], bytes],
    ) -> None:
        self._folder = folder
        self._ending = ending
        self._write = write
        self._seal = seal

    async def send(self, parcel: Parcel, keep: Keep) -> Outcome:  # noqa: ARG002 - needs one step
        """Write a session's file; its name contains the session id, which identifies no person."""
        content = await asyncio.to_thread(self._write, parcel.record)
        seal = await asyncio.to_thread(self._seal, parcel.record, content)
        name = f"{parcel.site}-{parcel.session}.{self._ending}"
        try:  # the seal first: who sees the file finds it
            await asyncio.to_thread(place, self._folder, f"{name}{SEAL_SUFFIX}", seal)
            await asyncio.to_thread(place, self._folder, name, content)
        except OSError as error:
            return TryAgain(Reason.NO_FOLDER, answer={"body": error.strerror})
        return Delivered(name, hashlib.sha256(content).hexdigest())

    async def close(self) -> None:
        """Do nothing."""


def place(folder: Path, name: str, content: bytes) -> None:
    """Write a file into an existing folder: mode 0600, synced on return. Raises `OSError`.

    A program watching the folder never sees a partial file: the draft's name begins with a dot.
    A draft left by a crash is overwritten by the next attempt.
    """
    draft = folder / f".{name}.part"
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _PRIVATE)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _sync(folder)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
