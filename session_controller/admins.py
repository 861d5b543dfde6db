"""Facility IT's own devices: credentials in a file that only the box's owner may read."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from schemas.base import Role
from session_controller.codes import new_secret, secret_hash
from session_controller.files import write_private
from session_controller.records import Device
from session_controller.work import Work

ADMINS_FILE = "admin.json"
SLOTS = tuple(f"admin-{n}" for n in range(1, 9))
"""One for each command that runs at the same time: a device connects once."""


def load_admins(folder: Path) -> dict[str, str]:
    """Read the secrets of the admin devices; make them where there are none."""
    path = folder / ADMINS_FILE
    if path.exists():
        secrets: dict[str, str] = json.loads(path.read_text())
        return secrets
    secrets = {slot: new_secret() for slot in SLOTS}
    write_private(path, json.dumps(secrets, indent=1).encode())
    return secrets


def enrol_admins(work: Work, secrets: dict[str, str]) -> None:
    """Let the admin devices in with these secrets."""
    for device, secret in secrets.items():
        known = work.device(device) or Device(device, device, Role.ADMIN, enrolled_at=work.at)
        if known.secret_sha256 != secret_hash(secret):
            work.put_device(replace(known, secret_sha256=secret_hash(secret), revoked_at=None))


class NoFreeSlotError(Exception):
    """More commands run at once than there are admin devices."""


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
