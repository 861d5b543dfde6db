"""FHIRPath expressions of a form: read here, evaluated by `session_controller.forms.calculation`.

SDC, form behaviour and form population (hl7.org/fhir/uv/sdc/behavior.html, expressions.html).
"""

import re
from collections.abc import Iterator, Mapping

from schemas.questionnaire import extensions as ext
from schemas.questionnaire import rules
from schemas.questionnaire.json_path import Cursor
from schemas.questionnaire.model import (
    NO_EXPRESSIONS,
    Constraint,
    Expressions,
    Item,
    Json,
    Note,
    Toggle,
)

FHIRPATH = "text/fhirpath"
_LINK_ID = re.compile(r"linkId\s*=\s*(['\"])((?:\\.|(?!\1).)*)\1")
_VARIABLE = re.compile(r"%`?([A-Za-z_][\w-]*)`?")


def read_expressions(cursor: Cursor) -> Expressions:
    """Parse the expressions of an item, or of the whole form."""
    found = Expressions(
        calculated=_one(cursor, ext.CALCULATED),
        initial=_one(cursor, ext.INITIAL),
        enable_when=_one(cursor, ext.ENABLE_WHEN),
        answers=_one(cursor, ext.ANSWERS),
        toggles=tuple(_toggles(cursor)),
        minimum=_of_bound(cursor, ext.MIN_VALUE),
        maximum=_of_bound(cursor, ext.MAX_VALUE),
        variables=dict(_variables(cursor)),
        constraints=tuple(_constraints(cursor)),
    )
    return NO_EXPRESSIONS if found == NO_EXPRESSIONS else found


def _one(cursor: Cursor, url: str) -> str | None:
    found = [text for one in cursor.extensions(url) if (text := _needed(one)) is not None]
    if len(found) > 1:
        remark = f"has several of {ext.last_part(url)}; the first is kept"
        cursor.note(rules.FIRST_ALONE_IS_KEPT, "extension", remark)
    return found[0] if found else None


def _needed(extension: Cursor) -> str | None:
    """Return the FHIRPath of an extension that is nothing without it, or None with a note."""
    if "valueExpression" not in extension.value:
        extension.note(rules.EXPRESSION_IGNORED, "valueExpression", "is missing")
    return _expression(extension)


def _expression(extension: Cursor, key: str = "valueExpression") -> str | None:
    """Return the FHIRPath of an Expression, or None with a note if it is in another language."""
    value = extension.below(key)
    if value is None:
        return None
    language, text = value.text("language"), value.text("expression")
    if language is None:
        extension.note(rules.FILLED_IN, f"{key}.language", f"is missing; read as {FHIRPATH}")
    elif language != FHIRPATH:
        remark = f'is in "{language}"; only {FHIRPATH} is evaluated'
        extension.note(rules.EXPRESSION_IGNORED, key, remark)
        return None
    if not text:
        extension.note(rules.EXPRESSION_IGNORED, key, "has no expression")
    return text or None


def _of_bound(cursor: Cursor, url: str) -> str | None:
    """Return the expression of a calculated minValue or maxValue; `today()` is read as a bound."""
    for extension in cursor.extensions(url):
        if ext.is_today(extension.value):
            return None
        for key in extension.value:
            sibling = extension.below(key) if key.startswith("_value") else None
            for inner in () if sibling is None else sibling.extensions(ext.CALCULATED_VALUE):
                text = inner.value.get("valueString")
                found = text if isinstance(text, str) else _expression(inner)
                if found is None:
                    inner.note(rules.EXPRESSION_IGNORED, "", "the bound is not calculated")
                return found
        direct = _expression(extension)
        if direct is not None:
            return direct
    return None


def _variables(cursor: Cursor) -> Iterator[tuple[str, str]]:
    for extension in cursor.extensions(ext.VARIABLE):
        value, text = extension.below("valueExpression"), _needed(extension)
        name = None if value is None else value.text("name")
        if text is not None and name:
            yield name, text
        elif text is not None:
            extension.note(rules.EXPRESSION_IGNORED, "valueExpression.name", "is missing")


def _toggles(cursor: Cursor) -> Iterator[Toggle]:
    for extension in cursor.extensions(ext.TOGGLE):
        expression, options = None, list[Json]()
        for part in extension.each("extension"):
            if part.value.get("url") == "expression":
                expression = _needed(part)
            elif (found := part.choice("value")) is not None:
                options.append(_option_of(part, *found))
        if expression is not None:
            yield Toggle(expression, tuple(options))
        elif all(part.value.get("url") != "expression" for part in extension.each("extension")):
            extension.note(rules.EXPRESSION_IGNORED, "extension", "has no expression")


