"""Who may connect, and as what: the credential check that an embedded broker is handed."""

import hmac
import re

from schemas.access import PAIRING_PREFIX, PAIRING_USER
from session_controller.security.codes import secret_hash
from session_controller.service.registry import Registry

_PAIRING_ID = re.compile(re.escape(PAIRING_PREFIX) + "[0-9a-f]{32}")
_NO_HASH = secret_hash("")


def role_of(
    registry: Registry, client_id: str, username: str | None, password: bytes | None
) -> str | None:
    """Return the role to connect as, or None if refused.

    A device connects as itself, with its id as client id and user name. Whoever is not enrolled
    connects as `pairing`, with a client id of its own making. The time taken does not tell
    whether a device exists.
    """
    if username == PAIRING_USER:
        return PAIRING_USER if _PAIRING_ID.fullmatch(client_id) else None
    device = registry.devices.get(username or "")
    expected = device.secret_sha256 if device else None
    given = secret_hash((password or b"").decode(errors="replace"))
    matches = hmac.compare_digest(expected or _NO_HASH, given)
    if device is None or expected is None or not matches or client_id != device.device:
        return None
    return device.role.value if registry.may_connect(device) else None
