"""Limits on the data of a session, each with its reason."""

from collections.abc import Mapping
from enum import StrEnum

from pydantic import JsonValue
from pydantic_core import to_json

from schemas.topics import MAX_CHUNK
from session_controller.forms.verdicts import MAX_BYTES

MAX_ANSWER_BYTES = 256 * 1024
"""Of all answers as JSON: keeps a facility view well below the broker's packet limit."""

MAX_UPLOAD_BYTES = 20 * 1024 * 1024
"""Of one document, unless the form sets less: a tablet's photograph has 3 to 12 MB."""

MAX_DOCUMENTS = 100
"""Per session: no form needs as many, but a repeating group could be made to."""

MAX_REFUSALS = 10
"""Of a device's refusals in its view: as many as it may have commands in flight."""

MAX_DOCUMENT_BYTES = 100 * 1024 * 1024
"""Of all documents of a session."""


class Limit(StrEnum):
    """The limits at which the box refuses, by their names in docs/reference/limits.md."""

    OPEN_SESSIONS = "max_open_sessions"
    DEVICES = "max_devices"
    DISK = "disk_bytes"
    CODES = "wrong_codes"
    VALUE = "value_bytes"
    ANSWERS = "answers_bytes"
    DOCUMENT = "document_bytes"
    DOCUMENTS = "documents"
    DOCUMENTS_BYTES = "documents_bytes"
    CHUNK = "chunk_bytes"


OF_A_SESSION: Mapping[Limit, int] = {
    Limit.VALUE: MAX_BYTES,
    Limit.ANSWERS: MAX_ANSWER_BYTES,
    Limit.DOCUMENT: MAX_UPLOAD_BYTES,
    Limit.DOCUMENTS: MAX_DOCUMENTS,
    Limit.DOCUMENTS_BYTES: MAX_DOCUMENT_BYTES,
    Limit.CHUNK: MAX_CHUNK,
}
"""The limits of what one session holds, in order."""


def size_of(value: JsonValue) -> int:
    """Return the size of a value as JSON, in bytes; 0 for None."""
    return len(to_json(value)) if value is not None else 0
