"""What contradicts itself in a flow: conditions that never or always hold, and impossible answers.

    contradictions(flow, today, is_over) -> notes

They are found from the rules alone: the comparisons of conditions are tried on each answer that a
question permits. Whether a form can be completed is tried by `clients.cli.flow_trial`.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from schemas.questionnaire import rules
from schemas.questionnaire.dates import Span, date_time_span, time_of_day
from schemas.questionnaire.model import Condition, FieldKind, Flow, Item, Json, Note
from schemas.questionnaire.rules import Rule
from schemas.questionnaire.units import comparable
from session_controller.forms.choices import find_option
from session_controller.forms.comparisons import comparison
from session_controller.forms.formulas import Purpose, formulas_of
from session_controller.forms.validation import Problem, check_value

_TYPES: Mapping[FieldKind, frozenset[str]] = {
    FieldKind.BOOLEAN: frozenset({"boolean"}),
    FieldKind.DECIMAL: frozenset({"decimal", "integer", "Quantity"}),
    FieldKind.INTEGER: frozenset({"decimal", "integer", "Quantity"}),
    FieldKind.DATE: frozenset({"date", "dateTime"}),
    FieldKind.DATE_TIME: frozenset({"date", "dateTime"}),
    FieldKind.TIME: frozenset({"time"}),
    FieldKind.STRING: frozenset({"string"}),
    FieldKind.TEXT: frozenset({"string"}),
    FieldKind.URL: frozenset({"string"}),
    FieldKind.CHOICE: frozenset({"Coding", "string"}),
    FieldKind.OPEN_CHOICE: frozenset({"Coding", "string"}),
    FieldKind.REFERENCE: frozenset({"Reference", "string"}),
    FieldKind.QUANTITY: frozenset({"Quantity", "decimal", "integer"}),
}
"""The types that a condition on a question without listed answers can compare with."""

_QUOTED = 80
"""How many characters of an expression are quoted."""

_NUMBERS = frozenset({"integer", "decimal"})
_WHEN_THERE = frozenset({FieldKind.ATTACHMENT, FieldKind.SIGNATURE, FieldKind.CONSENT})
"""A condition sees them as true once they are there, and as unanswered until then."""


def contradictions(flow: Flow, today: Span, is_over: Callable[[], bool]) -> tuple[Note, ...]:
    """Return what contradicts itself, in the order of the form.

    `today` is the days that may be today. `is_over` says whether the time for trying expressions is
    over; the first that is left is named.
    """
    places = _places(flow)
    notes = [*_of_conditions(flow, places), *_of_answers(flow, places)]
    if flow.has_expressions:
        notes += _of_expressions(flow, places, is_over)
        notes += _of_sensitive(flow, places)
        notes += _of_toggles(flow, places)
    order = {link_id: number for number, link_id in enumerate(flow.items)}
    found = (note for _, note in sorted(notes, key=lambda one: order[one[0]]))
    return (*_of_its_time(flow, today), *found)


def _of_its_time(flow: Flow, today: Span) -> Iterator[Note]:
    why = flow.not_offered(today)
    if why is not None:
        key = "status" if flow.retired else "effectivePeriod.end"
        yield Note(f"Questionnaire.{key}", why, rules.RETIRED)


_Found = tuple[str, Note]
"""The linkId of the item that a note is about, and the note."""


def _places(flow: Flow) -> dict[str, str]:
    """Return the path of each item by linkId."""
    found: dict[str, str] = {}

    def walk(items: Sequence[Json], path: str) -> None:
        for index, item in enumerate(items):
            here = f"{path}.item[{index}]"
            found[item["linkId"]] = here
            walk(item.get("item", ()), here)

    walk(json.loads(flow.canonical)["item"], "Questionnaire")
    return found


# -- conditions --------------------------------------------------------------------------------


def _of_conditions(flow: Flow, places: Mapping[str, str]) -> Iterator[_Found]:
    never: set[str] = set()
    for link_id in flow.evaluation_order:
        item = flow.items[link_id]
        if item.parent in never:
            never.add(link_id)
            continue
        verdicts = [_verdict(flow, condition, never) for condition in item.enable_when]
        whole = _together([held for held, _ in verdicts], item.enable_behavior)
        if whole is False:
            never.add(link_id)
        for number, (held, why) in enumerate(verdicts):
            if held is not None and why:
                place = f'{places[link_id]}.enableWhen[{number}] (linkId "{link_id}")'
                yield link_id, Note(place, why, _rule(whole, held=held))


def _rule(whole: bool | None, *, held: bool) -> Rule:
    if whole is None:
        return rules.NEVER_HOLDS if not held else rules.ALWAYS_HOLDS
    return rules.ALWAYS_ASKED if whole else rules.NEVER_ASKED


def _together(verdicts: Sequence[bool | None], behavior: str) -> bool | None:
    """Return whether conditions together always or never hold; None if that depends."""
    if not verdicts:
        return None
    deciding = behavior != "all"
    if deciding in verdicts:
        return deciding
    return None if None in verdicts else not deciding


def _verdict(flow: Flow, condition: Condition, never: set[str]) -> tuple[bool | None, str]:
    """Return whether a condition always or never holds, and why; None if that depends."""
    if condition.question is None:
        # It was noted where it was read.
        unanswered = condition.operator == "!=" or condition.answer is False
        return condition.operator in {"exists", "!="} and unanswered, ""
    question = flow.items[condition.question]
    why = _never_answered(question, never) or _incomparable(condition, question)
    if why is None:
        return None, ""
    if condition.operator == "exists":
        return condition.answer is False, f"{_outcome(condition.answer is False)}: {why}"
    return condition.operator == "!=", f"{_outcome(condition.operator == '!=')}: {why}"


def _outcome(held: bool) -> str:
    return "always holds" if held else "never holds"


def _never_answered(question: Item, never: set[str]) -> str | None:
    name = f'"{question.link_id}"'
    if question.kind in {FieldKind.GROUP, FieldKind.DISPLAY}:
        return f"{name} is not a question; it is never answered"
    if question.link_id in never:
        return f"{name} can never be asked"
    given = question.initial or _calculates(question)
    if question.hidden and question.takes_value and not given:
        return f"{name} is hidden and has no initial value; it is never answered"
    return None


def _calculates(question: Item) -> bool:
    return bool(question.expressions.calculated or question.expressions.initial)


def _incomparable(condition: Condition, question: Item) -> str | None:
    """Return why no answer of the question can satisfy the comparison, or None."""
    if condition.operator == "exists":
        return None
    name, test = f'"{question.link_id}"', comparison(condition)
    if question.kind in _WHEN_THERE and not question.takes_value:
        return None if test(True) else f"{name} is compared as true once it is there"
    if question.options is not None and not question.open:
        fits = any(test(option.to_json()) for option in question.options)
        return None if fits else f"{_said(condition)} is no option of {name}"
    if condition.type not in _TYPES.get(question.type, ()):
        return f"{name} has answers of type {question.type}, not {condition.type}"
    return None if _permits(condition, question) else f"{name} does not permit {_said(condition)}"


def _permits(condition: Condition, question: Item) -> bool:
    """Return whether an answer that the question permits can satisfy the comparison."""
    if condition.type in _NUMBERS:
        return _reachable(condition, question)
    if condition.operator in {"=", "!="} and condition.type == "string":
        answer = [condition.answer] if question.repeats else condition.answer
        verdict = check_value(question, answer)
        return not isinstance(verdict, Problem) or verdict.code == "too_few"
    return True


def _said(condition: Condition) -> str:
    answer = condition.answer
    if isinstance(answer, dict):
        parts = (answer.get("system"), answer.get("code") or answer.get("display"))
        answer = "|".join(str(part) for part in parts if part)
    return f'"{answer}"' if isinstance(answer, str) else json.dumps(answer)


def _reachable(condition: Condition, question: Item) -> bool:
    """Return whether a number within the question's bounds satisfies a comparison."""
    least, most = _bounds(question)
    wanted, whole = condition.answer, question.type is FieldKind.INTEGER
    if condition.operator in {"=", "!="}:
        return least <= wanted <= most and not (whole and wanted != int(wanted))
    if condition.operator == ">":
        return bool(most > wanted)
    if condition.operator == "<":
        return bool(least < wanted)
    return bool(most >= wanted) if condition.operator == ">=" else bool(least <= wanted)


