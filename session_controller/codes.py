"""Pairing codes and device secrets (RFC 8628, 6.1): made here, stored only as hashes.

A session's code is derived from the box's key and a serial, so that the staff's screen can show it
again after a restart although no code is stored.
"""

import hashlib
import hmac
import secrets

from schemas.devices import CODE_ALPHABET, CODE_LENGTH, normalize_code


class Codes:
    """Makes and hashes codes with the box's key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def code_of(self, subject: str, serial: int) -> str:
        """Give the code of a session or device: eight letters, the same at every call."""
        digest = self._mac(f"code:{subject}:{serial}")
        number = int.from_bytes(digest, "big")
        letters = []
        for _ in range(CODE_LENGTH):
            number, index = divmod(number, len(CODE_ALPHABET))
            letters.append(CODE_ALPHABET[index])
        return "".join(letters)

    def hash_of(self, shown: str) -> str:
        """Hash a code as a person typed it; keyed, since eight letters could be tried out."""
        return self._mac(f"hash:{normalize_code(shown)}").hex()

    def _mac(self, text: str) -> bytes:
        return hmac.digest(self._key, text.encode(errors="surrogatepass"), hashlib.sha256)


def new_secret() -> str:
    """Make a device's secret: 256 random bits."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """Hash a secret. It has 256 random bits, so a plain SHA-256 cannot be tried out."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_id(prefix: str) -> str:
    """Make an id that may stand in a topic."""
    return f"{prefix}-{secrets.token_hex(6)}"
