"""The permitted answers of a question: answerOption, and contained value sets (FHIR R4, 4.9.5)."""

from collections.abc import Iterator
from dataclasses import replace

from schemas.questionnaire import extensions as ext
from schemas.questionnaire import rules
from schemas.questionnaire.expressions import weight_of
from schemas.questionnaire.json_path import Cursor
from schemas.questionnaire.model import (
    CHOICES,
    Coding,
    Expressions,
    FieldKind,
    Json,
    Option,
    Translations,
)

_SCALARS = {"string", "date", "time"}
_MAX_OPTIONS = 5_000
"""Options per question; a longer list needs a terminology server."""


def read_options(
    item: Cursor, kind: FieldKind, contained: dict[str, Cursor]
) -> tuple[Option, ...] | None:
    """Return the permitted answers, or None if they are unknown."""
    listed = tuple(_each_option(item))
    value_set = item.text("answerValueSet")
    if listed and value_set is not None:
        item.refuse("answerValueSet", "must not be combined with answerOption (FHIR rule que-4)")
    if len(listed) > _MAX_OPTIONS:
        item.refuse("answerOption", f"has more than {_MAX_OPTIONS} options")
    calculated = any(item.extensions(ext.ANSWERS))
    if not listed and value_set is None and kind in CHOICES and not calculated:
        item.note(rules.NO_OPTIONS, "answerOption", "is missing; any answer is accepted")
    if listed or value_set is None:
        return listed or None
    return _from_value_set(item, value_set, contained)


def _each_option(item: Cursor) -> Iterator[Option]:
    for option in item.each("answerOption"):
        found = option.choice("value")
        value = None if found is None else _option_value(option, *found)
        if found is None:
            option.refuse("value[x]", "is missing")
        elif value is not None:
            yield _option(option, found[1], found[0], value)


def _option_value(option: Cursor, kind: str, key: str) -> Coding | str | int | None:
    if kind == "Coding":
        return _coding_value(option, key)
    if kind == "integer":
        return _integer(option, key)
    if kind == "Reference":
        below = option.below(key)
        return None if below is None else below.text("reference")
    if kind not in _SCALARS:
        option.refuse(key, f"{kind} cannot be an answer option")
        return None
    return option.text(key)


def _coding_value(option: Cursor, key: str) -> Coding | None:
    below = option.below(key)
    if below is None:
        return None
    coding = below.coding()
    if not coding.code and not coding.display:
        below.refuse("code", "is missing, and so is display")
        return None
    if not coding.code:
        below.note(
            rules.REINTERPRETED, "code", "is missing; the option is identified by its display"
        )
    return coding


def _integer(option: Cursor, key: str) -> int | None:
    number = option.number(key)
    if isinstance(number, int) or number is None:
        return number
    option.refuse(key, "must be a whole number")
    return None


def _option(option: Cursor, key: str, kind: str, value: Coding | str | int) -> Option:
    inner = option.below(key) if kind in {"Coding", "Reference"} else None
    prefix = option.extension_text(ext.OPTION_PREFIX)
    if prefix is None and inner is not None:
        prefix = inner.extension_text(ext.OPTION_PREFIX)
    return Option(
        type=kind,
        value=value,
        display=None if inner is None else inner.text("display"),
        prefix=prefix,
        exclusive=option.extension_flag(ext.OPTION_EXCLUSIVE),
        initial=bool(option.flag("initialSelected")),
        weight=weight_of(option, inner),
        translations=option.translations(key) if inner is None else inner.translations("display"),
    )


def without_needless(item: Cursor, kind: FieldKind, found: Expressions) -> Expressions:
    """Return the expressions of an item without permitted answers that it cannot have."""
    if found.answers is None or kind in _WITH_OPTIONS:
        return found
    remark = f"has answerExpression, which a {kind} cannot have"
    item.note(rules.EXPRESSION_IGNORED, "extension", remark)
    return replace(found, answers=None)


_WITH_OPTIONS = CHOICES | {
    *(FieldKind.STRING, FieldKind.TEXT, FieldKind.INTEGER, FieldKind.DATE, FieldKind.TIME),
    FieldKind.REFERENCE,
}


