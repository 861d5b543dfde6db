"""Up to where a log was verified: a small file, from which the next verification continues.

The box's log key signs it, so whoever can write the data folder but lacks the box's key can at
most delete it or put an older one back, and then more is verified. It is also a receipt: a log that
does not contain the entry is reported. After faults, the next verification starts at the first
entry again.
"""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.base import rfc3339
from session_controller.audit.hash_chain import Head, verifies
from session_controller.security.encryption import BoxKeyError, DecryptionError
from session_controller.security.files import write_private
from session_controller.storage.reader import Reader

POINT_FILE = "verified.json"
_CONTEXT = b"handrail log verified v1"


class VerifiedPoint(BaseModel):
    """A signed head of the log up to which nothing was wrong. Bytes are in hex."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: int = 1
    epoch: int
    """Of the data folder: a restore replaces the log."""
    entry: int
    chain: str
    at: str
    """When it was verified (RFC 3339)."""
    whole: bool
    """Whether the newest verification found no faults; if it did, all has to be verified again."""
    signature: str = ""

    @property
    def head(self) -> Head:
        """Return the log's head at this point."""
        return Head(self.entry, bytes.fromhex(self.chain))

    @property
    def message(self) -> bytes:
        """Return what the signature is of."""
        return _CONTEXT + self.model_dump_json(exclude={"signature"}).encode()


def read_point(path: Path, reader: Reader) -> VerifiedPoint | None:
    """Return the point in a file, or None if there is none that this box's key signed.

    None as well after a restore. Never raises.
    """
    try:
        point = VerifiedPoint.model_validate_json(path.read_bytes())
        key, signature = reader.log_key, bytes.fromhex(point.signature)
        bytes.fromhex(point.chain)
    except (OSError, ValidationError, ValueError, DecryptionError, BoxKeyError):
        return None
    if key is None or point.epoch != reader.epoch:
        return None
    return point if verifies(key, signature, point.message) else None


def verified_up_to(reader: Reader, newest: Head, at: datetime) -> VerifiedPoint | None:
    """Return the newest signed head of a log that was verified up to `newest`, or None if absent.

    Entries that no signature covers yet are verified again the next time.
    """
    entry = reader.signed(newest.entry)
    chain = reader.chain_at(entry)
    if chain is None:
        return None
    return VerifiedPoint(
        epoch=reader.epoch, entry=entry, chain=chain.hex(), at=rfc3339(at), whole=True
    )


def write_point(path: Path, point: VerifiedPoint, reader: Reader) -> bool:
    """Sign and store a point; return whether it could be stored."""
    with suppress(OSError, DecryptionError, BoxKeyError):
        signer = reader.log_signer()
        if signer is not None:
            signed = point.model_copy(update={"signature": signer.sign(point.message).hex()})
            write_private(path, signed.model_dump_json().encode())
            return True
    return False