def _bounds(item: Item) -> tuple[float, float]:
    least = item.min_value if isinstance(item.min_value, int | float) else -math.inf
    most = item.max_value if isinstance(item.max_value, int | float) else math.inf
    if item.type is FieldKind.INTEGER:
        least = math.ceil(least) if math.isfinite(least) else least
        most = math.floor(most) if math.isfinite(most) else most
    return least, most


# -- expressions -------------------------------------------------------------------------------


def _of_expressions(
    flow: Flow, places: Mapping[str, str], is_over: Callable[[], bool]
) -> Iterator[_Found]:
    from session_controller.forms.fhirpath import problem  # noqa: PLC0415 - for flows that have any

    for formula in formulas_of(flow):
        link_id = formula.target
        place = f'{places[link_id]} (linkId "{link_id}")'
        why = problem(formula.expression, is_over)
        if is_over():
            late = "its expression, and what follows, was not tried for lack of time"
            yield link_id, Note(place, late, rules.NOT_TRIED)
            return
        if why is not None:
            kind = formula.purpose.value
            said = " ".join(formula.expression.split())[:_QUOTED]
            yield link_id, Note(place, f'{kind} "{said}" {why}', rules.EXPRESSION_IGNORED)


_SHOWS = {Purpose.INITIAL, Purpose.CALCULATED, Purpose.ANSWERS}
"""Results that are shown as they are."""


