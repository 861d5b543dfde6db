"""The seal of an exported record: what it is of, and the box's signature over that.

A seal stands beside the file as `FILE.seal.json`. `sealed_bytes` gives what is signed (Ed25519,
RFC 8032): a context, then RFC 8785 JSON of the seal without its signature.
"""

from typing import Annotated, Literal

import rfc8785
from pydantic import Field

from schemas.base import Identifier, Sha256, Timestamp, Versioned, absent

ExportFormat = Literal["fhir", "questionnaire-response", "pdf", "json", "csv", "document"]

Paper = Literal["us-letter", "a4"]

_CONTEXT = b"handrail export seal v1\n"


class Seal(Versioned):
    """What was given out, by which box, and where its log stood."""

    site: Identifier
    session: Identifier
    format: ExportFormat
    field_id: Annotated[str | None, Field(exclude_if=absent)] = None
    """Of a document."""
    media_type: str
    sha256: Sha256
    size: int
    """Bytes."""
    exported_at: Timestamp
    exported_by: Identifier
    entry: int
    """The newest entry of the box's log that is about the session."""
    chain: Sha256
    """The log's hash at that entry."""
    public_key: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """The box's Ed25519 key, in hex."""
    signature: Annotated[str, Field(pattern=r"^([0-9a-f]{128})?$")] = ""
    """In hex."""


def sealed_bytes(seal: Seal) -> bytes:
    """Give the bytes that the signature is of."""
    return _CONTEXT + rfc8785.dumps(seal.model_dump(mode="json", exclude={"signature"}))
