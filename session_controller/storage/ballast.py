"""A file that keeps space on the disk for the box itself, and is given up when the disk is full.

Another program may fill the disk to the last byte. The box then still stores what patients enter,
starts again, and says what is wrong, until somebody has made room.
"""

import os
from pathlib import Path

from session_controller.storage.room import Room

BALLAST = "ballast"
BALLAST_BYTES = 16 << 20
"""More than a day of a clinic writes to the log, without documents."""
_FULL = 1 << 20
"""Free bytes below which a database cannot be opened for writing."""


def keep_ballast(folder: Path) -> None:
    """Make the file in a data folder, if the disk has room for it beside the reserve.

    Raises `OSError`; then there is none.
    """
    path = folder / BALLAST
    if path.exists() or Room.on(folder).free < BALLAST_BYTES:
        return
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.posix_fallocate(handle, 0, BALLAST_BYTES)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(handle)


def drop_ballast(folder: Path) -> bool:
    """Delete the file; return whether there was one. Raises `OSError`."""
    try:
        (folder / BALLAST).unlink()
    except FileNotFoundError:
        return False
    return True


def drop_if_full(folder: Path) -> bool:
    """Delete the file if the disk is so full that no box can start; return whether it was so."""
    return (folder / BALLAST).exists() and Room.on(folder).left < _FULL and drop_ballast(folder)
