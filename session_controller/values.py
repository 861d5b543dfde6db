"""Is this JSON value an answer to that question? The rules of one value, FHIR R4 and ours.

    check_value(item, value) -> WrongKind | TooLarge | Problem | None
    settle(item, value) -> value as it is kept and exported
    is_empty(value) -> bool

A `WrongKind` is not of the question's JSON type at all and a `TooLarge` too long to be kept: the
command that brings it is refused. A `Problem` is an answer that breaks a rule: it is kept and
shown, with a sentence that never holds the value. None of these functions raises.
"""

import json
from collections.abc import Callable

from schemas.questionnaire import CHOICES, FieldKind, Item, Json
from session_controller.choices import (
    check_choice,
    check_listed,
    check_quantity,
    check_reference,
    find_option,
)
from session_controller.scalars import (
    check_boolean,
    check_date,
    check_date_time,
    check_decimal,
    check_integer,
    check_text,
    check_time,
    check_url,
)
from session_controller.verdicts import MAX_BYTES, Problem, TooLarge, Verdict, WrongKind

__all__ = [
    "Problem",
    "TooLarge",
    "Verdict",
    "WrongKind",
    "check_value",
    "is_empty",
    "settle",
]


def is_empty(value: Json) -> bool:
    """Tell whether a value counts as no answer: absent, blank text, an empty list."""
    if value is None or value == []:
        return True
    return isinstance(value, str) and not value.strip()


def check_value(item: Item, value: Json) -> Verdict:
    """Judge an answer to a question. Whether it had to be given is `answers.assess`'s affair."""
    if not item.takes_value:
        return WrongKind("This field does not take a value.")
    if value is None:
        return WrongKind("null is no answer; a field is emptied with CLEAR_FIELD.")
    if _is_too_large(value):
        return TooLarge()
    if not item.repeats:
        return _check_one(item, value)
    if not isinstance(value, list):
        return WrongKind("This question takes a list of answers.")
    return _check_list(item, value)


def _is_too_large(value: Json) -> bool:
    if isinstance(value, str):
        # Six bytes at most for one character; measure only what could be too long.
        return len(value) > MAX_BYTES or (
            len(value) > MAX_BYTES // 4 and len(value.encode("utf-8", "replace")) > MAX_BYTES
        )
    if not isinstance(value, list | dict):
        return False
    try:
        return len(json.dumps(value)) > MAX_BYTES
    except (RecursionError, ValueError, TypeError):
        return True


def _check_list(item: Item, values: list[Json]) -> Verdict:
    problem: Problem | None = None
    for value in values:
        verdict = WrongKind("null is no answer.") if value is None else _check_one(item, value)
        if isinstance(verdict, WrongKind | TooLarge):
            return verdict
        problem = problem or verdict
    return problem or _check_number_of_answers(item, values) or _check_together(item, values)


def _check_number_of_answers(item: Item, values: list[Json]) -> Problem | None:
    least, most = item.min_occurs or 0, item.max_occurs
    if values and len(values) < least:
        return Problem("too_few", f"At least {least} answers are needed.")
    if most is not None and len(values) > most:
        return Problem("too_many", f"At most {most} answers can be given.")
    return None


def _check_together(item: Item, values: list[Json]) -> Problem | None:
    """Choices: none twice, and an exclusive option (questionnaire-optionExclusive) alone."""
    if item.options is None or len(values) < 2:  # noqa: PLR2004
        return None
    picked = [find_option(item, value) for value in values]
    known = [option for option in picked if option is not None]
    if len({id(option) for option in known}) < len(known):
        return Problem("duplicate", "An answer was chosen twice.")
    if any(option.exclusive for option in known):
        return Problem("exclusive", "One of these answers stands for itself only.")
    return None


def _check_one(item: Item, value: Json) -> Verdict:
    verdict = _CHECKS[item.type](item, value)
    if verdict is None and item.options is not None and item.type not in CHOICES:
        return check_listed(item, value)
    return verdict


_CHECKS: dict[FieldKind, Callable[[Item, Json], Verdict]] = {
    FieldKind.BOOLEAN: check_boolean,
    FieldKind.DECIMAL: check_decimal,
    FieldKind.INTEGER: check_integer,
    FieldKind.DATE: check_date,
    FieldKind.DATE_TIME: check_date_time,
    FieldKind.TIME: check_time,
    FieldKind.STRING: check_text,
    FieldKind.TEXT: check_text,
    FieldKind.URL: check_url,
    FieldKind.CHOICE: check_choice,
    FieldKind.OPEN_CHOICE: check_choice,
    FieldKind.REFERENCE: check_reference,
    FieldKind.QUANTITY: check_quantity,
}


def settle(item: Item, value: Json) -> Json:
    """Give the value as it is kept: a choice as its option spells it, not as a device did.

    So a device cannot put other words beside a code than the form has. Anything else is kept.
    """
    if isinstance(value, list):
        return [settle(item, one) for one in value]
    if isinstance(value, dict) and item.options is not None:
        option = find_option(item, value)
        return value if option is None else option.to_json()
    return value
