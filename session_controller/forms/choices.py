"""Answers picked from a list: options, units of quantities, references."""

import re
from collections.abc import Mapping

from schemas.questionnaire.model import Coding, Item, Json, Option
from schemas.questionnaire.units import comparable
from session_controller.forms.blanks import trimmed
from session_controller.forms.scalars import check_decimal, check_text
from session_controller.forms.verdicts import (
    Problem,
    Verdict,
    WrongKind,
    check_characters,
    is_number,
)

_NOT_LISTED = Problem("not_an_option", "Please choose one of the answers in the list.")
_CODING_PARTS = {"code", "system", "display", "version", "userSelected"}


def find_option(item: Item, value: Json) -> Option | None:
    """Return the option that an answer picks, or None if it is not listed."""
    if isinstance(value, dict):
        key = value.get("code") or value.get("reference") or value.get("display")
    else:
        key = value
    if isinstance(key, list | dict):
        return None
    for option in item.options_by_key.get(key, ()):
        if _picks(option, value):
            return option
    return None


def offered(item: Item, computed: Mapping[str, Json]) -> tuple[Option, ...] | None:
    """Return the options that expressions leave or give to a question; None: all of its own."""
    if "options" in computed:
        return tuple(find_option(item, one) or Option.from_json(one) for one in computed["options"])
    toggled = computed.get("toggled")
    if not toggled or item.options is None:
        return None
    off, on = list[Option | None](), list[Option | None]()
    for number, toggle in enumerate(item.expressions.toggles):
        found = on if toggled.get(str(number), True) else off
        found += (find_option(item, value) for value in toggle.options)
    return tuple(one for one in item.options if one in on or one not in off)


def _picks(option: Option, value: Json) -> bool:
    if isinstance(option.value, Coding):
        return isinstance(value, dict) and _same_coding(option.value, value)
    if option.type == "Reference":
        return isinstance(value, str) or "reference" in value
    return type(value) is type(option.value)


def _same_coding(one: Coding, other: dict[str, Json]) -> bool:
    """Compare by system and code; by code alone if either has no system, else by display."""
    system = other.get("system")
    if one.code and other.get("code"):
        return not one.system or not system or one.system == system
    return not one.code and not other.get("code")


def check_listed(item: Item, value: Json) -> Problem | None:
    """Check an answer of another type than choice against its options (R5 allows them)."""
    if item.open or find_option(item, value) is not None:
        return None
    text = trimmed(value) if isinstance(value, str) else None
    return None if text == "" or (text and find_option(item, text)) else _NOT_LISTED


def check_choice(item: Item, value: Json) -> Verdict:
    """Check a choice: one of the options, or free text if the question is open."""
    if isinstance(value, dict):
        references = any(option.type == "Reference" for option in item.options or ())
        wrong = _check_parts(value, _CODING_PARTS | ({"reference"} if references else set()))
        if wrong is not None:
            return wrong
        return None if item.options is None or find_option(item, value) else _NOT_LISTED
    if isinstance(value, str):
        return _check_choice_text(item, value)
    integers = any(option.type == "integer" for option in item.options or ())
    if integers and isinstance(value, int) and not isinstance(value, bool):
        return None if find_option(item, value) else _NOT_LISTED
    return WrongKind("A choice is a Coding or a string.")


def _check_choice_text(item: Item, value: str) -> Verdict:
    if item.options is None or item.open or not trimmed(value):
        return check_text(item, value)
    return check_characters(trimmed(value)) or check_listed(item, value)


def _check_parts(value: dict[Json, Json], known: set[str]) -> Verdict:
    """Check an object of strings: known keys, and at least one value."""
    if not value or not known.issuperset(value):
        return WrongKind("This answer has unknown members.")
    for key, part in value.items():
        verdict = None if key == "value" else _check_part(key, part)
        if verdict is not None:
            return verdict
    if not any(value.get(key) for key in ("code", "display", "reference", "value")):
        return None if value.get("value") == 0 else WrongKind("This answer is empty.")
    return None


_SHAPES = {
    "code": re.compile(r"(?:\S+(?: \S+)*)?"),
    "system": re.compile(r"\S*"),
    "reference": re.compile(r"\S*"),
}
"""The syntax of FHIR's code and uri (R4, 2.24.0.1)."""


def _check_part(key: str, part: Json) -> Verdict:
    if key == "userSelected":
        return None if isinstance(part, bool) else WrongKind("userSelected must be true or false.")
    if not isinstance(part, str):
        return WrongKind("A member of this answer is not a string.")
    shape = _SHAPES.get(key)
    if shape is not None and shape.fullmatch(part) is None:
        return WrongKind("A code, system or reference must not contain spaces.")
    return check_characters(part)


_QUANTITY_PARTS = {"value", "unit", "system", "code"}


def check_quantity(item: Item, value: Json) -> Verdict:
    """Check a quantity: a number, alone or with its unit."""
    if not isinstance(value, dict):
        return check_decimal(item, value) or _check_quantity(item, {"value": value})
    wrong = _check_parts(value, _QUANTITY_PARTS)
    if wrong is not None:
        return wrong
    if not is_number(value.get("value")):
        return WrongKind("The value of a quantity must be a number.")
    return check_decimal(item, value["value"]) or _check_quantity(item, value)


def _check_quantity(item: Item, value: dict[str, Json]) -> Problem | None:
    """Check the unit of a quantity, and bounds that have one, by UCUM."""
    wrong = _check_unit(item, value)
    if wrong is not None:
        return wrong
    unit = find_unit(item, value)
    known = value if unit is None else {**value, "code": unit.code, "unit": unit.display}
    return _within(item.min_value, known, least=True) or _within(item.max_value, known, least=False)


def _within(bound: Json, value: dict[str, Json], *, least: bool) -> Problem | None:
    if not isinstance(bound, dict):
        return None
    said = f"{bound['value']} {bound.get('unit') or bound.get('code') or ''}".strip()
    number = comparable(value, bound)
    if number is None:
        return Problem("wrong_unit", f"Enter this in a unit that compares with {said}.")
    if least and number < bound["value"]:
        return Problem("too_small", f"Must be {said} or more.")
    if not least and number > bound["value"]:
        return Problem("too_large", f"Must be {said} or less.")
    return None


def find_unit(item: Item, value: dict[str, Json]) -> Coding | None:
    """Return the quantity's unit among those offered; without a unit, the only one offered."""
    offered = item.unit_options or ((item.unit,) if item.unit else ())
    said = value.get("code") or value.get("unit")
    if not said:
        return offered[0] if len(offered) == 1 else item.unit
    return next((unit for unit in offered if said in {unit.code, unit.display}), None)


def _check_unit(item: Item, value: dict[str, Json]) -> Problem | None:
    if not item.unit_options or item.open or find_unit(item, value) is not None:
        return None
    return Problem("wrong_unit", "Choose one of the units offered.")


def check_reference(_: Item, value: Json) -> Verdict:
    """Check a reference: a literal one, or a description."""
    if isinstance(value, str):
        return check_characters(value)
    if not isinstance(value, dict):
        return WrongKind("This question takes a reference.")
    return _check_parts(value, {"reference", "display"})
