"""Facility IT's own devices: credentials in a file that only the box's owner may read."""

import json
from dataclasses import replace
from pathlib import Path

from schemas.base import Role
from session_controller.data_folder import ADMINS_FILE, SLOTS, read_secrets
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
        return read_secrets(path)
    secrets = {slot: new_secret() for slot in SLOTS}
    write_private(path, json.dumps(secrets, indent=1).encode())
    return secrets


def enrol_admins(work: UnitOfWork, secrets: dict[str, str]) -> None:
    """Enroll the admin devices with these secrets."""
    for device, secret in secrets.items():
        known = work.device(device) or Device(device, device, Role.ADMIN, enrolled_at=work.at)
        if known.secret_sha256 != secret_hash(secret):
            work.put_device(replace(known, secret_sha256=secret_hash(secret), revoked_at=None))