def _of_sensitive(flow: Flow, places: Mapping[str, str]) -> Iterator[_Found]:
    """Yield what shows staff a result of answers that they see masked."""
    for formula in formulas_of(flow):
        link_id = formula.target
        if formula.purpose not in _SHOWS or flow.items[link_id].sensitive:
            continue
        seen = flow.items if formula.sees is None else sorted(formula.sees)
        sources = [one for one in seen if flow.items[one].sensitive]
        if sources:
            named = ", ".join(f'"{one}"' for one in sources)
            how = "may follow from all answers, also" if formula.sees is None else "follows from"
            why = f"{how} the sensitive {named}"
            place = f'{places[link_id]} (linkId "{link_id}")'
            yield link_id, Note(place, why, rules.SENSITIVE_SHOWN)


def _of_toggles(flow: Flow, places: Mapping[str, str]) -> Iterator[_Found]:
    """Yield which answerOptionsToggleExpression has an answer that is none of the options."""
    for link_id, item in flow.items.items():
        for toggle in item.expressions.toggles:
            if any(find_option(item, one) is None for one in toggle.options):
                why = "has answerOptionsToggleExpression for an answer that is none of its options"
                place = f'{places[link_id]} (linkId "{link_id}")'
                yield link_id, Note(place, why, rules.EXPRESSION_IGNORED)


# -- answers -----------------------------------------------------------------------------------


def _of_answers(flow: Flow, places: Mapping[str, str]) -> Iterator[_Found]:
    for link_id, item in flow.items.items():
        place = f'{places[link_id]} (linkId "{link_id}")'
        if item.is_field and not item.hidden and not item.words:
            yield link_id, Note(place, "has no text", rules.NO_WORDS)
        why = _impossible(item)
        unit = _incomparable_unit(item)
        if unit is not None:
            yield link_id, Note(place, unit, rules.UNIT_NOT_COMPARABLE)
        if why is not None:
            needed = item.required and not (item.hidden or item.read_only)
            rule = rules.UNANSWERABLE if needed else rules.NO_ANSWER_FITS
            yield link_id, Note(place, why, rule)
        elif (wrong := _unfit_initial(item)) is not None:
            yield link_id, Note(place, wrong, rules.INITIAL_IS_NO_OPTION)


def _impossible(item: Item) -> str | None:
    """Return why no answer to a question, or no instance of a group, can be valid; or None."""
    crossed = _crossed_counts(item)
    if crossed is not None or not item.takes_value:
        return crossed
    if item.min_length is not None and item.min_length > _longest(item):
        return f"minLength {item.min_length} is above maxLength {item.max_length}"
    if _crossed(item):
        return f"minValue {_bound(item.min_value)} is above maxValue {_bound(item.max_value)}"
    return _too_few_options(item) if item.repeats else _no_option_fits(item)


def _crossed_counts(item: Item) -> str | None:
    least, most = item.min_occurs or 0, item.max_occurs
    if item.repeats and most is not None and least > most:
        return f"minOccurs {least} is above maxOccurs {most}"
    return None


def _too_few_options(item: Item) -> str | None:
    together = [one for one in item.options or () if not one.exclusive]
    if item.options is None or item.open or (item.min_occurs or 0) <= max(len(together), 1):
        return None
    return f"minOccurs {item.min_occurs} is above the number of options that go together"


def _incomparable_unit(item: Item) -> str | None:
    """Return which unit that is offered does not compare with a bound, or None."""
    for bound in (item.min_value, item.max_value):
        for unit in item.unit_options or ((item.unit,) if item.unit else ()):
            parts = {"value": 1, "code": unit.code, "unit": unit.display}
            if isinstance(bound, dict) and comparable(parts, bound) is None:
                of_bound = bound.get("unit") or bound.get("code")
                return f'the unit "{unit.display or unit.code}" does not compare with "{of_bound}"'
    return None


def _longest(item: Item) -> float:
    return math.inf if item.max_length is None else item.max_length


def _bound(value: Json) -> Json:
    return value.get("value") if isinstance(value, dict) else value


def _crossed(item: Item) -> bool:
    least, most = item.min_value, item.max_value
    if isinstance(least, str) and isinstance(most, str):
        read = time_of_day if item.type is FieldKind.TIME else date_time_span
        first, last = read(least), read(most)
        return first is not None and last is not None and first[0] > last[1]
    if isinstance(least, dict) and isinstance(most, dict):
        number = comparable(least, most)
        return number is not None and bool(number > most["value"])
    low, high = _bounds(item)
    return low > high


def _no_option_fits(item: Item) -> str | None:
    if not item.options or item.open:
        return None
    answers = (option.to_json() for option in item.options)
    if any(not isinstance(check_value(item, answer), Problem) for answer in answers):
        return None
    return "none of its options fits its other rules"


def _unfit_initial(item: Item) -> str | None:
    """Return why the answer that a question begins with is not permitted, or None."""
    if not item.initial or not item.takes_value:
        return None
    verdict = check_value(item, list(item.initial) if item.repeats else item.initial[0])
    if verdict is None:
        return None
    if isinstance(verdict, Problem) and verdict.code == "not_an_option":
        return "the initial value is no option"
    said = verdict.message if isinstance(verdict, Problem) else "it has another type."
    return f"the initial value is not permitted: {said}"