def _option_of(part: Cursor, kind: str, key: str) -> Json:
    """Return an option as ENTER_FIELD has it."""
    below = part.below(key) if kind in {"Coding", "Reference"} else None
    if below is None:
        return part.value[key]
    return below.coding().to_json() if kind == "Coding" else {"reference": below.text("reference")}


def _constraints(cursor: Cursor) -> Iterator[Constraint]:
    for url in (ext.CONSTRAINT, ext.TARGET_CONSTRAINT):
        for extension in cursor.extensions(url):
            found = _constraint(extension)
            if found is not None:
                yield found


def _constraint(extension: Cursor) -> Constraint | None:
    """Parse a constraint: its expression is a string in R4, an Expression in later versions."""
    parts = {str(part.value.get("url")): part for part in extension.each("extension")}
    inner = parts.get("expression")
    if inner is None:
        extension.note(rules.EXPRESSION_IGNORED, "extension", "has no expression")
        return None
    is_string = "valueString" in inner.value
    expression = inner.text("valueString") if is_string else _needed(inner)
    if expression is None:
        return None
    return Constraint(
        expression=expression,
        human=_string(parts.get("human")) or "This answer does not fit the others.",
        is_warning=_string(parts.get("severity")) == "warning",
        location=_string(parts.get("location")),
    )


def _string(part: Cursor | None) -> str | None:
    found = None if part is None else part.choice("value")
    return None if part is None or found is None else part.text(found[1])


# -- what an expression depends on -------------------------------------------------------------


def link_ids(expression: str) -> set[str]:
    """Return the linkIds that an expression names."""
    return {found[2] for found in _LINK_ID.finditer(expression)}


def variables_of(expression: str) -> set[str]:
    """Return the names of the variables that an expression uses."""
    return {found[1] for found in _VARIABLE.finditer(expression)}


def whole_dependencies(
    expression: str, variables: Mapping[str, str], seen: frozenset[str] = frozenset()
) -> set[str]:
    """Return the linkIds that an expression names, also in the variables that it uses."""
    found = link_ids(expression)
    for name in variables_of(expression) - seen:
        if name in variables:
            found |= whole_dependencies(variables[name], variables, seen | {name})
    return found


def visible_variables(
    item: Item, items: Mapping[str, Item], of_form: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that an item's expressions see: its own, its groups' and the form's."""
    above: list[Item] = [item]
    while above[-1].parent is not None:
        above.append(items[above[-1].parent])
    found = dict(of_form)
    for one in reversed(above):
        found |= one.expressions.variables
    return found


def check_circles(
    items: Mapping[str, Item], of_form: Mapping[str, str], cursors: Mapping[str, Cursor]
) -> None:
    """Refuse calculated values that depend on each other, with the path of the circle."""
    calculated = {name: item for name, item in items.items() if item.expressions.calculated}
    depends = {
        name: sorted(
            whole_dependencies(
                item.expressions.calculated or "", visible_variables(item, items, of_form)
            )
            & calculated.keys()
        )
        for name, item in calculated.items()
    }
    done: set[str] = set()
    for name in calculated:
        circle = _circle(name, depends, done)
        if circle is not None:
            reason = f"is calculated from itself: {' → '.join(circle)}"
            cursors[name].report.problems.append(
                Note(cursors[name].place("extension"), reason, rules.CALCULATED_FROM_ITSELF)
            )
            return


def _circle(start: str, depends: Mapping[str, list[str]], done: set[str]) -> list[str] | None:
    """Return the first circle that begins or is met from `start`, or None. Iterative."""
    path: list[str] = [start]
    rest: list[Iterator[str]] = [iter(depends[start])]
    while path:
        following = next((one for one in rest[-1] if one not in done), None)
        if following is None:
            done.add(path.pop())
            rest.pop()
        elif following in path:
            return [*path[path.index(following) :], following]
        else:
            path.append(following)
            rest.append(iter(depends[following]))
    return None


def weight_of(option: Cursor, coding: Cursor | None) -> Json:
    """Return an option's score: itemWeight (SDC 4) or ordinalValue, on it or on its Coding."""
    for cursor in (option, coding):
        for url in (ext.ITEM_WEIGHT, ext.ORDINAL_VALUE):
            found = None if cursor is None else cursor.extension(url)
            if found is not None:
                return found[0].number(found[1])
    return None
