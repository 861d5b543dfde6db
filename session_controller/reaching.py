"""How the commands on a data folder reach the box that runs there: where it is, and as whom."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from session_controller.errors import NoFreeSlotError

BOX_FILE = "box.json"
"""Where the running box can be reached."""
ADMINS_FILE = "admin.json"
"""The secrets of the admin devices."""
SLOTS = tuple(f"admin-{n}" for n in range(1, 9))
"""One for each command that runs at the same time: a device connects once."""


@contextmanager
def take_slot(folder: Path) -> Iterator[tuple[str, str]]:
    """Take an admin device that no other command uses now; gives its id and secret.

    Raises `NoFreeSlotError`, and `FileNotFoundError` where no box ever ran on this folder.
    """
    for device, secret in json.loads((folder / ADMINS_FILE).read_text()).items():
        handle = os.open(folder / f"{device}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            continue
        try:
            yield device, secret
        finally:
            os.close(handle)
        return
    raise NoFreeSlotError(f"{len(SLOTS)} other commands are running on {folder}; try again")
