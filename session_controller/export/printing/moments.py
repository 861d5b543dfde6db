"""Dates and times in a form that is unambiguous everywhere: no 3/4 that may be 4/3."""

import re
from datetime import UTC, datetime

from session_controller.export.printing.words import Words

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_CLOCK = re.compile(r"(\d\d:\d\d)(:\d\d(?:\.\d+)?)", re.ASCII)


def moment(at: datetime, words: Words) -> str:
    """Format a time to the minute, in UTC."""
    utc = at.astimezone(UTC)
    return f"{date_text(f'{utc:%Y-%m-%d}', words)}, {utc:%H:%M} UTC"


def exact(at: datetime) -> str:
    """Format a time to the millisecond, in UTC (RFC 3339, with a space)."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03} UTC"


def date_text(text: str, words: Words) -> str:
    """Format a FHIR date, full or partial; other text is returned unchanged."""
    found = _DATE.fullmatch(text)
    if found is None:
        return text
    year, month, day = found.groups()
    if month is None or not 1 <= int(month) <= len(words.months):
        return text
    name = words.months[int(month) - 1]
    if day is None:
        return words.month.format(month=name, year=year)
    return words.date.format(day=int(day), month=name, year=year)


def date_time_text(text: str, words: Words) -> str:
    """Format a FHIR dateTime; its offset is kept, since it tells which local time was meant."""
    day, _, rest = text.partition("T")
    if not rest:
        return date_text(text, words)
    clock, zone = rest.removesuffix("Z"), " UTC" if rest.endswith("Z") else ""
    found = re.fullmatch(r"(.*)([+-]\d\d:\d\d)", clock, re.ASCII)
    if found is not None:
        clock, zone = found[1], f" (UTC{found[2]})"
    return f"{date_text(day, words)}, {time_text(clock)}{zone}"


def time_text(text: str) -> str:
    """Format a time of day, omitting seconds that are zero."""
    found = _CLOCK.fullmatch(text)
    return found[1] if found is not None and found[2] == ":00" else text
