"""The hash chain of the audit log: each entry has a hash of itself and all earlier ones.

    chain[n] = SHA-256(chain[n-1] ‖ n as 8 bytes ‖ content_sha256 ‖ JSON of the rest)

The rest has no person where none is known, as in entries of versions that knew none.
`content_sha256` is of the content as stored, encrypted: without the key it reveals nothing. The box
signs the newest hash at intervals (Ed25519, RFC 8032). Pure: no clock, no I/O.
"""

import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

GENESIS = bytes(32)
"""The hash before the first entry."""

_MAX_ENTRY = 1 << 63
_CONTEXT = b"handrail log checkpoint v1"


class Head(NamedTuple):
    """The number of the newest entry, and the hash of the chain up to it."""

    entry: int = 0
    chain: bytes = GENESIS


EMPTY = Head()
"""The head of an empty log."""


class Place(NamedTuple):
    """Everything of an entry except its content, in the order of the log's columns."""

    at: str
    kind: str
    session: str | None = None
    revision: int | None = None
    device: str | None = None
    seq: int | None = None
    command_id: str | None = None
    person: str | None = None


def content_hash(content: bytes) -> bytes:
    """Hash an entry's content as stored."""
    return hashlib.sha256(content).digest()


def follow(head: Head, place: Place, content_sha256: bytes) -> Head:
    """Return the head after one more entry."""
    entry = head.entry + 1
    return Head(entry, link(head.chain, entry, content_sha256, tuple(place)))


def link(
    chain: bytes, entry: int, content_sha256: bytes, rest: tuple[str | int | None, ...]
) -> bytes:
    """Return the hash of an entry (at least 1), from the one before; `rest` is its `Place`."""
    number = entry.to_bytes(8, "big")
    known = rest if rest[-1] is not None else rest[:-1]
    return hashlib.sha256(b"%b%b%b%b" % (chain, number, content_sha256, _written(known))).digest()


def _written(rest: tuple[str | int | None, ...]) -> bytes:
    """Serialize values as JSON; values that were tampered with, in some form that differs."""
    try:
        return orjson.dumps(rest)
    except orjson.JSONEncodeError:  # bytes, or invalid text
        return repr(rest).encode(errors="surrogatepass")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head signed by the box."""

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
    """Return whether the signature is valid for the checkpoint's public key."""
    if not 0 <= checkpoint.head.entry < _MAX_ENTRY:
        return False
    return verifies(
        checkpoint.public_key, checkpoint.signature, _message(checkpoint.head, checkpoint.at)
    )


def verifies(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether a signature is valid."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _message(head: Head, at: str) -> bytes:
    return (
        _CONTEXT + head.entry.to_bytes(8, "big") + head.chain + at.encode(errors="surrogateescape")
    )
