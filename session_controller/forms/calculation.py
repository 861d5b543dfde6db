"""The calculated part of a form: what is to be evaluated again, and the results.

    calculate(assessment, computed, changed, is_over) -> Calculation

Results are facts: they are stored with the session, so that nothing is evaluated when its log is
read again, and a later version of a library changes no record. An expression is evaluated again
when an answer changes that it names by linkId, directly or through a variable; one that names none
depends on all answers. It sees only the part of the response that it depends on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from schemas.questionnaire.dates import Span
from schemas.questionnaire.expressions import variables_of, visible_variables
from schemas.questionnaire.model import Item, Json
from session_controller.forms.assessment import Assessment
from session_controller.forms.expression_context import Response, questionnaire_of
from session_controller.forms.expression_results import answer_from, bound_from, options_from
from session_controller.forms.formulas import Formula, Purpose, formulas_of, used_variables
from session_controller.forms.layout import Layout, Node
from session_controller.forms.validation import is_empty

_UNKNOWN_DAY = date(2026, 1, 1)
"""Where a form is tried without a session."""

Computed = Mapping[str, Json]
"""Of a field: `on`, `minimum`, `maximum`, `value`; `options`, the permitted answers; `toggled`,
whether each group of options is offered, by the number of the expression; `failed` and `warned`,
the sentences of its constraints by the constraint; `late`, the purposes that there was no time for.
"""


@dataclass(frozen=True, slots=True)
class Calculation:
    """New answers by field (None: it becomes empty), and new results by field."""

    answers: Mapping[str, Json]
    computed: Mapping[str, Computed]

    def __bool__(self) -> bool:
        return bool(self.answers or self.computed)


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


def _due(
    assessment: Assessment, computed: Mapping[str, Computed], changed: Iterable[str] | None
) -> list[Formula]:
    """Return what is to be evaluated: what depends on a change, and what there was no time for."""
    if changed is None:
        return list(formulas_of(assessment.flow))
    affected, late = frozenset(changed), frozenset(_late(assessment, computed))
    return [
        one
        for one in formulas_of(assessment.flow)
        if (one.target, one.purpose.value) in late
        or (one.purpose is not Purpose.INITIAL and (one.sees is None or one.sees & affected))
    ]


def _late(assessment: Assessment, computed: Mapping[str, Computed]) -> Iterator[tuple[str, str]]:
    """Yield the linkId and the purpose of what there was no time for."""
    for field_id, results in computed.items():
        if field_id in assessment.layout.index:
            link_id = assessment.item(field_id).link_id
            yield from ((link_id, purpose) for purpose in results.get("late", ()))


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
        self.questionnaire = questionnaire_of(self.flow)
        self.seen: dict[frozenset[str] | None, Response] = {}

    def result(self) -> Calculation:
        """Return what is different from before."""
        differs = {k: v for k, v in self.computed.items() if v != self.before.get(k, {})}
        return Calculation(self.answers, differs)

    def evaluate(self, formula: Formula) -> None:
        for node in _nodes_of(self.assessment.layout, formula.target):
            found = self._value(formula, node)
            results, purpose = self._results(node), formula.purpose.value
            others = [one for one in results.get("late", ()) if one != purpose]
            _set(results, "late", [*others, purpose] if found is None else others)
            if found is not None:
                self._keep(formula, node, results, found)

    def _value(self, formula: Formula, node: Node) -> list[Json] | None:
        """Return the results at a node, or None if there was no time for them."""
        from session_controller.forms.fhirpath import (  # noqa: PLC0415 - for flows that calculate
            ExpressionError,
            evaluate,
        )

        response = self._response(formula.sees)
        item = None if formula.at is None else self.flow.items[formula.at]
        at = response.node(self._around(node, formula.at))
        try:
            variables = self._variables(formula.expression, item, node, response)
            return evaluate(
                formula.expression, at, variables, today=self.today, is_over=self.is_over
            )
        except ExpressionError:
            return None if self.is_over() else []

    def _around(self, node: Node, link_id: str | None) -> Node | None:
        """Return the node of the item that an expression is at: this one or one around it."""
        while link_id is not None and node.item.link_id != link_id:
            if node.parent < 0:
                return None
            node = self.assessment.layout.nodes[node.parent]
        return None if link_id is None else node

    def _variables(
        self, expression: str, item: Item | None, node: Node, response: Response
    ) -> dict[str, Any]:
        """Evaluate the variables that an expression uses, those of the form first."""
        from session_controller.forms.fhirpath import nodes  # noqa: PLC0415 - as above

        known: dict[str, Any] = {
            "resource": response.resource,
            "questionnaire": self.questionnaire.resource,
            "context": response.node(self._around(node, item.link_id if item else None)),
            "qitem": self.questionnaire.items.get(item.link_id, {}) if item else {},
        }
        of_form = self.flow.expressions.variables
        visible = visible_variables(item, self.flow.items, of_form) if item else dict(of_form)
        wanted = {*variables_of(expression)}
        for text in used_variables(expression, visible):
            wanted |= variables_of(text)
        for name, text in visible.items():
            if name in wanted:
                at = response.node(self._holder(name, item, node))
                unset: dict[str, Json] = {key: [] for key in variables_of(text) - known.keys()}
                known[name] = nodes(text, at, {**unset, **known}, self.today, self.is_over)
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

    def _response(self, sees: frozenset[str] | None) -> Response:
        found = self.seen.get(sees)
        if found is None:
            found = self.seen[sees] = Response(self.assessment, sees)
        return found

    def _results(self, node: Node) -> dict[str, Json]:
        field_id = node.field_id
        return self.computed.setdefault(field_id, dict(self.before.get(field_id, {})))

    def _keep(
        self, formula: Formula, node: Node, results: dict[str, Json], found: list[Json]
    ) -> None:
        match formula.purpose:
            case Purpose.INITIAL | Purpose.CALCULATED:
                self._answer(formula, node, results, answer_from(node.item, found))
            case Purpose.ENABLE_WHEN:
                results["on"] = found == [True]
            case Purpose.ANSWERS:
                results["options"] = options_from(node.item, found)
            case Purpose.TOGGLE:
                results["toggled"] = {
                    **results.get("toggled", {}),
                    str(formula.number): found == [True],
                }
            case Purpose.MINIMUM:
                _set(results, "minimum", bound_from(node.item, found))
            case Purpose.MAXIMUM:
                _set(results, "maximum", bound_from(node.item, found))
            case Purpose.CONSTRAINT:
                self._constraint(formula, results, holds=found != [False])

    def _constraint(self, formula: Formula, results: dict[str, Json], *, holds: bool) -> None:
        owner = self.flow if formula.at is None else self.flow.items[formula.at]
        constraint = owner.expressions.constraints[formula.number]
        name = "warned" if constraint.is_warning else "failed"
        key = f"{formula.at or ''}#{formula.number}"
        others = {k: said for k, said in results.get(name, {}).items() if k != key}
        _set(results, name, others if holds else {**others, key: constraint.human})

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
    if value is None or value in ([], {}):
        results.pop(key, None)
    else:
        results[key] = value


def _day(today: Span | None) -> date:
    """Return today's date: the middle one of the days that may be today."""
    return _UNKNOWN_DAY if today is None else date.fromordinal(int(today[0] // 86_400) + 1)


def _nodes_of(layout: Layout, link_id: str) -> Iterator[Node]:
    return (node for node in layout.nodes if node.item.link_id == link_id)
