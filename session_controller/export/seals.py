"""The signed seal of a written record: what it is, of which session, and its SHA-256."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from schemas.wire.seals import ExportFormat, Seal, sealed_bytes
from session_controller.export.record import Record


@dataclass(frozen=True, slots=True)
class Signer:
    """The box's signing key; safe to use from any thread."""

    public_key: bytes
    sign: Callable[[bytes], bytes]


def seal_of(
    record: Record,
    data: bytes,
    signer: Signer,
    *,
    form: ExportFormat,
    media_type: str,
    field_id: str | None = None,
) -> Seal:
    """Return the seal of a record, or of one of its documents, as it was written."""
    bare = Seal.model_validate(
        {
            "site": record.site,
            "session": record.state.session,
            "format": form,
            "field_id": field_id,
            "media_type": media_type,
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
            "exported_at": record.exported_at,
            "exported_by": record.exported_by,
            "entry": record.head.entry,
            "chain": record.head.chain,
            "public_key": signer.public_key.hex(),
        }
    )
    return bare.model_copy(update={"signature": signer.sign(sealed_bytes(bare)).hex()})


def seal_file(seal: Seal) -> bytes:
    """Return the content of the file of a seal."""
    return seal.model_dump_json(indent=1).encode() + b"\n"
