"""Plausible answers for the simulator: valid values for every kind of field.

    plausible_value(item, rng) -> JSON value for ENTER_FIELD
    plausible_document(item, rng) -> (bytes, media type)              (clients.simulator.documents)
    plausible_strokes(rng) -> strokes for SUBMIT_SIGNATURE
    plausible_name(rng) -> the signer                                 (clients.simulator.words)

The random generator is an argument: the same seed gives the same answers. Raises `NoPlausibleValue`
if no valid value is found.
"""

import math
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from random import Random

import regex

from clients.simulator.documents import plausible_document
from clients.simulator.patterns import matching
from clients.simulator.words import HINTS, NOTES, ORGANISATIONS, plausible_name
from schemas.questionnaire.dates import Span, date_time_span, time_of_day
from schemas.questionnaire.model import CHOICES, TODAY, Coding, FieldKind, Item, Json, Option
from schemas.questionnaire.units import comparable

__all__ = [
    "NoPlausibleValue",
    "plausible_document",
    "plausible_name",
    "plausible_strokes",
    "plausible_value",
]

_DAY = 86_400
_TRIES = 200


class NoPlausibleValue(ValueError):  # noqa: N818 - it says what is missing, nothing went wrong
    """No valid value was found for this field."""


def plausible_value(item: Item, rng: Random) -> Json:
    """Generate an answer; a list for a repeating question."""
    if not item.takes_value:
        raise NoPlausibleValue(f"{item.link_id}: takes no value")
    if item.options == () and not item.open:
        raise NoPlausibleValue(f"{item.link_id}: there is nothing to choose")
    if not item.repeats:
        return _one(item, rng)
    least, most = item.min_occurs or 1, item.max_occurs or 3
    count = max(least, min(most, rng.choice((1, 1, 2))))
    if item.options:
        return [option.to_json() for option in _pick(item.options, count, least, rng)]
    return [_one(item, rng) for _ in range(count)]


def _pick(options: tuple[Option, ...], count: int, least: int, rng: Random) -> list[Option]:
    together = [option for option in options if not option.exclusive]
    if not together:
        return [rng.choice(options)]
    if len(together) < least:
        raise NoPlausibleValue("fewer options than required answers")
    return rng.sample(together, min(count, len(together)))


def _one(item: Item, rng: Random) -> Json:
    if item.options:
        return rng.choice(item.options).to_json()
    if item.type in CHOICES:
        return {"display": rng.choice(ORGANISATIONS)}
    return _MAKERS[item.type](item, rng)


# -- yes and no, numbers -----------------------------------------------------------------------


def _boolean(item: Item, rng: Random) -> bool:
    """Answer yes if required or attested, and mostly no otherwise."""
    return item.required or item.attestation or rng.random() < 0.15  # noqa: PLR2004


def _bounds(item: Item, low: float, high: float) -> tuple[float, float]:
    least = item.min_value if isinstance(item.min_value, int | float) else None
    most = item.max_value if isinstance(item.max_value, int | float) else None
    span = high - low
    if least is not None and most is None:
        return (low, high) if low >= least else (least, least + span)
    if most is not None and least is None:
        return (low, high) if high <= most else (most - span, most)
    return (low if least is None else least), (high if most is None else most)


def _integer(item: Item, rng: Random) -> int:
    low, high = _bounds(item, *_usual(item))
    first, last = math.ceil(low), math.floor(high)
    if first > last:
        raise NoPlausibleValue(f"{item.link_id}: no whole number is within its bounds")
    for _ in range(_TRIES):
        number = rng.randint(first, last)
        if item.regex is None or regex.fullmatch(item.regex, str(number), timeout=1):
            return number
    return int(_patterned(item, rng))


def _decimal(item: Item, rng: Random) -> float:
    places = min(2, item.max_decimal_places if item.max_decimal_places is not None else 2)
    low, high = _bounds(item, *_usual(item))
    number = round(rng.uniform(low, high), places)
    return min(max(number, low), high)


_USUAL_NUMBERS = (
    (r"year", (1990, 2024)),
    (r"\bage\b", (18, 90)),
    (r"weight|kg", (50, 110)),
    (r"height|cm\b", (150, 195)),
    (r"phone|mobile|id number|billing|professional", (10_000_000, 99_999_999)),
    (r"temperature", (36, 38)),
)


def _usual(item: Item) -> tuple[float, float]:
    about = _about(item)
    return next((span for hint, span in _USUAL_NUMBERS if re.search(hint, about)), (0, 10))


def _quantity(item: Item, rng: Random) -> Json:
    unit = rng.choice(item.unit_options) if item.unit_options else item.unit
    number = _decimal(_in_unit(item, unit), rng)
    if unit is None:
        return {"value": number}
    parts = {"unit": unit.display, "system": unit.system, "code": unit.code}
    return {"value": number} | {key: part for key, part in parts.items() if part}


def _in_unit(item: Item, unit: Coding | None) -> Item:
    """Return the item with its bounds in a unit."""
    parts = {} if unit is None else {"code": unit.code, "unit": unit.display}
    bounds = (item.min_value, item.max_value)
    least, most = (comparable(b, parts) if isinstance(b, dict) else b for b in bounds)
    return replace(item, min_value=least, max_value=most)


# -- dates -------------------------------------------------------------------------------------

_TODAY = date(2026, 1, 1)
"""The simulator has no clock; an approximate date."""

