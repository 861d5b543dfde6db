"""Answers of a single JSON value: text, numbers, dates, booleans."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from schemas.questionnaire.dates import Span, date_span, date_time_span, time_of_day
from schemas.questionnaire.model import TODAY, FieldKind, Item, Json
from session_controller.forms.blanks import trimmed
from session_controller.forms.verdicts import (
    Problem,
    Verdict,
    WrongKind,
    check_characters,
    is_number,
)

if TYPE_CHECKING:
    import regex

MAX_LENGTHS = {FieldKind.STRING: 5_000, FieldKind.TEXT: 16_000, FieldKind.URL: 2_000}
"""In code points, unless the questionnaire sets maxLength."""

_FHIR_INTEGER = 2**31 - 1

_REGEX_SECONDS = 0.1
"""A pattern that takes longer on one answer is hostile or broken; real ones take microseconds.

Processor time, for all values of the answer together.
"""
_LEAST_SECONDS = 0.001
_patience: ContextVar[float] = ContextVar("_patience", default=_REGEX_SECONDS)

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"{}|\\^`]+")


# -- text --------------------------------------------------------------------------------------


def check_text(item: Item, value: Json) -> Verdict:
    """Check characters, length and pattern of a string, without the white space around it."""
    if not isinstance(value, str):
        return WrongKind("The answer must be text.")
    value = trimmed(value)
    return (
        check_characters(value, lines=item.type is FieldKind.TEXT)
        or _check_length(item, value)
        or _check_pattern(item, value)
    )


def _check_length(item: Item, value: str) -> Problem | None:
    most = item.max_length
    if most is None:
        most = MAX_LENGTHS.get(item.type, MAX_LENGTHS[FieldKind.STRING])
    if len(value) > most:
        return Problem("too_long", f"At most {most} characters.")
    if item.min_length is not None and 0 < len(value) < item.min_length:
        return Problem("too_short", f"At least {item.min_length} characters.")
    return None


@contextmanager
def shared_patience(values: int) -> Iterator[None]:
    """Share the time for matching a pattern between the values of one answer."""
    before = _patience.set(max(_REGEX_SECONDS / max(values, 1), _LEAST_SECONDS))
    try:
        yield
    finally:
        _patience.reset(before)


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> "regex.Pattern[str]":
    import regex  # noqa: PLC0415 - only flows with patterns need it

    return regex.compile(pattern)


def _check_pattern(item: Item, value: str) -> Problem | None:
    """Match the whole answer with the questionnaire's regular expression."""
    if item.regex is None or value == "":
        return None
    try:
        fits = _compiled(item.regex).fullmatch(value, timeout=_patience.get()) is not None
    except TimeoutError:
        fits = False
    if fits:
        return None
    asked = f" ({item.entry_format})" if item.entry_format else ""
    return Problem("wrong_format", f"This is not in the expected format{asked}.")


def check_url(item: Item, value: Json) -> Verdict:
    """Check a URL: it must be absolute."""
    verdict = check_text(item, value)
    if verdict is not None or not trimmed(value):
        return verdict
    if _URL.fullmatch(trimmed(value)) is None:
        return Problem("not_a_url", "Enter a full address, such as https://example.org.")
    return None


# -- numbers, dates, yes and no ----------------------------------------------------------------


def check_boolean(_: Item, value: Json) -> Verdict:
    """Check a boolean."""
    return None if isinstance(value, bool) else WrongKind("The answer must be true or false.")


def check_decimal(item: Item, value: Json) -> Verdict:
    """Check a number, its digits and bounds."""
    if not is_number(value):
        return WrongKind("The answer must be a number.")
    most = item.max_decimal_places
    if most is not None and _decimal_places(value) > most:
        return Problem("too_precise", f"At most {most} digits after the decimal point.")
    return _check_bounds(item, value)


def _decimal_places(value: float) -> int:
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def check_integer(item: Item, value: Json) -> Verdict:
    """Check an integer; FHIR's has 32 bits."""
    if not is_number(value) or value != int(value):
        return WrongKind("The answer must be a whole number.")
    if abs(value) > _FHIR_INTEGER:
        return Problem("out_of_range", "This number is too large.")
    return _check_bounds(item, value) or _check_pattern(item, str(int(value)))


def _check_bounds(item: Item, value: float) -> Problem | None:
    least, most = item.min_value, item.max_value
    if isinstance(least, int | float) and value < least:
        return Problem("too_small", f"Must be {least} or more.")
    if isinstance(most, int | float) and value > most:
        return Problem("too_large", f"Must be {most} or less.")
    return None


def _check_moment(read: Callable[[str], Span | None], hint: str) -> Callable[[Item, Json], Verdict]:
    def check(item: Item, value: Json) -> Verdict:
        if not isinstance(value, str):
            return WrongKind("The answer must be text.")
        if value == "":
            return None
        wrong = check_characters(value)
        if isinstance(wrong, WrongKind):
            return wrong
        span = read(value)
        if span is None:
            return Problem("not_a_date", hint)
        return _check_span(item, read, span) or _check_pattern(item, value)

    return check


def _check_span(item: Item, read: Callable[[str], Span | None], span: Span) -> Problem | None:
    """Reject only what is certainly out of range: a year may overlap the bound."""
    least = read(item.min_value) if isinstance(item.min_value, str) else None
    most = read(item.max_value) if isinstance(item.max_value, str) else None
    if least is not None and span[1] < least[0]:
        return Problem("too_small", f"Must be {item.min_value} or later.")
    if most is not None and span[0] > most[1]:
        return Problem("too_large", f"Must be {item.max_value} or earlier.")
    return None


check_date = _check_moment(date_span, "Enter a date as year-month-day, such as 1980-01-31.")
check_date_time = _check_moment(date_time_span, "Enter date and time such as 1980-01-31T09:30:00Z.")
check_time = _check_moment(time_of_day, "Enter a time such as 09:30:00.")


def check_today(item: Item, value: str, today: Span) -> Problem | None:
    """Check a date against a bound of today's; `today` is the days that may be today."""
    span = date_time_span(value)
    if span is not None and item.max_value == TODAY and span[0] > today[1]:
        return Problem("too_large", "This date is in the future.")
    if span is not None and item.min_value == TODAY and span[1] < today[0]:
        return Problem("too_small", "This date is in the past.")
    return None
