"""Limits on the data of a session, each with its reason."""

from pydantic import JsonValue
from pydantic_core import to_json

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


def size_of(value: JsonValue) -> int:
    """Return the size of a value as JSON, in bytes; 0 for None."""
    return len(to_json(value)) if value is not None else 0
