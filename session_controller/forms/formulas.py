"""The calculated part of a form: which expressions are to be evaluated again, and their results.

    calculate(assessment, computed, changed, is_over) -> Calculation

Results are facts: they are stored with the session, so that nothing is evaluated when its log is
read again, and a later version of a library changes no record. An expression is evaluated again
when an answer changes that it names by linkId, directly or through a variable; one that names none
depends on all answers. It sees only the part of the response that it depends on.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any

from schemas.questionnaire import extensions as ext
from schemas.questionnaire.dates import Span
from schemas.questionnaire.expressions import (
    link_ids,
    variables_of,
    visible_variables,
    whole_dependencies,
)
from schemas.questionnaire.model import CHOICES, Coding, FieldKind, Flow, Item, Json, Option
from session_controller.forms.assessment import Assessment
from session_controller.forms.choices import find_option
from session_controller.forms.layout import Layout, Node
from session_controller.forms.response import answers_to
from session_controller.forms.validation import WrongKind, check_value, is_empty

_NAMED_ITEMS = re.compile(
    r"(?:\bitem|\bdescendants\(\)|\brepeat\(item\))\s*\.where\s*\(\s*linkId\b"
)
_ITEMS = re.compile(r"(?<![%\w])(?:item\b(?!\))|descendants\(\)|children\(\)|repeat\(item\))")

_UNKNOWN_DAY = date(2026, 1, 1)
"""Where a form is tried without a session."""

Computed = Mapping[str, Json]
"""Of a field: `on`, `failed` and `warned` (sentences), `minimum`, `maximum`, `value`, `late`."""


class Purpose(Enum):
    """What an expression is for."""

    INITIAL = "initialExpression"
    CALCULATED = "calculatedExpression"
    ENABLE_WHEN = "enableWhenExpression"
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


@dataclass(frozen=True, slots=True)
class Calculation:
    """New answers by field (None: it becomes empty), and new results by field."""

    answers: Mapping[str, Json]
    computed: Mapping[str, Computed]

    def __bool__(self) -> bool:
        return bool(self.answers or self.computed)


# -- which expressions there are ---------------------------------------------------------------


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
            (Purpose.MINIMUM, own.minimum),
            (Purpose.MAXIMUM, own.maximum),
        ):
            if expression is not None:
                sees = _sees(flow, item, expression)
                yield Formula(purpose, link_id, link_id, expression, sees)
        yield from _constraints(flow, item, own.constraints)


def _constraints(flow: Flow, item: Item | None, constraints: Sequence[Any]) -> Iterator[Formula]:
    for number, constraint in enumerate(constraints):
        target = _shown_at(flow, item, constraint)
        if target is None:
            continue
        at = None if item is None else item.link_id
        sees = _sees(flow, item, constraint.expression)
        yield Formula(Purpose.CONSTRAINT, target, at, constraint.expression, sees, number)


def _shown_at(flow: Flow, item: Item | None, constraint: Any) -> str | None:
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
    texts = [expression, *_used(expression, variables)]
    if any(len(_ITEMS.findall(one)) > len(_NAMED_ITEMS.findall(one)) for one in texts):
        return None
    named = whole_dependencies(expression, variables) & flow.items.keys()
    found = {below for one in named for below in (one, *_descendants(flow, flow.items[one]))}
    if item is not None:
        found |= {item.link_id, *_descendants(flow, item)}
    return frozenset(found)


def _used(expression: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the expressions of the variables that an expression uses."""
    waiting, seen = sorted(variables_of(expression)), set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in variables:
            continue
        seen.add(name)
        yield variables[name]
        waiting += variables_of(variables[name])


# -- evaluating --------------------------------------------------------------------------------


def calculate(
    assessment: Assessment,
    computed: Mapping[str, Computed],
    changed: Iterable[str] | None,
    *,
    is_over: Callable[[], bool],
) -> Calculation:
    """Evaluate again what depends on the linkIds `changed`; None: all of it, as at the opening.

    Once the time is over, what is not reached keeps its result, and is evaluated next time.
    """
    due = _due(assessment, computed, changed)
    if not due:
        return Calculation({}, {})
    run = _Run(assessment, computed, is_over)
    for formula in due:
        run.evaluate(formula)
    return run.result()


def prepare(flow: Flow) -> None:
    """Parse all expressions, once: it takes some milliseconds for each."""
    if "parsed" in flow.cache:
        return
    from session_controller.forms.fhirpath import parse  # noqa: PLC0415 - for flows that calculate

    for formula in formulas_of(flow):
        parse(formula.expression)
    flow.cache["parsed"] = True


def _due(
    assessment: Assessment, computed: Mapping[str, Computed], changed: Iterable[str] | None
) -> list[Formula]:
    """Return what is to be evaluated: what depends on a change, and what there was no time for."""
    if changed is None:
        return list(formulas_of(assessment.flow))
    affected = frozenset(changed)
    late = {
        assessment.item(field_id).link_id
        for field_id, results in computed.items()
        if results.get("late") and field_id in assessment.layout.index
    }
    return [
        one
        for one in formulas_of(assessment.flow)
        if one.purpose is not Purpose.INITIAL
        and (one.sees is None or one.sees & affected or one.target in late)
    ]


