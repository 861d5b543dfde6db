"""The fingerprint of the key that a box signs with, for people to compare."""

import base64
import hashlib
import re

_BYTES, _GROUP = 15, 4
"""120 bits: nobody makes another key with the same fingerprint."""
_LOOKS_LIKE = str.maketrans("018", "OIB")
"""Characters that no fingerprint has (RFC 4648, 6), and which one was meant."""


def signer_fingerprint(public_key: bytes) -> str:
    """Return the fingerprint of a public key in groups: `ABCD-EFGH-…`."""
    digest = hashlib.sha256(b"handrail signing key" + public_key).digest()[:_BYTES]
    letters = base64.b32encode(digest).decode()
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def is_fingerprint_of(typed: str, public_key: bytes) -> bool:
    """Return whether a person typed a key's fingerprint; spaces, hyphens and case do not count."""
    return _plain(typed) == _plain(signer_fingerprint(public_key))


def _plain(fingerprint: str) -> str:
    return re.sub(r"[\s-]", "", fingerprint).upper().translate(_LOOKS_LIKE)
