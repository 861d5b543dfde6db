"""Corrects what other tools let through, in a copy, and says each change.

    repaired(questionnaire) -> (corrected copy, changes)

Only what has one meaning is corrected: elements of STU3 and R5 that R4 has in another place, types
and names in a wrong form, linkIds that are used twice. Loading a form repairs nothing.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from schemas.questionnaire import extensions as ext
from schemas.questionnaire.model import FieldKind, Json

_LISTS = frozenset({"item", "answerOption", "enableWhen", "initial", "code", "extension"})
_FLAGS = frozenset(
    {
        *("required", "repeats", "readOnly", "initialSelected", "experimental", "hasAnswer"),
        *("valueBoolean", "answerBoolean"),
    }
)
_NUMBERS = frozenset(
    {
        *("maxLength", "valueInteger", "valueDecimal", "valuePositiveInt", "answerInteger"),
        "answerDecimal",
    }
)
_KINDS = {kind.value.lower(): kind.value for kind in FieldKind}
_NAMES = {
    name.lower(): name
    for name in (
        *("linkId", "enableWhen", "enableBehavior", "readOnly", "maxLength", "answerValueSet"),
        *("answerOption", "initialSelected", "required", "repeats"),
    )
}
_MISSPELT = {"require": "required", "repeat": "repeats", "maxlength": "maxLength"}
_AS_EXTENSION: dict[str, str] = {
    "hidden": "valueBoolean",
    "minLength": "valueInteger",
    "maxDecimalPlaces": "valueInteger",
    "minOccurs": "valueInteger",
    "maxOccurs": "valueInteger",
    "regex": "valueString",
    "entryFormat": "valueString",
}
"""Names of extensions that forms have as elements, and the type of their value."""
_BOUNDS = {
    "integer": "valueInteger",
    "decimal": "valueDecimal",
    "date": "valueDate",
    "dateTime": "valueDateTime",
    "time": "valueTime",
}


class _Repair:
    """One pass over a form."""

    def __init__(self) -> None:
        self.changes: list[str] = []
        self.used: set[str] = set()

    def said(self, path: str, change: str) -> None:
        self.changes.append(f"{path}: {change}")

    def value(self, value: Json, path: str, key: str = "") -> Json:
        """Return a value with all below it corrected."""
        if isinstance(value, dict) and key in _LISTS:
            self.said(path, f"{key} is a list now")
            value = [value]
        if isinstance(value, list):
            return [self.value(one, f"{path}[{index}]") for index, one in enumerate(value)]
        if isinstance(value, dict):
            return self.object(value, path)
        return self.scalar(value, path, key)

    def scalar(self, value: Json, path: str, key: str) -> Json:
        if key in _FLAGS and value in ("true", "false", "True", "False"):
            self.said(path, f'"{value}" is {value.lower()} now')
            return value.lower() == "true"
        if key in _NUMBERS and isinstance(value, str):
            number = _number(value)
            if number is not None:
                self.said(path, f'"{value}" is the number {number} now')
                return number
        if key == "linkId" and isinstance(value, int | float) and not isinstance(value, bool):
            self.said(path, f'{value} is the text "{value}" now')
            return str(value)
        return value

    def object(self, value: dict[str, Json], path: str) -> dict[str, Json]:
        known = ext.known(str(value.get("url"))) if "extension[" in path else None
        if known is not None and known.url != value["url"]:
            self.said(f"{path}.url", f'"{value["url"]}" is "{known.url}" now')
            value = {**value, "url": known.url}
        found: dict[str, Json] = {}
        for key, below in value.items():
            name = self.name(key, path, value)
            found[name] = self.value(below, f"{path}.{name}", name)
        return found

    def name(self, key: str, path: str, value: dict[str, Json]) -> str:
        """Return the name of an element as R4 spells it."""
        right = _MISSPELT.get(key) or _NAMES.get(key.lower(), key)
        if right == key or right in value:
            return key
        self.said(f"{path}.{key}", f'is "{right}" now')
        return right


def repaired(questionnaire: dict[str, Json]) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Return a corrected copy of a Questionnaire, and what was changed, each with its path."""
    repair = _Repair()
    copy: dict[str, Json] = repair.value(json.loads(json.dumps(questionnaire)), "Questionnaire")
    for item, path in list(_items(copy, "Questionnaire")):
        for step in _STEPS:
            step(item, path, repair)
    return copy, tuple(repair.changes)


