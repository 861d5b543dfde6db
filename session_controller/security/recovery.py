"""The recovery key: an age identity on paper, of which the box has the recipient alone.

The secrets of the box in a keyring are sealed twice: for the recovery key, as a file of the age
format (https://age-encryption.org/v1, X25519) that the standard tool `age` opens too, and for the
box's own key, so that the box itself needs no paper.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from session_controller.errors import KeyringError, RecoveryKeyError, RecoveryKeyNeededError
from session_controller.security.encryption import (
    KEY_FILE,
    BoxKeyError,
    BoxKeys,
    DecryptionError,
    load_box_keys,
)
from session_controller.security.files import write_private
from session_controller.security.keyring import Keyring

RECOVERY_FILE = "recovery.json"
BY_BOX = "box"
"""Names what the box's own key opens; the recovery key's is named by its recipient."""
_PREFIX = "AGE-SECRET-KEY-1"
_LENGTH, _GROUP, _GROUPS_PER_LINE = 58, 4, 5
_LOOKS_LIKE = str.maketrans("OI1B", "0LL8")
"""Characters that no key has (bech32), and which one was meant."""
_SEALED_AS = "recovery secrets"
_DIGEST = 32


class Recovery(BaseModel):
    """What the box remembers of its recovery key; nothing of it is secret."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # a later program may add to it

    v: int = 1
    recipient: str
    created_at: datetime
    verified_at: datetime | None = None
    """When somebody last entered the key and it opened the newest backup."""

    def write(self, data: Path) -> None:
        """Write or replace it. Raises `OSError`."""
        write_private(data / RECOVERY_FILE, self.model_dump_json(indent=1).encode() + b"\n")


def read_recovery(data: Path) -> Recovery | None:
    """Return what a box remembers of its recovery key, or None if it has none.

    Raises `KeyringError` if the file is damaged: secrets must not be stored in clear then.
    """
    path = data / RECOVERY_FILE
    try:
        return Recovery.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError):
        raise KeyringError(
            f"{path} cannot be read or is damaged; make a new recovery key with "
            "`handrail key recovery create --force`"
        ) from None


@dataclass(frozen=True, slots=True)
class Secrets:
    """The files of a data folder that must stay secret, with the box's key."""

    files: dict[str, bytes]
    key_outside: bool = False
    """Whether the box's key came from the environment or a credential, and not from the file."""

    def _bytes(self) -> bytes:
        files = {name: base64.b64encode(self.files[name]).decode() for name in sorted(self.files)}
        return json.dumps({"key_outside": self.key_outside, "files": files}).encode()

    @classmethod
    def _read(cls, content: bytes) -> Self:
        found = json.loads(content)
        files = {name: base64.b64decode(text) for name, text in found["files"].items()}
        return cls(files, found["key_outside"])

    def sealed(self, recipient: str, box: BoxKeys, former: Mapping[str, bytes]) -> dict[str, bytes]:
        """Return them encrypted, by whose key opens them; what was sealed before if it is the same.

        Each encryption is different, and a keyring must not grow with each backup.
        """
        content = self._bytes()
        if former.keys() == {recipient, BY_BOX} and box.has_wrapped(former[BY_BOX]):
            try:
                if box.unwrap(former[BY_BOX], _SEALED_AS) == _digest(former[recipient]) + content:
                    return dict(former)
            except (BoxKeyError, DecryptionError):
                pass  # damaged: sealed again
        encrypted = _encrypt(content, recipient)
        return {recipient: encrypted, BY_BOX: box.wrap(_digest(encrypted) + content, _SEALED_AS)}

    @classmethod
    def opened_by_box(cls, sealed: Mapping[str, bytes], box: BoxKeys) -> Self:
        """Open them with the box's key. Raises `BoxKeyError`, `DecryptionError`."""
        return cls._read(box.unwrap(sealed.get(BY_BOX, b""), _SEALED_AS)[_DIGEST:])


def _digest(encrypted: bytes) -> bytes:
    """Return what binds the box's copy to the other: after a power failure, one may be older."""
    return hashlib.sha256(encrypted).digest()


