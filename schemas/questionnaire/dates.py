"""FHIR R4 dates and times (2.24.0.1) as comparable spans of seconds.

A partial date is a span: `2026-11` begins with the month's first second and ends with its last.
All numbers are seconds since the first day of the calendar, in UTC; a date without an offset is
taken as UTC, since it means a calendar day.
"""

import re
from calendar import monthrange
from datetime import date, datetime

Span = tuple[float, float]
"""First and last second."""

_DAY = 86_400
_DATE = r"(\d{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12]\d|3[01]))?)?"
_CLOCK = r"([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60)(\.\d{1,9})?"
_ZONE = r"(Z|[+-](?:0\d|1[0-3]):[0-5]\d|[+-]14:00)"

_DATE_ONLY = re.compile(_DATE, re.ASCII)
_DATE_TIME = re.compile(rf"(\d{{4}}-\d\d-\d\d)T{_CLOCK}{_ZONE}", re.ASCII)
_TIME = re.compile(_CLOCK, re.ASCII)


def date_span(text: str) -> Span | None:
    """Parse `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; return None if it is not a date."""
    found = _DATE_ONLY.fullmatch(text)
    if found is None:
        return None
    year, month, day = (int(part) if part else None for part in found.groups())
    if not year:
        return None
    first_month, last_month = (month, month) if month else (1, 12)
    last_day = day or monthrange(year, last_month)[1]
    try:
        first = date(year, first_month, day or 1)
        last = date(year, last_month, last_day)
    except ValueError:
        return None
    return first.toordinal() * _DAY, last.toordinal() * _DAY + _DAY - 1


def date_time_span(text: str) -> Span | None:
    """Parse a FHIR dateTime: a full or partial date, or an instant with its offset."""
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        return date_span(text)
    day = date_span(found[1])
    if day is None:
        return None
    moment = day[0] + _seconds(found, first=2) - _offset(found[6])
    return moment, moment


def days_around(moment: datetime) -> Span:
    """Return the days that are today where a patient may be: the day in UTC, and one each way."""
    day = moment.date().toordinal() * _DAY
    return day - _DAY, day + 2 * _DAY - 1


def time_of_day(text: str) -> Span | None:
    """Parse `hh:mm:ss` as seconds since midnight."""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    moment = _seconds(found, first=1)
    return moment, moment


def _seconds(found: re.Match[str], first: int) -> float:
    hours, minutes, seconds, fraction = (found[first + part] for part in range(4))
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + float(fraction) if fraction else whole


def _offset(zone: str) -> int:
    if zone == "Z":
        return 0
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60)