def _items(above: dict[str, Json], path: str) -> Iterator[tuple[dict[str, Any], str]]:
    below = above.get("item")
    for index, item in enumerate(below if isinstance(below, list) else ()):
        if isinstance(item, dict):
            here = f"{path}.item[{index}]"
            yield item, here
            yield from _items(item, here)


def _number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() and "." not in text else number


# -- items, one step each ----------------------------------------------------------------------


def _unique(item: dict[str, Json], path: str, repair: _Repair) -> None:
    link_id = item.get("linkId")
    if not isinstance(link_id, str):
        return
    if link_id in repair.used:
        number = next(n for n in range(2, 10_000) if f"{link_id}-{n}" not in repair.used)
        item["linkId"] = f"{link_id}-{number}"
        repair.said(
            f"{path}.linkId",
            f'"{link_id}" was used twice; this one is "{item["linkId"]}" now '
            f'(conditions on "{link_id}" ask about the first one)',
        )
    repair.used.add(item["linkId"])


def _kind(item: dict[str, Json], path: str, repair: _Repair) -> None:
    written = item.get("type")
    if not isinstance(written, str):
        return
    right = _KINDS.get(written.lower(), written)
    if written.lower() in {"coding", "code"}:
        opened = item.get("answerConstraint") in {"optionsOrString", "optionsOrType"}
        right = "open-choice" if opened else "choice"
    if right != written:
        item["type"] = right
        repair.said(f"{path}.type", f'"{written}" is "{right}" now')


def _options(item: dict[str, Json], path: str, repair: _Repair) -> None:
    """Move STU3's option and options (a Reference) to R4's elements."""
    if isinstance(item.get("option"), list | dict) and "answerOption" not in item:
        options = item.pop("option")
        item["answerOption"] = options if isinstance(options, list) else [options]
        repair.said(f"{path}.option", "is answerOption now")
    options = item.get("options")
    reference = options.get("reference") if isinstance(options, dict) else options
    if isinstance(reference, str) and "answerValueSet" not in item:
        del item["options"]
        item["answerValueSet"] = reference
        repair.said(f"{path}.options", "is answerValueSet now")


def _initial(item: dict[str, Json], path: str, repair: _Repair) -> None:
    """Move STU3's initial[x] to R4's list."""
    for key in [key for key in item if key.startswith("initial") and key != "initial"]:
        if "initial" not in item and not key.startswith("initialSelected"):
            item["initial"] = [{"value" + key.removeprefix("initial"): item.pop(key)}]
            repair.said(f"{path}.{key}", "is initial now")


def _conditions(item: dict[str, Json], path: str, repair: _Repair) -> None:
    conditions = item.get("enableWhen")
    for index, one in enumerate(conditions if isinstance(conditions, list) else ()):
        if not isinstance(one, dict) or "operator" in one:
            continue
        here = f"{path}.enableWhen[{index}]"
        if isinstance(one.get("hasAnswer"), bool):
            one |= {"operator": "exists", "answerBoolean": one.pop("hasAnswer")}
            repair.said(here, 'hasAnswer is the operator "exists" now')
        elif any(key.startswith("answer") for key in one):
            one["operator"] = "="
            repair.said(here, 'has the operator "=" now, as STU3 means it')


def _extensions(item: dict[str, Json], path: str, repair: _Repair) -> None:
    """Make extensions of what R4 does not have as an element."""
    kinds = dict(_AS_EXTENSION)
    bound = _BOUNDS.get(str(item.get("type")))
    if bound is not None:
        kinds |= {"minValue": bound, "maxValue": bound}
    for name, kind in kinds.items():
        if name not in item:
            continue
        value = item.pop(name)
        item.setdefault("extension", []).append({"url": ext.KNOWN[name].url, kind: value})
        repair.said(f"{path}.{name}", "is an extension now")


_Step = Callable[[dict[str, Json], str, _Repair], None]
_STEPS: tuple[_Step, ...] = (_kind, _unique, _options, _initial, _conditions, _extensions)
