"""Sealing at rest: AES-256-GCM (NIST SP 800-38D) with one key per session, wrapped by the box's.

What is sealed is bound to what it is about (the associated data): a row that is put in another's
place does not open. The box's keys come from `HANDRAIL_BOX_KEY`, from a systemd credential named
`handrail-box-key`, or from the file `box.key`, in this order.
"""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from session_controller.files import write_private

KEY_BYTES = 32
KEY_FILE = "box.key"
KEY_VARIABLE = "HANDRAIL_BOX_KEY"
CREDENTIAL = "handrail-box-key"
_NONCE = 12
_ID = 4


class SealBrokenError(Exception):
    """What is sealed does not open: it was changed, moved, or sealed with another key."""


class BoxKeyError(Exception):
    """The box's key cannot be used; the message says why, for a person."""


class Sealer:
    """Seals and opens with one key."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, about: bytes) -> bytes:
        """Seal: a random nonce of 96 bits, then the ciphertext with its tag of 128."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Open what `seal` gave for the same `about`. Raises `SealBrokenError`."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about)
        except (InvalidTag, ValueError, TypeError):  # somebody may have put anything in its place
            raise SealBrokenError("what is sealed does not open") from None


class BoxKeys:
    """The keys that wrap others: the first wraps, each of them unwraps."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise BoxKeyError(f"a box's key has {KEY_BYTES} bytes")
        self._sealers = {_key_id(key): Sealer(key) for key in keys}
        self._first = _key_id(keys[0])

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Read a key file: keys of 32 bytes, one behind the other. Raises `BoxKeyError`."""
        if len(content) % KEY_BYTES:
            raise BoxKeyError(f"a box's key has {KEY_BYTES} bytes")
        return cls([content[at : at + KEY_BYTES] for at in range(0, len(content), KEY_BYTES)])

    def wrap(self, key: bytes, name: str) -> bytes:
        """Wrap a key under its name: which of the box's keys did it, then the key, sealed."""
        return self._first + self._sealers[self._first].seal(key, name.encode())

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """Unwrap. Raises `SealBrokenError`, and `BoxKeyError` where another box's key did it."""
        if not isinstance(wrapped, bytes):  # a database gives what was put into it
            raise SealBrokenError("a key is none")
        sealer = self._sealers.get(wrapped[:_ID])
        if sealer is None:
            raise BoxKeyError("another box's key was used here; put the right one back")
        return sealer.open(wrapped[_ID:], name.encode())


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"handrail box key" + key).digest()[:_ID]


def new_key() -> bytes:
    """Make a key: 256 random bits."""
    return secrets.token_bytes(KEY_BYTES)


def load_box_keys(folder: Path, environment: Mapping[str, str] = os.environ) -> BoxKeys | None:
    """Find the box's keys; None where there are none yet. Raises `BoxKeyError`."""
    given = _given(environment)
    if given is not None:
        return given
    path = folder / KEY_FILE
    return BoxKeys.read(path.read_bytes()) if path.exists() else None


def make_box_keys(folder: Path) -> BoxKeys:
    """Make the box's key, in a file that only its owner may read."""
    key = new_key()
    write_private(folder / KEY_FILE, key)
    return BoxKeys([key])


def keys_are_given(environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether the keys come from outside the data folder."""
    return _given(environment) is not None


def _given(environment: Mapping[str, str]) -> BoxKeys | None:
    text = environment.get(KEY_VARIABLE)
    if text:
        return BoxKeys([_decoded(part) for part in text.split(",")])
    folder = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / CREDENTIAL if folder else None
    if path is None or not path.exists():
        return None
    content = path.read_bytes()
    if content and len(content) % KEY_BYTES == 0:
        return BoxKeys.read(content)
    return BoxKeys([_decoded(part) for part in content.decode("ascii", "replace").split(",")])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise BoxKeyError(
            f"{KEY_VARIABLE} holds keys of {KEY_BYTES} bytes in base64, a comma between two"
        ) from None
