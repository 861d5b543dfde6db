"""Password hashes with scrypt: `scrypt$n$r$p$salt$hash`, salt and hash in base64."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass

COST = 1 << 14
BLOCK = 8
PARALLEL = 1
"""16 MiB and about 50 ms per check (RFC 7914), once per CONNECT, off the event loop."""
MAX_COST = 1 << 17
MAX_BLOCK = 16
MAX_PARALLEL = 4
"""Upper bounds for hashes in a rules file: what a small box can compute."""
_PARTS = 6


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A parsed password hash."""

    cost: int
    block: int
    parallel: int
    salt: bytes
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> PasswordHash:
        """Parse a result of `hash_password`. Raises ValueError."""
        parts = text.split("$")
        if len(parts) != _PARTS or parts[0] != "scrypt":
            raise ValueError("not a scrypt hash; create one with `handrail broker hash-password`")
        cost, block, parallel = (int(part) for part in parts[1:4])
        if not (1 < cost <= MAX_COST and cost & (cost - 1) == 0):
            raise ValueError(f"scrypt cost must be a power of two up to {MAX_COST}")
        if not (0 < block <= MAX_BLOCK and 0 < parallel <= MAX_PARALLEL):
            raise ValueError("scrypt block size or parallelism out of range")
        salt, digest = (b64decode(part, validate=True) for part in parts[4:])
        return cls(cost, block, parallel, salt, digest)

    def matches(self, password: bytes) -> bool:
        """Return whether the password matches, in constant time."""
        digest = _scrypt(password, self.salt, self.cost, self.block, self.parallel)
        return hmac.compare_digest(digest, self.digest)


def hash_password(password: bytes) -> str:
    """Return the hash of a password with a new salt, in the form of the rules file."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, COST, BLOCK, PARALLEL)
    encoded = "$".join(b64encode(part).decode() for part in (salt, digest))
    return f"scrypt${COST}${BLOCK}${PARALLEL}${encoded}"


def _scrypt(password: bytes, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    memory = 128 * cost * block * parallel + (1 << 20)
    return hashlib.scrypt(password, salt=salt, n=cost, r=block, p=parallel, maxmem=memory, dklen=32)


NOBODY = PasswordHash(COST, BLOCK, PARALLEL, b"nobody", bytes(32))
"""Checked for an unknown user, so that timing does not reveal which users exist."""
