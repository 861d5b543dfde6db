"""How commands reach the box running on a data folder: its address, and their credentials."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from session_controller.errors import NoFreeSlotError, StoreError

BOX_FILE = "box.json"
"""The address of the running box."""
ADMINS_FILE = "admin.json"
"""The secrets of the admin devices."""
DELIVERY_FILE = "delivery.json"
"""The destinations of completed sessions."""
REHEARSAL_LOCK = "rehearsal.lock"
"""Locked by simulations: what rehearses while none holds it was left by one that was killed."""
DATABASE_FILE = "handrail.sqlite"
"""The database."""
DOCUMENTS_FOLDER = "documents"
"""The folder of the documents."""
CONFIGURATION_FILE = "handrail.toml"
"""The configuration, if it is not elsewhere."""
SLOTS = tuple(f"admin-{n}" for n in range(1, 9))
"""One for each concurrent command: a device connects only once."""


def read_secrets(path: Path) -> dict[str, str]:
    """Return the secrets of the admin devices in a file.

    Raises `StoreError` if the file is damaged, and `FileNotFoundError` if there is none.
    """
    try:
        secrets = json.loads(path.read_text())
    except FileNotFoundError:
        raise
    except (ValueError, OSError):
        secrets = None
    whole = isinstance(secrets, dict) and all(isinstance(s, str) for s in secrets.values())
    if not whole or not secrets:
        raise StoreError(
            f"{path} is damaged or cannot be read: it holds the secrets of this box's own commands."
            f" Remove it (rm {path}) and start the box again: it makes new ones."
        )
    return dict(secrets)


@contextmanager
def take_slot(folder: Path) -> Iterator[tuple[str, str]]:
    """Reserve an unused admin device; yields its id and secret.

    Raises `NoFreeSlotError`, `StoreError` if the file of secrets is damaged, and
    `FileNotFoundError` if no box has ever run on this folder.
    """
    for device, secret in read_secrets(folder / ADMINS_FILE).items():
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


@contextmanager
def rehearsing(folder: Path) -> Iterator[bool]:
    """Note that a simulation runs on a folder's box; yield whether it is the only one."""
    handle = os.open(folder / REHEARSAL_LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            alone = True
        except OSError:
            alone = False
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield alone
    finally:
        os.close(handle)
