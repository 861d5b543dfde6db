"""The expressions of a form: what each is for, where it is evaluated, and what it depends on.

    formulas_of(flow) -> formulas

They are evaluated by `session_controller.forms.calculation`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from schemas.questionnaire.expressions import (
    link_ids,
    variables_of,
    visible_variables,
    whole_dependencies,
)
from schemas.questionnaire.model import Constraint, Flow, Item

_NAMED_ITEMS = re.compile(
    r"(?:\bitem|\bdescendants\(\)|\brepeat\(item\))\s*\.where\s*\(\s*linkId\b"
)
_ITEMS = re.compile(r"(?<![%\w])(?:item\b(?!\))|descendants\(\)|children\(\)|repeat\(item\))")


class Purpose(Enum):
    """What an expression is for."""

    INITIAL = "initialExpression"
    CALCULATED = "calculatedExpression"
    ENABLE_WHEN = "enableWhenExpression"
    ANSWERS = "answerExpression"
    TOGGLE = "answerOptionsToggleExpression"
    MINIMUM = "minValue"
    MAXIMUM = "maxValue"
    CONSTRAINT = "constraint"


@dataclass(frozen=True, slots=True)
class Formula:
    """One expression. `sees` are the linkIds whose answers it depends on, or None for all.

    `target` is the linkId of the item that the result is for; the expression is evaluated at the
    item `at`, or at the whole response.
    """

    purpose: Purpose
    target: str
    at: str | None
    expression: str
    sees: frozenset[str] | None
    number: int = 0


def formulas_of(flow: Flow) -> tuple[Formula, ...]:
    """Return the expressions of a flow; cached on it."""
    found: tuple[Formula, ...] | None = flow.cache.get("formulas")
    if found is None:
        found = flow.cache["formulas"] = tuple(_formulas(flow))
    return found


def _formulas(flow: Flow) -> Iterator[Formula]:
    yield from _constraints(flow, None, flow.expressions.constraints)
    for link_id, item in flow.items.items():
        own = item.expressions
        for purpose, expression in (
            (Purpose.INITIAL, own.initial),
            (Purpose.CALCULATED, own.calculated),
            (Purpose.ENABLE_WHEN, own.enable_when),
            (Purpose.ANSWERS, own.answers),
            (Purpose.MINIMUM, own.minimum),
            (Purpose.MAXIMUM, own.maximum),
        ):
            if expression is not None:
                sees = _sees(flow, item, expression)
                yield Formula(purpose, link_id, link_id, expression, sees)
        for number, toggle in enumerate(own.toggles):
            sees = _sees(flow, item, toggle.expression)
            yield Formula(Purpose.TOGGLE, link_id, link_id, toggle.expression, sees, number)
        yield from _constraints(flow, item, own.constraints)


def _constraints(
    flow: Flow, item: Item | None, constraints: Sequence[Constraint]
) -> Iterator[Formula]:
    for number, constraint in enumerate(constraints):
        target = _shown_at(flow, item, constraint)
        if target is None:
            continue
        at = None if item is None else item.link_id
        sees = _sees(flow, item, constraint.expression)
        yield Formula(Purpose.CONSTRAINT, target, at, constraint.expression, sees, number)


def _shown_at(flow: Flow, item: Item | None, constraint: Constraint) -> str | None:
    """Return the question where a constraint is shown: its own, or one that it names."""
    if item is not None and item.is_field:
        return item.link_id
    order = {link_id: number for number, link_id in enumerate(flow.items)}
    mentioned = (one for one in link_ids(constraint.expression) if one in order)
    named = [constraint.location, *sorted(mentioned, key=order.__getitem__)]
    below = () if item is None else _descendants(flow, item)
    questions = (one for one in (*named, *below, *flow.items) if one in flow.items)
    shown = (one for one in questions if flow.items[one].is_field and not flow.items[one].hidden)
    return next(shown, None)


def _descendants(flow: Flow, item: Item) -> Iterator[str]:
    for child in item.children:
        yield child
        yield from _descendants(flow, flow.items[child])


def _sees(flow: Flow, item: Item | None, expression: str) -> frozenset[str] | None:
    """Return the linkIds that an expression depends on, or None if it may depend on all."""
    of_form = flow.expressions.variables
    variables = visible_variables(item, flow.items, of_form) if item else dict(of_form)
    texts = [expression, *used_variables(expression, variables)]
    if any(len(_ITEMS.findall(one)) > len(_NAMED_ITEMS.findall(one)) for one in texts):
        return None
    named = whole_dependencies(expression, variables) & flow.items.keys()
    found = {below for one in named for below in (one, *_descendants(flow, flow.items[one]))}
    if item is not None:
        found |= {item.link_id, *_descendants(flow, item)}
    return frozenset(found)


def used_variables(expression: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the expressions of the variables that an expression uses."""
    waiting, seen = sorted(variables_of(expression)), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in variables:
            continue
        seen.add(name)
        yield variables[name]
        waiting += variables_of(variables[name])


def prepare(flow: Flow) -> None:
    """Parse all expressions, once: it takes some milliseconds for each."""
    if "parsed" in flow.cache:
        return
    from session_controller.forms.fhirpath import parse  # noqa: PLC0415 - for flows that calculate

    for formula in formulas_of(flow):
        parse(formula.expression)
    flow.cache["parsed"] = True
