"""The possible results of checking a value, and the checks shared by all types."""

import re
from dataclasses import dataclass
from math import isfinite

from schemas.base import CONTROLS, CONTROLS_IN_LINES
from schemas.questionnaire.model import Json

MAX_BYTES = 16 * 1024
"""Of one value as JSON: a view carries all values of a step, and a step has many fields."""

_EXACT = 2**53 - 1
"""Larger integers are not read exactly by every JSON parser (RFC 8259, 6)."""

_IN_LINE = re.compile(f"[{CONTROLS}]")
_IN_LINES = re.compile(f"[{CONTROLS_IN_LINES}]")


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
    """Reject invalid Unicode, control and format characters; `lines` allows tabs, line breaks."""
    if value.isascii() and value.isprintable():
        return None
    try:
        value.encode()
    except UnicodeEncodeError:
        return WrongKind("The text is not valid Unicode.")
    if "\0" in value:
        return WrongKind("The text contains a NUL character.")
    if (_IN_LINES if lines else _IN_LINE).search(value):
        return Problem("control_character", "The text contains a character that cannot be shown.")
    return None


def is_number(value: Json) -> bool:
    """Return whether a JSON number is read alike by every parser."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _EXACT if isinstance(value, int) else isfinite(value)