_LATER = date(2099, 1, 1)
"""After the day of any simulation."""

_USUAL_DATES = (
    (r"birth|dob\b", (date(1940, 1, 1), date(2004, 12, 31))),
    (r"expir|valid until", (date(2027, 1, 1), date(2031, 12, 31))),
    (r"appointment|next|due", (_TODAY, date(2026, 12, 31))),
)


def _day(item: Item, rng: Random) -> date:
    about = _about(item)
    low, high = next(
        (span for hint, span in _USUAL_DATES if re.search(hint, about)),
        (date(2019, 1, 1), _TODAY),
    )
    first, last = _bound_day(item.min_value, _LATER), _bound_day(item.max_value, _TODAY)
    if first is not None and first > low:
        low, high = first, max(high, first + timedelta(days=28))
    if last is not None and last < high:
        low, high = min(low, last), last
    if first is not None and last is not None and first <= last:
        low = max(low, first)
    return low + timedelta(days=rng.randint(0, max(0, (high - low).days)))


def _bound_day(bound: Json, today: date) -> date | None:
    if bound == TODAY:
        return today
    span = date_time_span(bound) if isinstance(bound, str) else None
    return None if span is None else date.fromordinal(int(span[0] // _DAY))


def _date(item: Item, rng: Random) -> str:
    return _day(item, rng).isoformat()


def _date_time(item: Item, rng: Random) -> str:
    made = f"{_day(item, rng).isoformat()}T{_usual_time(rng)}Z"
    return _within(item, made, date_time_span)


def _time(item: Item, rng: Random) -> str:
    return _within(item, _usual_time(rng), time_of_day)


def _usual_time(rng: Random) -> str:
    return f"{rng.randint(8, 17):02}:{rng.choice((0, 15, 30, 45)):02}:00"


def _within(item: Item, made: str, read: Callable[[str], Span | None]) -> str:
    """Return the generated value, or the bound that it exceeds."""
    span = read(made) or (0, 0)
    for bound, sign in ((item.min_value, 1), (item.max_value, -1)):
        limit = read(bound) if isinstance(bound, str) else None
        if limit is not None and sign * span[0] < sign * limit[0 if sign == 1 else 1]:
            return str(bound)
    return made


# -- text --------------------------------------------------------------------------------------


def _about(item: Item) -> str:
    return re.sub(r"[-_.]", " ", f"{item.link_id} {item.label} {item.entry_format or ''}").lower()


def _string(item: Item, rng: Random) -> str:
    about = _about(item)
    for hint, make in HINTS:
        if re.search(hint, about):
            return _fitted(item, make(rng), rng)
    return _fitted(item, rng.choice(NOTES).split(",")[0], rng)


def _text(item: Item, rng: Random) -> str:
    return _fitted(item, rng.choice(NOTES), rng)


def _url(item: Item, rng: Random) -> str:
    return _fitted(item, f"https://www.example.org/{rng.randint(100, 999)}", rng)


def _fitted(item: Item, text: str, rng: Random) -> str:
    """Return the text if it is valid, or else another that is."""
    if item.regex is not None and regex.fullmatch(item.regex, text, timeout=1) is None:
        return _patterned(item, rng)
    least = item.min_length or 0
    while len(text) < least:
        text += " " + rng.choice(NOTES)
    if item.max_length is not None and len(text) > item.max_length:
        text = text[: item.max_length].rstrip()
        text = text.ljust(least, ".") or "x"[: item.max_length]
    if item.regex is not None and regex.fullmatch(item.regex, text, timeout=1) is None:
        return _patterned(item, rng)
    return text


def _patterned(item: Item, rng: Random) -> str:
    least, most = item.min_length or 1, item.max_length or 5_000
    for _ in range(_TRIES):
        text = matching(item.regex or "", rng)
        if text is not None and least <= len(text) <= most and text.strip():
            return text
    raise NoPlausibleValue(f"{item.link_id}: no text found that matches its regex")


def _reference(_: Item, rng: Random) -> Json:
    number = rng.randint(1000, 9999)
    return {"reference": f"Organization/{number}", "display": rng.choice(ORGANISATIONS)}


_MAKERS: dict[FieldKind, Callable[[Item, Random], Json]] = {
    FieldKind.BOOLEAN: _boolean,
    FieldKind.DECIMAL: _decimal,
    FieldKind.INTEGER: _integer,
    FieldKind.DATE: _date,
    FieldKind.DATE_TIME: _date_time,
    FieldKind.TIME: _time,
    FieldKind.STRING: _string,
    FieldKind.TEXT: _text,
    FieldKind.URL: _url,
    FieldKind.REFERENCE: _reference,
    FieldKind.QUANTITY: _quantity,
}


# -- signatures --------------------------------------------------------------------------------


def plausible_strokes(rng: Random) -> list[list[list[float]]]:
    """Generate a signature: strokes of `[x, y, t_ms]`, x and y in 0…1, t increasing from 0."""
    strokes = []
    moment, left = 0, 0.1
    for _ in range(rng.choice((2, 3))):
        points: list[list[float]] = []
        for step in range(rng.randint(14, 26)):
            left = min(0.95, left + rng.uniform(0.004, 0.016))
            height = 0.5 + 0.25 * math.sin(step / 2 + rng.random() / 3)
            points.append([round(left, 4), round(height, 4), moment])
            moment += rng.randint(12, 22)
        strokes.append(points)
        moment += rng.randint(120, 260)
    return strokes
