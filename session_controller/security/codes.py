"""Pairing codes and device secrets (RFC 8628, 6.1): created here, stored only as hashes.

A session's code is derived from the box's key and a serial, so that a front-desk screen can show
it again after a restart although no code is stored.
"""

import hashlib
import hmac
import re
import secrets

from schemas.wire.devices import CODE_ALPHABET, CODE_LENGTH, normalize_code


class Codes:
    """Derives and hashes codes with the box's key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def code_of(self, subject: str, serial: int) -> str:
        """Return the code of a session or device: eight letters, the same for each call."""
        digest = self._mac(f"code:{subject}:{serial}")
        number = int.from_bytes(digest, "big")
        letters = []
        for _ in range(CODE_LENGTH):
            number, index = divmod(number, len(CODE_ALPHABET))
            letters.append(CODE_ALPHABET[index])
        return "".join(letters)

    def hash_of(self, shown: str) -> str:
        """Hash a code as typed; the hash is keyed, since eight letters could be guessed from it."""
        return self._mac(f"hash:{normalize_code(shown)}").hex()

    def _mac(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(errors="surrogatepass"), hashlib.sha256)


def new_secret() -> str:
    """Create a device's secret: 256 random bits."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """Hash a secret; a plain SHA-256 is enough, since 256 random bits cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_id(prefix: str) -> str:
    """Create an id that is valid in a topic."""
    return f"{prefix}-{secrets.token_hex(6)}"


def is_new_id(prefix: str, text: str) -> bool:
    """Return whether a text could be an id that `new_id` created, and is no words of a person."""
    return re.fullmatch(rf"{prefix}-[0-9a-f]{{12}}", text) is not None
