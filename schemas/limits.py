"""The contract's limits in words, for messages about values that break them."""

from collections.abc import Mapping
from typing import Any

from schemas.base import DAY_PATTERN, ID_LIMIT, ID_PATTERN, LINES, ONE_LINE

_LIMITS = {
    "string_too_short": "must not be empty",
    "string_too_long": "must be at most {max_length} characters",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "string_unicode": "must be text in Unicode",
}
"""By pydantic's error types; no text of the contract has a minimum length above 1."""


def limit_of(fault: Mapping[str, Any]) -> str | None:
    """Return the limit that an element of `ValidationError.errors()` names, or None if it has none.

    The text never repeats the value.
    """
    context = fault.get("ctx", {})
    if context.get("pattern") == f"^{ID_PATTERN}$":
        return ID_LIMIT
    if context.get("pattern") == DAY_PATTERN:
        return "must be a date such as 1980-02-03"
    if context.get("pattern") in (ONE_LINE, LINES):
        return "must not contain control or format characters"
    limit = _LIMITS.get(fault["type"])
    return limit.format_map(context) if limit else None
