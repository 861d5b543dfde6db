"""Verification of any backup, in the data folder or elsewhere, with what is there."""

from dataclasses import dataclass
from pathlib import Path

from session_controller.backup.checking import contents_faults, refuse_unsigned
from session_controller.backup.manifest import Header, read_header, read_manifest
from session_controller.errors import KeyringError, RecoveryKeyNeededError, StoreError
from session_controller.security.encryption import KEY_FILE
from session_controller.security.keyring import Keyring, keyring_of, read_keyring
from session_controller.security.recovery import BY_BOX, RecoveryKey, unlock


@dataclass(frozen=True, slots=True)
class Verification:
    """The result for one backup."""

    backup: Path
    opens_with: str
    """What opens it, in words."""
    header: Header | None
    faults: tuple[str, ...]
    unsigned: str | None
    """Why the box's signature was not verified, or None if it was."""


def openers(keyring: Keyring) -> str:
    """Return in words what opens a backup with this keyring."""
    recipients = sorted(keyring.sealed.keys() - {BY_BOX})
    if keyring.is_sealed:
        return f"the recovery key of {', '.join(recipients)}, or the box key"
    if KEY_FILE in keyring.files:
        return "its keys, which have the box key in clear"
    return "the box key, which is kept outside the data folder"


def opens_with(backup: Path) -> str:
    """Return in words what opens a backup; its keys may be missing or damaged."""
    try:
        return openers(read_keyring(keyring_of(backup)))
    except KeyringError as error:
        return f"nothing: {error}"


def verify_backup(backup: Path, data: Path, key: RecoveryKey | None) -> Verification:
    """Verify each page and document of a backup, and the box's signature if a key is at hand.

    Raises `RecoveryKeyError` if the recovery key is another one.
    """
    keyring, unsigned, found = Keyring({}, {}), None, list[str]()
    try:
        keyring = read_keyring(keyring_of(backup))
        opened = unlock(keyring, data, key)
        refuse_unsigned(backup, read_manifest(backup), opened, data)
    except RecoveryKeyNeededError as error:
        unsigned = str(error)
    except StoreError as error:
        found.append(str(error))
    except KeyringError as error:
        if key is not None and keyring.is_sealed:
            raise
        found.append(str(error))
    found += [fault for fault in contents_faults(backup, keyring) if fault not in found]
    header = None
    try:
        header = read_header(backup)
    except StoreError as error:
        if str(error) not in found:
            found.append(str(error))
    return Verification(backup, opens_with(backup), header, tuple(found), unsigned)
