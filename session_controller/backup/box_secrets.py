"""Which files of a data folder a keyring has, and which a backup itself; in clear or sealed."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from session_controller.backup.outlook import replaced
from session_controller.data_folder import ADMINS_FILE, CONFIGURATION_FILE, DELIVERY_FILE
from session_controller.errors import KeyringError
from session_controller.integrity.configuration import files_inside
from session_controller.security.encryption import (
    KEY_BYTES,
    KEY_FILE,
    BoxKeys,
    box_key_bytes,
    keys_are_given,
)
from session_controller.security.keyring import Keyring
from session_controller.security.own_tls import TLS_FILES
from session_controller.security.recovery import RECOVERY_FILE, Secrets, read_recovery

KEPT_FILES = (KEY_FILE, ADMINS_FILE)
"""Secrets, in the keyring; so are keys of destinations and of TLS that are in the data folder, and
the configuration there."""
CONFIGURATION_FILES = (DELIVERY_FILE, RECOVERY_FILE)
"""Configuration without secrets, in the backup itself."""
_SECRET = (ADMINS_FILE, *TLS_FILES, CONFIGURATION_FILE)
"""Secrets besides the box's key; the configuration may have a password."""


def configuration(data: Path) -> dict[str, bytes]:
    """Return the configuration without secrets, by name. Raises `OSError`."""
    return _contents(data, CONFIGURATION_FILES)


def secrets_for_keyring(
    data: Path,
    named: Iterable[Path],
    former: Mapping[str, bytes],
    box: BoxKeys | None = None,
) -> Keyring:
    """Return the secrets of a data folder as its keyring has them, without keys of sessions.

    Sealed, if there is a recovery key, otherwise in clear. `named` are files that the configuration
    names, `former` what the keyring has sealed. With `box`, of several box keys the first alone.
    Raises `OSError`, `KeyringError`, `BoxKeyError`.
    """
    recovery, outside = read_recovery(data), keys_are_given()
    files = files_inside(data, named) | _contents(data, _SECRET)
    found = box_key_bytes(data)
    if found is not None and (recovery is not None or not outside):
        files[KEY_FILE] = found[:KEY_BYTES] if box else found
    if recovery is None:
        return Keyring({}, files)
    if found is None:
        raise KeyringError("the box key is missing; put it back: secrets are not stored in clear")
    sealed = Secrets(files, outside).sealed(recovery.recipient, box or BoxKeys.read(found), former)
    return Keyring({}, {}, sealed)


def opener_of(keyring: Keyring, data: Path) -> BoxKeys:
    """Return what unwraps a keyring's keys: also a box key that a restore replaced.

    Raises `KeyringError`, `BoxKeyError`.
    """
    if not keyring.is_sealed:
        return keyring.box_keys(data)
    aside = [path / KEY_FILE for path in replaced(data)]
    contents = [path.read_bytes() for path in aside if path.exists()]
    return BoxKeys.read((box_key_bytes(data) or b"") + b"".join(contents))


def _contents(data: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Return the files of the data folder that exist, by name."""
    return {name: (data / name).read_bytes() for name in names if (data / name).exists()}