class _Run:
    """The evaluation of some expressions over one assessment."""

    def __init__(
        self,
        assessment: Assessment,
        computed: Mapping[str, Computed],
        is_over: Callable[[], bool],
    ) -> None:
        self.assessment = assessment
        self.flow = assessment.flow
        self.is_over = is_over
        self.before = computed
        self.answers: dict[str, Json] = {}
        self.computed: dict[str, dict[str, Json]] = {}
        self.today = _day(assessment.held.today)
        self.questionnaire = _questionnaire(self.flow)
        self.seen: dict[frozenset[str] | None, _Response] = {}

    def result(self) -> Calculation:
        """Return what is different from before."""
        differs = {k: v for k, v in self.computed.items() if v != self.before.get(k, {})}
        return Calculation(self.answers, differs)

    def evaluate(self, formula: Formula) -> None:
        for node in _nodes_of(self.assessment.layout, formula.target):
            found = self._value(formula, node)
            results = self._results(node)
            if found is None:
                results["late"] = True
            else:
                results.pop("late", None)
                self._keep(formula, node, results, found)

    def _value(self, formula: Formula, node: Node) -> list[Json] | None:
        """Return the results at a node, or None if there was no time for them."""
        from session_controller.forms.fhirpath import (  # noqa: PLC0415 - for flows that calculate
            ExpressionError,
            evaluate,
        )

        response = self._response(formula.sees)
        item = None if formula.at is None else self.flow.items[formula.at]
        at = response.node(node if formula.at == formula.target else None)
        try:
            variables = self._variables(formula.expression, item, node, response)
            return evaluate(
                formula.expression, at, variables, today=self.today, is_over=self.is_over
            )
        except ExpressionError:
            return None if self.is_over() else []

    def _variables(
        self, expression: str, item: Item | None, node: Node, response: "_Response"
    ) -> dict[str, Json]:
        """Evaluate the variables that an expression uses, those of the form first."""
        from session_controller.forms.fhirpath import evaluate  # noqa: PLC0415 - as above

        known: dict[str, Json] = {
            "resource": response.resource,
            "questionnaire": self.questionnaire.resource,
            "context": response.node(node)[0] if item else response.resource,
            "qitem": self.questionnaire.items.get(item.link_id, {}) if item else {},
        }
        of_form = self.flow.expressions.variables
        visible = visible_variables(item, self.flow.items, of_form) if item else dict(of_form)
        wanted = {*variables_of(expression)}
        for text in _used(expression, visible):
            wanted |= variables_of(text)
        for name, text in visible.items():
            if name in wanted:
                at = response.node(self._holder(name, item, node))
                unset: dict[str, Json] = {key: [] for key in variables_of(text) - known.keys()}
                known[name] = evaluate(
                    text, at, {**unset, **known}, today=self.today, is_over=self.is_over
                )
        return {key: [] for key in wanted - known.keys()} | known

    def _holder(self, name: str, item: Item | None, node: Node) -> Node | None:
        """Return the node of the item that declares a variable; None: the form."""
        nodes = self.assessment.layout.nodes
        above: Node | None = node if item is not None else None
        while above is not None:
            if name in above.item.expressions.variables:
                return above
            above = nodes[above.parent] if above.parent >= 0 else None
        return None

    def _response(self, sees: frozenset[str] | None) -> "_Response":
        found = self.seen.get(sees)
        if found is None:
            found = self.seen[sees] = _Response(self.assessment, sees)
        return found

    def _results(self, node: Node) -> dict[str, Json]:
        field_id = node.field_id
        return self.computed.setdefault(field_id, dict(self.before.get(field_id, {})))

    def _keep(
        self, formula: Formula, node: Node, results: dict[str, Json], found: list[Json]
    ) -> None:
        match formula.purpose:
            case Purpose.INITIAL | Purpose.CALCULATED:
                self._answer(formula, node, results, _answer(node.item, found))
            case Purpose.ENABLE_WHEN:
                results["on"] = found == [True]
            case Purpose.MINIMUM:
                _set(results, "minimum", _bound(node.item, found))
            case Purpose.MAXIMUM:
                _set(results, "maximum", _bound(node.item, found))
            case Purpose.CONSTRAINT:
                self._constraint(formula, results, holds=found != [False])

    def _constraint(self, formula: Formula, results: dict[str, Json], *, holds: bool) -> None:
        owner = self.flow if formula.at is None else self.flow.items[formula.at]
        constraint = owner.expressions.constraints[formula.number]
        key = "warned" if constraint.is_warning else "failed"
        others = [one for one in results.get(key, ()) if one != constraint.human]
        _set(results, key, others if holds else [*others, constraint.human])

    def _answer(self, formula: Formula, node: Node, results: dict[str, Json], value: Json) -> None:
        """Keep a calculated value, unless somebody entered another one."""
        held = self.assessment.held.answers.get(node.field_id)
        if formula.purpose is Purpose.INITIAL:
            if is_empty(held) and not is_empty(value):
                self.answers[node.field_id] = value
            return
        overridden = not is_empty(held) and held != results.get("value")
        if overridden and not node.item.read_only:
            return
        _set(results, "value", value)
        if value != held:
            self.answers[node.field_id] = value


