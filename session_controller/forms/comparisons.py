"""One condition of `enableWhen` against one answer (FHIR R4, questionnaire-enable-operator)."""

from collections.abc import Callable

from schemas.questionnaire.dates import Span, date_time_span, time_of_day
from schemas.questionnaire.model import Condition, Json
from schemas.questionnaire.units import comparable

Test = Callable[[Json], bool]


def comparison(condition: Condition) -> Test:
    """Return a function that compares one answer with the condition's; other types never match."""
    operator = "=" if condition.operator in {"!=", "exists"} else condition.operator
    kind, wanted = condition.type, condition.answer
    if kind in {"date", "dateTime", "time"}:
        return _span_test(operator, kind, wanted)
    if kind in {"integer", "decimal"}:
        return lambda answer: _is_number(answer) and _ordered(operator, answer, wanted)
    if kind == "Coding":
        return lambda answer: operator == "=" and _same_coding(wanted, answer)
    if kind == "Quantity":
        return lambda answer: _quantity_test(operator, wanted, answer)
    if kind == "Reference":
        return lambda answer: operator == "=" and _same_reference(wanted, answer)
    return lambda answer: type(answer) is type(wanted) and _ordered(operator, answer, wanted)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ordered(operator: str, answer: Json, wanted: Json) -> bool:
    if operator == "=":
        return bool(answer == wanted)
    if operator == ">":
        return bool(answer > wanted)
    if operator == "<":
        return bool(answer < wanted)
    return bool(answer >= wanted) if operator == ">=" else bool(answer <= wanted)


def _span_test(operator: str, kind: str, wanted: Json) -> Test:
    read = time_of_day if kind == "time" else date_time_span
    bound = read(wanted) if isinstance(wanted, str) else None

    def test(answer: Json) -> bool:
        span = read(answer) if isinstance(answer, str) else None
        return span is not None and bound is not None and _compare(operator, span, bound)

    return test


def _compare(operator: str, answer: Span, bound: Span) -> bool:
    """Compare date spans. Any part of the bound is both at most and at least the bound.

    If a partial date leaves open whether it is before or after, neither holds.
    """
    if operator == "=":
        return answer == bound
    if operator == ">":
        return answer[0] > bound[1]
    if operator == "<":
        return answer[1] < bound[0]
    return answer[0] >= bound[0] if operator == ">=" else answer[1] <= bound[1]


def _same_coding(wanted: Json, answer: Json) -> bool:
    if not isinstance(answer, dict) or not isinstance(wanted, dict):
        return False
    code, system = answer.get("code"), answer.get("system")
    if not code and not wanted.get("code"):
        return bool(answer.get("display") == wanted.get("display"))
    systems = {system, wanted.get("system")} - {None, ""}
    return bool(code == wanted.get("code")) and len(systems) <= 1


def _quantity_test(operator: str, wanted: Json, answer: Json) -> bool:
    """Compare quantities by UCUM; what cannot be compared does not match."""
    answer = answer if isinstance(answer, dict) else {"value": answer}
    bound = wanted.get("value") if isinstance(wanted, dict) else None
    number = comparable(answer, wanted) if _is_number(bound) else None
    return number is not None and _ordered(operator, number, bound)


def _same_reference(wanted: Json, answer: Json) -> bool:
    said = answer.get("reference") if isinstance(answer, dict) else answer
    return isinstance(wanted, dict) and bool(said) and said == wanted.get("reference")
