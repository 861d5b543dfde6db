"""Dates and times as people read them, the same wherever they live: no 3/4 that may be 4/3."""

import re
from datetime import UTC, datetime

from session_controller.printing.words import Words

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_CLOCK = re.compile(r"(\d\d:\d\d)(:\d\d(?:\.\d+)?)", re.ASCII)


def moment(at: datetime, words: Words) -> str:
    """Write a moment to the minute, in UTC."""
    utc = at.astimezone(UTC)
    return f"{date_text(f'{utc:%Y-%m-%d}', words)}, {utc:%H:%M} UTC"


def exact(at: datetime) -> str:
    """Write a moment to the millisecond, in UTC (RFC 3339, with a space)."""
    utc = at.astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S}.{utc.microsecond // 1000:03} UTC"


def date_text(text: str, words: Words) -> str:
    """Write a FHIR date, partial or not; what is none is given back as it is."""
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
    """Write a FHIR dateTime; its offset is kept, for it says whose clock was meant."""
    day, _, rest = text.partition("T")
    if not rest:
        return date_text(text, words)
    clock, zone = rest.removesuffix("Z"), " UTC" if rest.endswith("Z") else ""
    found = re.fullmatch(r"(.*)([+-]\d\d:\d\d)", clock, re.ASCII)
    if found is not None:
        clock, zone = found[1], f" (UTC{found[2]})"
    return f"{date_text(day, words)}, {time_text(clock)}{zone}"


def time_text(text: str) -> str:
    """Write a time of day, without seconds where these are none."""
    found = _CLOCK.fullmatch(text)
    return found[1] if found is not None and found[2] == ":00" else text
