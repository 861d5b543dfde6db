"""Passwords kept as scrypt hashes, `scrypt$n$r$p$salt$hash` with salt and hash in base64."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass

COST = 1 << 14
BLOCK = 8
PARALLEL = 1
"""16 MiB and some 50 ms per guess (RFC 7914); a check runs once per CONNECT, off the event loop."""
MAX_COST = 1 << 17
MAX_BLOCK = 16
MAX_PARALLEL = 4
"""A rules file may ask for more work than ours, within what a small box can do."""
_PARTS = 6


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A parsed hash."""

    cost: int
    block: int
    parallel: int
    salt: bytes
    digest: bytes

    @classmethod
    def parse(cls, text: str) -> PasswordHash:
        """Parse what `hash_password` gave. Raises ValueError."""
        parts = text.split("$")
        if len(parts) != _PARTS or parts[0] != "scrypt":
            raise ValueError("not a scrypt hash; make one with `handrail broker hash-password`")
        cost, block, parallel = (int(part) for part in parts[1:4])
        if not (1 < cost <= MAX_COST and cost & (cost - 1) == 0):
            raise ValueError(f"scrypt cost must be a power of two up to {MAX_COST}")
        if not (0 < block <= MAX_BLOCK and 0 < parallel <= MAX_PARALLEL):
            raise ValueError("scrypt block size or parallelism out of range")
        salt, digest = (b64decode(part, validate=True) for part in parts[4:])
        return cls(cost, block, parallel, salt, digest)

    def matches(self, password: bytes) -> bool:
        """Say whether this is the password, in time that does not depend on the answer."""
        digest = _scrypt(password, self.salt, self.cost, self.block, self.parallel)
        return hmac.compare_digest(digest, self.digest)


def hash_password(password: bytes) -> str:
    """Give a hash with a fresh salt, as a rules file wants it."""
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, COST, BLOCK, PARALLEL)
    encoded = "$".join(b64encode(part).decode() for part in (salt, digest))
    return f"scrypt${COST}${BLOCK}${PARALLEL}${encoded}"


def _scrypt(password: bytes, salt: bytes, cost: int, block: int, parallel: int) -> bytes:
    memory = 128 * cost * block * parallel + (1 << 20)
    return hashlib.scrypt(password, salt=salt, n=cost, r=block, p=parallel, maxmem=memory, dklen=32)


NOBODY = PasswordHash(COST, BLOCK, PARALLEL, b"nobody", bytes(32))
"""Checked for an unknown user, so that the time taken does not tell who exists."""
