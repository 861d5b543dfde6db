"""How commands reach the box running on a data folder: its address, and their credentials."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from session_controller.errors import NoFreeSlotError

BOX_FILE = "box.json"
"""The address of the running box."""
ADMINS_FILE = "admin.json"
"""The secrets of the admin devices."""
DELIVERY_FILE = "delivery.json"
"""The destinations of completed sessions."""
SLOTS = tuple(f"admin-{n}" for n in range(1, 9))
"""One for each concurrent command: a device connects only once."""


@contextmanager
def take_slot(folder: Path) -> Iterator[tuple[str, str]]:
    """Reserve an unused admin device; yields its id and secret.

    Raises `NoFreeSlotError`, and `FileNotFoundError` if no box has ever run on this folder.
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
    raise NoFreeSlotError(f"{len(SLOTS)} other commands are running on {folder}; try again later")
