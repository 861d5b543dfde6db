"""Delivery to a folder: a file per session, whole or not there at all."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from session_controller.delivery.outcomes import Delivered, Outcome, Reason, TryAgain
from session_controller.delivery.sender import Keep, Parcel
from session_controller.record import Record

_PRIVATE = 0o600


class FolderSender:
    """Writes sessions into one folder. A session that is sent again takes its own place."""

    def __init__(self, folder: Path, ending: str, write: Callable[[Record], bytes]) -> None:
        self._folder = folder
        self._ending = ending
        self._write = write

    async def send(self, parcel: Parcel, keep: Keep) -> Outcome:  # noqa: ARG002 - it goes at once
        """Write a session's file; the name holds the session's id, which tells of nobody."""
        content = await asyncio.to_thread(self._write, parcel.record)
        name = f"{parcel.site}-{parcel.session}.{self._ending}"
        try:
            await asyncio.to_thread(place, self._folder, name, content)
        except OSError:
            return TryAgain(Reason.NO_FOLDER)
        return Delivered(name)

    async def close(self) -> None:
        """Do nothing."""


def place(folder: Path, name: str, content: bytes) -> None:
    """Put a file into a folder that is there, with mode 0600, on disk on return. Raises `OSError`.

    Who watches the folder sees no half of it: it is written under a name that begins with a dot.
    A draft that a crash left is written over by the next try.
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
