"""Validation of a single answer, by the rules of FHIR R4 and our extensions.

    check_value(item, value, today) -> WrongKind | TooLarge | Problem | None
    canonical_value(item, value) -> the value to store and export
    is_empty(value) -> bool

A `WrongKind` does not have the question's JSON type and a `TooLarge` is too long to store: the
command is refused. A `Problem` breaks a rule: the answer is stored and shown with a message that
never contains the value. None of these functions raises.
"""

import json
from collections.abc import Callable
from dataclasses import replace

from schemas.questionnaire.dates import Span
from schemas.questionnaire.model import CHOICES, FieldKind, Item, Json
from session_controller.forms.blanks import trimmed
from session_controller.forms.choices import (
    check_choice,
    check_listed,
    check_quantity,
    check_reference,
    find_option,
)
from session_controller.forms.scalars import (
    check_boolean,
    check_date,
    check_date_time,
    check_decimal,
    check_integer,
    check_text,
    check_time,
    check_today,
    check_url,
    shared_patience,
)
from session_controller.forms.verdicts import MAX_BYTES, Problem, TooLarge, Verdict, WrongKind

__all__ = [
    "Problem",
    "TooLarge",
    "Verdict",
    "WrongKind",
    "canonical_value",
    "check_value",
    "is_empty",
]


NOT_ATTESTED = Problem("not_attested", "The answer is No. Please change what is not right first.")
"""Of a question that has to be answered with yes."""


def is_empty(value: Json) -> bool:
    """Return whether a value counts as unanswered: absent, blank text, an empty list."""
    if value is None or value == []:
        return True
    return isinstance(value, str) and not trimmed(value)


def check_value(item: Item, value: Json, today: Span | None = None) -> Verdict:
    """Check an answer to a question; `answers.assess` checks whether one is required.

    `today` is the days that may be today. Without it, no bound of today's date is checked.
    """
    if not item.takes_value:
        return WrongKind("This field does not take a value.")
    if value is None:
        return WrongKind("null is not a valid answer; use CLEAR_FIELD to clear a field.")
    if _is_too_large(value):
        return TooLarge()
    if not item.repeats:
        return _check_one(item, value, today)
    if not isinstance(value, list):
        return WrongKind("The answer must be a list.")
    return _check_list(item, value, today)


def _is_too_large(value: Json) -> bool:
    if isinstance(value, str):
        # A character has at most four bytes in UTF-8; measure only what could be too long.
        return len(value) > MAX_BYTES or (
            len(value) > MAX_BYTES // 4 and len(value.encode("utf-8", "replace")) > MAX_BYTES
        )
    if not isinstance(value, list | dict):
        return False
    try:
        return len(json.dumps(value)) > MAX_BYTES
    except (RecursionError, ValueError, TypeError):
        return True


def _check_list(item: Item, values: list[Json], today: Span | None) -> Verdict:
    with shared_patience(len(values)):
        verdict = _check_each(item, values, today)
    return verdict or _check_number_of_answers(item, values) or _check_together(item, values)


def _check_each(item: Item, values: list[Json], today: Span | None) -> Verdict:
    problem: Problem | None = None
    for value in values:
        if value is None:
            return WrongKind("null is not a valid answer.")
        verdict = _check_one(item, value, today)
        if isinstance(verdict, WrongKind | TooLarge):
            return verdict
        if verdict is not None and problem is None:
            # Only the kinds of the others matter: their patterns are not worth the time.
            problem, item = verdict, replace(item, regex=None)
    return problem


def _check_number_of_answers(item: Item, values: list[Json]) -> Problem | None:
    least, most = item.min_occurs or 0, item.max_occurs
    if values and len(values) < least:
        return Problem("too_few", f"At least {least} answers are needed.")
    if most is not None and len(values) > most:
        return Problem("too_many", f"At most {most} answers can be given.")
    return None


def _check_together(item: Item, values: list[Json]) -> Problem | None:
    """Check for duplicate choices and combined exclusive ones (questionnaire-optionExclusive)."""
    if item.options is None or len(values) < 2:  # noqa: PLR2004
        return None
    picked = [find_option(item, value) for value in values]
    known = [option for option in picked if option is not None]
    if len({id(option) for option in known}) < len(known):
        return Problem("duplicate", "An answer was chosen twice.")
    if any(option.exclusive for option in known):
        return Problem("exclusive", "One of these answers cannot be combined with others.")
    return None


def _check_one(item: Item, value: Json, today: Span | None) -> Verdict:
    verdict = _CHECKS[item.type](item, value)
    if verdict is None and item.attestation and value is False:
        return NOT_ATTESTED
    if verdict is None and today is not None and item.type in _DATES:
        verdict = check_today(item, value, today)
    if verdict is None and item.options is not None and item.type not in CHOICES:
        return check_listed(item, value)
    return verdict


_DATES = {FieldKind.DATE, FieldKind.DATE_TIME}

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


_TEXTS = CHOICES | {FieldKind.STRING, FieldKind.TEXT, FieldKind.URL, FieldKind.REFERENCE}


def canonical_value(item: Item, value: Json) -> Json:
    """Return the value to store: a choice as its option spells it, a text without space around it.

    So a device cannot pair a code with a different display, and what nobody sees breaks no rule.
    Other values are stored unchanged.
    """
    if isinstance(value, list):
        return [_canonical(item, one) for one in value]
    return _canonical(item, value)


def _canonical(item: Item, value: Json) -> Json:
    if isinstance(value, dict) and item.options is not None:
        option = find_option(item, value)
        return value if option is None else option.to_json()
    if isinstance(value, str) and item.type in _TEXTS:
        return value if item.options and find_option(item, value) else trimmed(value)
    return value
