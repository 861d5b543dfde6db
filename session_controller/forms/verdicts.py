"""The possible results of checking a value, and the checks shared by all types."""

import re
from dataclasses import dataclass
from math import isfinite

from schemas.questionnaire.model import Json

MAX_BYTES = 16 * 1024
"""Of one value as JSON: a view carries all values of a step, and a step has many fields."""

_EXACT = 2**53 - 1
"""Larger integers are not read exactly by every JSON parser (RFC 8259, 6)."""

_CONTROLS = re.compile(r"[\x01-\x1f\x7f-\x9f]")
_CONTROLS_IN_TEXT = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class WrongKind:
    """The value does not have the JSON type of the question."""

    message: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The value is too long to store."""

    message: str = "This answer is too long."
    limit: int = MAX_BYTES


@dataclass(frozen=True, slots=True)
class Problem:
    """The value breaks a rule. `code` is stable, `message` a sentence for people."""

    code: str
    message: str


Verdict = WrongKind | TooLarge | Problem | None


def check_characters(value: str, *, lines: bool = False) -> Verdict:
    """Reject invalid Unicode and control characters; `lines` allows line breaks and tabs."""
    if value.isascii() and value.isprintable():
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return WrongKind("The text is not valid Unicode.")
    if "\0" in value:
        return WrongKind("The text contains a NUL character.")
    if (_CONTROLS_IN_TEXT if lines else _CONTROLS).search(value):
        return Problem("control_character", "The text contains a character that cannot be shown.")
    return None


def is_number(value: Json) -> bool:
    """Return whether a JSON number is read alike by every parser."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _EXACT if isinstance(value, int) else isfinite(value)
