"""What can be said of a value, and the checks that every kind of value shares."""

import re
from dataclasses import dataclass
from math import isfinite

from schemas.questionnaire import Json

MAX_BYTES = 16 * 1024
"""Of one value as JSON: a view carries a whole step's values, and a step has many fields."""

_EXACT = 2**53 - 1
"""Integers beyond are not the same number in every JSON reader (RFC 8259, 6)."""

_CONTROLS = re.compile(r"[\x01-\x1f\x7f-\x9f]")
_CONTROLS_IN_TEXT = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class WrongKind:
    """The value is no JSON of this question's type."""

    message: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """The value is too long to be kept."""

    message: str = "This answer is too long."
    limit: int = MAX_BYTES


@dataclass(frozen=True, slots=True)
class Problem:
    """The value breaks a rule. `code` is stable, `message` a sentence for a person."""

    code: str
    message: str


Verdict = WrongKind | TooLarge | Problem | None


def check_characters(value: str, *, lines: bool = False) -> Verdict:
    """Refuse what is no Unicode text, and control characters; `lines` allows line breaks, tabs."""
    if value.isascii() and value.isprintable():
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return WrongKind("The text is not Unicode.")
    if "\0" in value:
        return WrongKind("The text holds a NUL.")
    if (_CONTROLS_IN_TEXT if lines else _CONTROLS).search(value):
        return Problem("control_character", "The text holds a character that cannot be shown.")
    return None


def is_number(value: Json) -> bool:
    """Tell whether a JSON number is one that every reader reads alike."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _EXACT if isinstance(value, int) else isfinite(value)