def _from_value_set(
    item: Cursor, reference: str, contained: dict[str, Cursor]
) -> tuple[Option, ...] | None:
    value_set = contained.get(reference.partition("|")[0])
    if value_set is not None and value_set.value.get("resourceType") == "ValueSet":
        return _concepts(value_set)
    if reference.startswith("#"):
        item.refuse("answerValueSet", "does not refer to a contained ValueSet")
    else:
        item.note(
            rules.OPTIONS_UNKNOWN,
            "answerValueSet",
            f'"{reference}" is not fetched; any answer is accepted',
        )
    return None


def _concepts(value_set: Cursor) -> tuple[Option, ...] | None:
    """Yield the concepts of the expansion (which is complete), or else those listed in compose."""
    expansion, compose = value_set.below("expansion"), value_set.below("compose")
    found: tuple[Option, ...] = ()
    if expansion is not None and expansion.value.get("contains"):
        found = tuple(_expanded(expansion, depth=0))
    elif compose is not None:
        includes = list(compose.each("include"))
        if compose.value.get("exclude") or any(not part.value.get("concept") for part in includes):
            compose.note(
                rules.OPTIONS_UNKNOWN,
                "include",
                "needs a terminology server; any answer is accepted",
            )
            return None
        found = tuple(
            _concept(concept, part.text("system"))
            for part in includes
            for concept in part.each("concept")
        )
    if not found:
        value_set.note(rules.OPTIONS_UNKNOWN, "", "lists no concepts; any answer is accepted")
    return found or None


def _expanded(parent: Cursor, depth: int) -> Iterator[Option]:
    for concept in parent.each("contains"):
        selectable = not concept.flag("abstract") and not concept.flag("inactive")
        if selectable and concept.value.get("code"):
            yield _concept(concept, concept.text("system"))
        if depth < _DEPTH:
            yield from _expanded(concept, depth + 1)
        elif concept.value.get("contains"):
            concept.refuse("contains", f"is nested deeper than {_DEPTH}")


_DEPTH = 20


def _concept(concept: Cursor, system: str | None) -> Option:
    display = concept.text("display")
    coding = Coding(concept.text("code") or "", system, display)
    weight = weight_of(concept, None)
    return Option("Coding", coding, display, weight=weight, translations=_designations(concept))


def _designations(concept: Cursor) -> Translations:
    found: dict[str, str] = dict(concept.translations("display"))
    for designation in concept.each("designation"):
        language, text = designation.text("language"), designation.text("value")
        if language and text:
            found.setdefault(language, text)
    return found


def initial_values(item: Cursor, options: tuple[Option, ...] | None) -> tuple[Json, ...]:
    """Return `initial` and the initially selected options, as in ENTER_FIELD."""
    written = (_initial(entry) for entry in item.each("initial"))
    values = tuple(value for value in written if value is not None)
    return values or tuple(option.to_json() for option in options or () if option.initial)


_INITIAL_SCALARS = {"string", "date", "dateTime", "time", "uri"}


def _initial(entry: Cursor) -> Json:
    found = entry.choice("value")
    if found is None:
        entry.refuse("value[x]", "is missing")
        return None
    kind, key = found
    if kind in _INITIAL_SCALARS:
        return entry.text(key)
    if kind == "boolean":
        return entry.flag(key)
    if kind in {"integer", "decimal"}:
        return entry.number(key)
    return _initial_object(entry, kind, key)


_INITIAL_PARTS = {
    "Coding": ("code", "system", "display"),
    "Quantity": ("value", "unit", "system", "code"),
    "Reference": ("reference", "display"),
}


def _initial_object(entry: Cursor, kind: str, key: str) -> Json:
    parts = _INITIAL_PARTS.get(kind)
    below = entry.below(key)
    if parts is None:
        entry.note(
            rules.VALUE_MISSING,
            key,
            f"an initial {kind} is not supported; the question starts empty",
        )
    if parts is None or below is None:
        return None
    return {part: below.value[part] for part in parts if below.value.get(part) is not None}
