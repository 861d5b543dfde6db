"""Facility IT's own devices: credentials in a file that only the box's owner may read."""

import json
from dataclasses import replace
from pathlib import Path

from schemas.base import Role
from session_controller.data_folder import ADMINS_FILE, SLOTS
from session_controller.errors import StoreError
from session_controller.security.codes import new_secret, secret_hash
from session_controller.security.files import write_private
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device


def load_admins(folder: Path) -> dict[str, str]:
    """Return the secrets of the admin devices; make them if there are none.

    Raises `StoreError` if the file is damaged.
    """
    path = folder / ADMINS_FILE
    if path.exists():
        return _read(path)
    secrets = {slot: new_secret() for slot in SLOTS}
    write_private(path, json.dumps(secrets, indent=1).encode())
    return secrets


def _read(path: Path) -> dict[str, str]:
    try:
        secrets = json.loads(path.read_text())
    except (ValueError, OSError):
        secrets = None
    whole = isinstance(secrets, dict) and all(isinstance(s, str) for s in secrets.values())
    if not whole or not secrets:
        raise StoreError(
            f"{path} is damaged or cannot be read: it holds the secrets of this box's own commands."
            f" Remove it (rm {path}) and start the box again: it makes new ones."
        )
    return dict(secrets)


def enrol_admins(work: UnitOfWork, secrets: dict[str, str]) -> None:
    """Enroll the admin devices with these secrets."""
    for device, secret in secrets.items():
        known = work.device(device) or Device(device, device, Role.ADMIN, enrolled_at=work.at)
        if known.secret_sha256 != secret_hash(secret):
            work.put_device(replace(known, secret_sha256=secret_hash(secret), revoked_at=None))
