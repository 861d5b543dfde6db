"""Results of expressions as answers and bounds, in the types of their questions."""

from dataclasses import replace

from schemas.questionnaire.model import CHOICES, Coding, FieldKind, Item, Json, Option
from session_controller.forms.choices import find_option
from session_controller.forms.validation import WrongKind, check_value

MAX_OPTIONS = 200
"""Options that an expression may give: they are part of each view."""


def answer_from(item: Item, found: list[Json]) -> Json:
    """Return the answer that results stand for, or None: nothing, or not of the item's type."""
    if not item.takes_value:
        return None
    values = [value for one in found if (value := _one(item, one)) is not None]
    if not values:
        return None
    answer = values if item.repeats else values[0]
    return None if isinstance(check_value(item, answer), WrongKind) else answer


def options_from(item: Item, found: list[Json]) -> list[Json]:
    """Return the permitted answers that results stand for; at most `MAX_OPTIONS`, each once."""
    options: list[Json] = []
    for one in found:
        value = _one(item, one)
        alone = replace(item, repeats=False, options=None)
        if value not in options and not isinstance(check_value(alone, value), WrongKind):
            options.append(value)
    return options[:MAX_OPTIONS]


def _one(item: Item, value: Json) -> Json:
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("value"):
        value = next(iter(value.values()))
    if item.type in CHOICES:
        return _choice(item, value)
    if item.type is FieldKind.QUANTITY:
        return _quantity(item, value)
    if item.type is FieldKind.INTEGER and isinstance(value, float):
        return int(value) if value.is_integer() else round(value)
    if item.type in {FieldKind.STRING, FieldKind.TEXT} and not isinstance(value, dict | list):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _choice(item: Item, value: Json) -> Json:
    """Return the option that a result picks, or the result as it is."""
    if isinstance(value, dict):
        parts = {key: value[key] for key in ("code", "system", "display") if key in value}
        option = find_option(item, parts)
        return parts if option is None else option.to_json()
    named = (one for one in item.options or () if _is_called(one, value))
    option = next(named, None)
    return value if option is None else option.to_json()


def _is_called(option: Option, value: Json) -> bool:
    if isinstance(option.value, Coding):
        return value in (option.value.code, option.value.display)
    return bool(option.value == value)


def _quantity(item: Item, value: Json) -> Json:
    if isinstance(value, dict):
        return {k: v for k, v in value.items() if k in {"value", "unit", "system", "code"}}
    unit = item.unit or (item.unit_options[0] if len(item.unit_options) == 1 else None)
    if unit is None or not isinstance(value, int | float):
        return value
    parts = {"unit": unit.display, "system": unit.system, "code": unit.code}
    return {"value": value} | {key: part for key, part in parts.items() if part}


def bound_from(item: Item, found: list[Json]) -> Json:
    """Return a bound of the kind that the item's answers are compared with, or None."""
    value = found[0] if len(found) == 1 else None
    if isinstance(value, bool) or not isinstance(value, int | float | str | dict):
        return None
    if isinstance(value, str) and item.type is FieldKind.DATE:
        return value[:10]
    return value