def _encrypt(content: bytes, recipient: str) -> bytes:
    import pyrage  # noqa: PLC0415 - boxes without a recovery key do not load it

    try:
        to = pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError:
        raise KeyringError(
            f"{RECOVERY_FILE} is damaged; make a new recovery key with `handrail key recovery "
            "create --force`"
        ) from None
    encrypted: bytes = pyrage.encrypt(content, [to])
    return encrypted


@dataclass(frozen=True, slots=True)
class RecoveryKey:
    """A recovery key in memory."""

    recipient: str
    _identity: Any = field(repr=False)

    @classmethod
    def create(cls) -> Self:
        """Create a key: 256 random bits."""
        import pyrage  # noqa: PLC0415

        identity = pyrage.x25519.Identity.generate()
        return cls(str(identity.to_public()), identity)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a key as a person types it, or a file of `age-keygen`. Raises `RecoveryKeyError`.

        Spaces, hyphens, line breaks, the case, comments and the first part are of no importance.
        """
        import pyrage  # noqa: PLC0415

        lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
        typed = re.sub(r"[\s-]", "", "".join(lines)).upper()
        letters = typed.removeprefix(_PREFIX.replace("-", "")).translate(_LOOKS_LIKE)
        if len(letters) != _LENGTH:
            raise RecoveryKeyError(
                f"this is not a recovery key: it has {len(letters)} characters after {_PREFIX} "
                f"instead of {_LENGTH}"
            )
        try:
            identity = pyrage.x25519.Identity.from_str(_PREFIX + letters)
        except pyrage.IdentityError:
            raise RecoveryKeyError(
                "this is not a recovery key: at least one character is wrong"
            ) from None
        return cls(str(identity.to_public()), identity)

    @property
    def text(self) -> str:
        """Return the key on one line, as `age` reads it."""
        return str(self._identity)

    @property
    def lines(self) -> list[str]:
        """Return the key in groups, for people."""
        letters = self.text.removeprefix(_PREFIX)
        groups = [letters[at : at + _GROUP] for at in range(0, _LENGTH, _GROUP)]
        rows = range(0, len(groups), _GROUPS_PER_LINE)
        return [_PREFIX, *(" ".join(groups[at : at + _GROUPS_PER_LINE]) for at in rows)]

    def open(self, sealed: Mapping[str, bytes]) -> Secrets:
        """Open what was sealed for this key. Raises `RecoveryKeyError`."""
        import pyrage  # noqa: PLC0415

        wanted = ", ".join(sealed.keys() - {BY_BOX})
        if self.recipient not in sealed:
            raise RecoveryKeyError(
                f"this is the recovery key of {self.recipient}; the backup needs that of {wanted}"
            )
        try:
            return Secrets._read(pyrage.decrypt(sealed[self.recipient], [self._identity]))  # noqa: SLF001
        except (pyrage.DecryptError, ValueError, KeyError, TypeError):
            raise RecoveryKeyError(f"what was sealed for {wanted} is damaged") from None


def unlock(keyring: Keyring, data: Path, key: RecoveryKey | None) -> Keyring:
    """Return a keyring whose files can be read: by a recovery key, or else by the box's own.

    Raises `RecoveryKeyNeededError`, `RecoveryKeyError`.
    """
    if not keyring.is_sealed:
        return keyring
    secrets = _by_box(keyring, data) if key is None else key.open(keyring.sealed)
    return replace(keyring, files=secrets.files, key_outside=secrets.key_outside)


def _by_box(keyring: Keyring, data: Path) -> Secrets:
    try:
        box = load_box_keys(data)
        if box is not None:
            return Secrets.opened_by_box(keyring.sealed, box)
    except (BoxKeyError, DecryptionError):
        pass
    wanted = ", ".join(keyring.sealed.keys() - {BY_BOX})
    raise RecoveryKeyNeededError(
        f"the recovery key of {wanted} is needed (or the {KEY_FILE} of the box)"
    )