def _set(results: dict[str, Json], key: str, value: Json) -> None:
    if value is None or value == []:
        results.pop(key, None)
    else:
        results[key] = value


def _day(today: Span | None) -> date:
    """Return today's date: the middle one of the days that may be today."""
    return _UNKNOWN_DAY if today is None else date.fromordinal(int(today[0] // 86_400) + 1)


def _nodes_of(layout: Layout, link_id: str) -> Iterator[Node]:
    return (node for node in layout.nodes if node.item.link_id == link_id)


# -- what an expression sees -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Questionnaire:
    resource: Json
    items: Mapping[str, Json]


def _questionnaire(flow: Flow) -> _Questionnaire:
    found: _Questionnaire | None = flow.cache.get("questionnaire")
    if found is None:
        resource = json.loads(flow.canonical)
        items = {item["linkId"]: item for item in _all_items(resource)}
        found = flow.cache["questionnaire"] = _Questionnaire(resource, items)
    return found


def _all_items(above: Json) -> Iterator[Json]:
    for item in above.get("item", ()):
        yield item
        yield from _all_items(item)


class _Response:
    """The part of the QuestionnaireResponse that an expression sees."""

    def __init__(self, assessment: Assessment, sees: frozenset[str] | None) -> None:
        self.assessment = assessment
        self.sees = sees
        self.items: dict[int, Json] = {}
        self.resource: dict[str, Json] = {
            "resourceType": "QuestionnaireResponse",
            "status": "in-progress",
            "item": [],
        }
        for node in assessment.layout.nodes:
            if assessment.on[node.index] and (sees is None or node.item.link_id in sees):
                self._place(node)

    def node(self, node: Node | None) -> tuple[Json, str]:
        """Return the item of a node, and its path; None: the whole response."""
        if node is None:
            return self.resource, "QuestionnaireResponse"
        item = self.items.get(node.index, {"linkId": node.item.link_id})
        return item, "QuestionnaireResponse.item"

    def _place(self, node: Node) -> Json:
        """Return the item of a node, which its parents hold."""
        known = self.items.get(node.index)
        if known is not None:
            return known
        written = self.items[node.index] = {"linkId": node.item.link_id}
        if node.item.text:
            written["text"] = node.item.text
        answers = self._answers(node)
        if answers:
            written["answer"] = answers
        if node.parent < 0:
            self.resource["item"].append(written)
            return written
        above = self._place(self.assessment.layout.nodes[node.parent])
        holder = above["answer"][0] if above.get("answer") else above
        holder.setdefault("item", []).append(written)
        return written

    def _answers(self, node: Node) -> list[Json]:
        held = self.assessment.held
        if node.item.kind is FieldKind.ATTACHMENT:
            there = held.documents.get(node.field_id) in {"received", "accepted"}
            return [{"valueAttachment": {"title": node.field_id}}] if there else []
        answers = answers_to(node.item, held.answers.get(node.field_id), held.today)
        return [_weighed(node.item, answer) for answer in answers]


def _weighed(item: Item, answer: dict[str, Json]) -> dict[str, Json]:
    """Return an answer with the score of its option."""
    coding = answer.get("valueCoding")
    option = find_option(item, coding) if coding and item.options else None
    chosen = None if option is None else option.to_json()
    if option is None or option.weight is None or not isinstance(chosen, dict):
        return answer
    scores = [
        {"url": url, "valueDecimal": option.weight} for url in (ext.ORDINAL_VALUE, ext.ITEM_WEIGHT)
    ]
    return {"valueCoding": chosen | {"extension": scores}}


# -- results as answers ------------------------------------------------------------------------


def _answer(item: Item, found: list[Json]) -> Json:
    """Return the answer that results stand for, or None: nothing, or not of the item's type."""
    if not item.takes_value:
        return None
    values = [value for one in found if (value := _one(item, one)) is not None]
    if not values:
        return None
    answer = values if item.repeats else values[0]
    return None if isinstance(check_value(item, answer), WrongKind) else answer


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


def _bound(item: Item, found: list[Json]) -> Json:
    """Return a bound of the kind that the item's answers are compared with, or None."""
    value = found[0] if len(found) == 1 else None
    if isinstance(value, bool) or not isinstance(value, int | float | str | dict):
        return None
    if isinstance(value, str) and item.type is FieldKind.DATE:
        return value[:10]
    return value
