"""How much a session may hold, each limit with its reason."""

from pydantic import JsonValue
from pydantic_core import to_json

MAX_ANSWER_BYTES = 256 * 1024
"""All answers together as JSON: a facility's view stays well below the broker's packet limit."""

MAX_UPLOAD_BYTES = 20 * 1024 * 1024
"""One document, where the form does not say less: a tablet's photograph has 3 to 12 MB."""

MAX_DOCUMENTS = 100
"""Of one session: no form asks for so many, a repeating group might be made to."""

MAX_DOCUMENT_BYTES = 100 * 1024 * 1024
"""All documents of a session together."""


def size_of(value: JsonValue) -> int:
    """Give a value's size in bytes as JSON; nothing for no value."""
    return len(to_json(value)) if value is not None else 0
