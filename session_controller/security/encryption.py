"""Encryption at rest: AES-256-GCM (NIST SP 800-38D), one key per session, wrapped by the box's.

Ciphertext is bound to its row by the associated data: moved to another row, it does not decrypt.
The box's keys come from `HANDRAIL_BOX_KEY`, from a systemd credential named `handrail-box-key`, or
from the file `box.key`, in this order.
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

from session_controller.security.files import write_private

KEY_BYTES = 32
KEY_FILE = "box.key"
KEY_VARIABLE = "HANDRAIL_BOX_KEY"
CREDENTIAL = "handrail-box-key"
_NONCE = 12
_TAG = 16
OVERHEAD = _NONCE + _TAG
"""Bytes by which a ciphertext is longer than what was encrypted."""
_ID = 4


class DecryptionError(Exception):
    """Decryption failed: the data was changed, moved, or encrypted with another key."""


class BoxKeyError(Exception):
    """The box's key cannot be used; the message tells a person why."""


class Cipher:
    """Encrypts and decrypts with one key."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def encrypt(self, plain: bytes, about: bytes) -> bytes:
        """Encrypt: a random 96-bit nonce, then the ciphertext with its 128-bit tag."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, about)

    def decrypt(self, sealed: bytes, about: bytes) -> bytes:
        """Decrypt what `encrypt` returned for the same `about`. Raises `DecryptionError`."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], about)
        except (InvalidTag, ValueError, TypeError):  # the stored value may have been tampered with
            raise DecryptionError("the data cannot be decrypted") from None


class BoxKeys:
    """The keys that wrap other keys: the first one wraps, each of them unwraps."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise BoxKeyError(f"a box key must have {KEY_BYTES} bytes")
        self._ciphers = {_key_id(key): Cipher(key) for key in keys}
        self._first = _key_id(keys[0])

    @classmethod
    def read(cls, content: bytes) -> Self:
        """Read a key file: keys of 32 bytes, concatenated. Raises `BoxKeyError`."""
        if len(content) % KEY_BYTES:
            raise BoxKeyError(f"a key file must consist of keys of {KEY_BYTES} bytes")
        return cls([content[at : at + KEY_BYTES] for at in range(0, len(content), KEY_BYTES)])

    def wrap(self, key: bytes, name: str) -> bytes:
        """Wrap a key under its name: the id of the wrapping key, then the encrypted key."""
        return self._first + self._ciphers[self._first].encrypt(key, name.encode())

    def has_wrapped(self, wrapped: bytes) -> bool:
        """Return whether the first key, which wraps now, wrapped this."""
        return wrapped.startswith(self._first)

    def unwrap(self, wrapped: bytes, name: str) -> bytes:
        """Unwrap. Raises `DecryptionError`, or `BoxKeyError` if another box key wrapped it."""
        if not isinstance(wrapped, bytes):  # the stored value may have been tampered with
            raise DecryptionError("the stored key is not valid")
        cipher = self._ciphers.get(wrapped[:_ID])
        if cipher is None:
            raise BoxKeyError("the data was encrypted with another box key; put the right one back")
        return cipher.decrypt(wrapped[_ID:], name.encode())


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"handrail box key" + key).digest()[:_ID]


def new_key() -> bytes:
    """Create a key: 256 random bits."""
    return secrets.token_bytes(KEY_BYTES)


def load_box_keys(folder: Path, environment: Mapping[str, str] = os.environ) -> BoxKeys | None:
    """Return the box's keys, or None if there are none yet. Raises `BoxKeyError`."""
    found = box_key_bytes(folder, environment)
    return None if found is None else BoxKeys.read(found)


def box_key_bytes(folder: Path, environment: Mapping[str, str] = os.environ) -> bytes | None:
    """Return the box's keys as a key file has them, or None. Raises `BoxKeyError`."""
    given = _given(environment)
    if given is not None:
        return given
    path = folder / KEY_FILE
    return path.read_bytes() if path.exists() else None


def required_box_keys(folder: Path) -> BoxKeys:
    """Return the box's keys. Raises `BoxKeyError`, also if there are none."""
    keys = load_box_keys(folder)
    if keys is None:
        raise BoxKeyError(f"{folder} lacks the box key; put back {KEY_FILE}, or set {KEY_VARIABLE}")
    return keys


def make_box_keys(folder: Path) -> BoxKeys:
    """Create the box's key in a file that only its owner can read."""
    key = new_key()
    write_private(folder / KEY_FILE, key)
    return BoxKeys([key])


def keys_are_given(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the keys come from outside the data folder."""
    return _given(environment) is not None


def _given(environment: Mapping[str, str]) -> bytes | None:
    text = environment.get(KEY_VARIABLE)
    if text:
        return _decoded(text)
    folder = environment.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / CREDENTIAL if folder else None
    if path is None or not path.exists():
        return None
    content = path.read_bytes()
    if content and len(content) % KEY_BYTES == 0:
        return content
    return _decoded(content.decode("ascii", "replace"))


def _decoded(text: str) -> bytes:
    """Return keys that are separated by commas. Raises `BoxKeyError`."""
    try:
        keys = [base64.b64decode(part.strip(), validate=True) for part in text.split(",")]
    except (binascii.Error, ValueError):
        keys = []
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise BoxKeyError(
            f"{KEY_VARIABLE} must contain keys of {KEY_BYTES} bytes in base64, separated by commas"
        )
    return b"".join(keys)
