"""Format an answer for people. Nothing here raises on what a patient may have sent."""

import json
from decimal import Decimal

from schemas.questionnaire.model import CHOICES, FieldKind, Item, Json
from session_controller.export.printing.moments import date_text, date_time_text, time_text
from session_controller.export.printing.words import Words
from session_controller.forms.choices import find_option, find_unit
from session_controller.forms.validation import is_empty


def shown_values(item: Item, value: Json, language: str | None, words: Words) -> tuple[str, ...]:
    """Return the texts of an answer: several if the question repeats, none if it is empty."""
    values = value if isinstance(value, list) else [value]
    return tuple(_shown(item, one, language, words) for one in values if not is_empty(one))


def _shown(item: Item, value: Json, language: str | None, words: Words) -> str:
    if item.options is not None or item.type in CHOICES:
        option = find_option(item, value)
        if option is not None:
            return option.label(language)
    if isinstance(value, bool):
        return words.yes if value else words.no
    if isinstance(value, int | float):
        return _with_unit(item, {"value": value}) if item.unit else number_text(value)
    if isinstance(value, str):
        return _text(item, value, words)
    return _object(item, value) if isinstance(value, dict) else json.dumps(value)


def _text(item: Item, value: str, words: Words) -> str:
    match item.type:
        case FieldKind.DATE:
            return date_text(value, words)
        case FieldKind.DATE_TIME:
            return date_time_text(value, words)
        case FieldKind.TIME:
            return time_text(value)
        case _:
            return value


def number_text(value: float) -> str:
    """Format a number in full: with a decimal point, without grouping."""
    return format(Decimal(repr(value)), "f")


def _object(item: Item, value: dict[str, Json]) -> str:
    if "value" in value:
        return _with_unit(item, value)
    named = [value.get(key) for key in ("display", "code", "reference")]
    if value.get("reference") and value.get("display"):
        return f"{value['display']} ({value['reference']})"
    return next((str(one) for one in named if one), json.dumps(value, ensure_ascii=False))


def _with_unit(item: Item, value: dict[str, Json]) -> str:
    number = value["value"]
    written = number_text(number) if isinstance(number, int | float) else str(number)
    known = find_unit(item, value)
    unit = (known.display or known.code) if known else value.get("unit") or value.get("code")
    return f"{written} {unit}" if unit else written
