"""The hash chain of the log: each entry holds the hash of itself and of all before it.

    chain[n] = SHA-256(chain[n-1] ‖ n as 8 bytes ‖ content_sha256 ‖ JSON of the rest)

`content_sha256` is of the content as stored, sealed: once its key is gone, it tells nothing. The
box signs the newest hash at intervals (Ed25519, RFC 8032). Pure: no clock, no I/O.
"""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

GENESIS = bytes(32)
"""What the first entry follows."""

_MAX_ENTRY = 1 << 63
_CONTEXT = b"handrail log checkpoint v1"


class Head(NamedTuple):
    """The newest entry, and the hash of everything up to it."""

    entry: int = 0
    chain: bytes = GENESIS


class Place(NamedTuple):
    """All of an entry but its content, in the order of the log's columns."""

    at: str
    kind: str
    session: str | None = None
    revision: int | None = None
    device: str | None = None
    seq: int | None = None
    command_id: str | None = None


def content_hash(content: bytes) -> bytes:
    """Hash an entry's content as it is stored."""
    return hashlib.sha256(content).digest()


def follow(head: Head, place: Place, content_sha256: bytes) -> Head:
    """Give the head after one more entry."""
    entry = head.entry + 1
    number = entry.to_bytes(8, "big")
    chained = b"%b%b%b%b" % (head.chain, number, content_sha256, _written(tuple(place)))
    return Head(entry, hashlib.sha256(chained).digest())


def _written(rest: tuple[str | int | None, ...]) -> bytes:
    """Write values as JSON; what somebody put in their place, in some way that is not its own."""
    try:
        return orjson.dumps(rest)
    except orjson.JSONEncodeError:  # bytes, or text that is none
        return repr(rest).encode(errors="surrogatepass")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head that the box has signed."""

    head: Head
    at: str
    signature: bytes
    public_key: bytes
    """32 bytes (RFC 8032, 5.1.5)."""


def sign(key: Ed25519PrivateKey, head: Head, at: str) -> Checkpoint:
    """Sign a head."""
    signature = key.sign(_message(head, at))
    return Checkpoint(head, at, signature, key.public_key().public_bytes_raw())


def is_genuine(checkpoint: Checkpoint) -> bool:
    """Tell whether the signature is by the key that the checkpoint names."""
    if not 0 <= checkpoint.head.entry < _MAX_ENTRY:
        return False
    return verifies(
        checkpoint.public_key, checkpoint.signature, _message(checkpoint.head, checkpoint.at)
    )


def verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Tell whether a signature is by a key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _message(head: Head, at: str) -> bytes:
    return (
        _CONTEXT + head.entry.to_bytes(8, "big") + head.chain + at.encode(errors="surrogateescape")
    )
