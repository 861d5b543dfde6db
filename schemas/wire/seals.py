"""The seal of an exported record: a description of the export, signed by the box.

A seal is stored with the file as `FILE.seal.json`. `sealed_bytes` returns what is signed (Ed25519,
RFC 8032): a context, then RFC 8785 JSON of the seal without its signature.
"""

from typing import Annotated, Literal

import rfc8785
from pydantic import Field

from schemas.base import Identifier, Sha256, Timestamp, Versioned, absent

ExportFormat = Literal["fhir", "questionnaire-response", "pdf", "json", "csv", "document"]

Paper = Literal["us-letter", "a4"]

SEAL_SUFFIX = ".seal.json"
"""Suffix of a seal's file name, after the record's file name."""

_CONTEXT = b"handrail export seal v1\n"


class Seal(Versioned):
    """What was exported, by which box, and the state of its log."""

    site: Identifier
    session: Identifier
    format: ExportFormat
    field_id: Annotated[str | None, Field(exclude_if=absent)] = None
    """The document's field, if a document was exported."""
    media_type: str
    sha256: Sha256
    size: int
    """Bytes."""
    exported_at: Timestamp
    exported_by: Identifier
    entry: int
    """Number of the newest log entry about the session."""
    chain: Sha256
    """The log's hash chain value at that entry."""
    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """The box's Ed25519 public key, in hex."""
    signature: Annotated[str, Field(pattern=r"^([0-9a-f]{128})?$")] = ""
    """In hex."""


def sealed_bytes(seal: Seal) -> bytes:
    """Return the bytes that are signed."""
    return _CONTEXT + rfc8785.dumps(seal.model_dump(mode="json", exclude={"signature"}))
