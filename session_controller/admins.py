"""Facility IT's own devices: credentials in a file that only the box's owner may read."""

import json
from dataclasses import replace
from pathlib import Path

from schemas.base import Role
from session_controller.codes import new_secret, secret_hash
from session_controller.files import write_private
from session_controller.reaching import ADMINS_FILE, SLOTS
from session_controller.records import Device
from session_controller.work import Work


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
