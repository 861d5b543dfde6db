"""Bounds that are today's date: how they are written, and what they let through."""

from datetime import UTC, datetime
from random import Random

import pytest

from clients.simulator.answers import plausible_value
from schemas.questionnaire.dates import days_around
from schemas.questionnaire.model import TODAY
from session_controller.forms.assessment import assess
from session_controller.forms.response import questionnaire_response
from session_controller.forms.validation import Problem, check_value
from tests.flow.filling import OURS, flow_of, our_flow

_EXT = "http://hl7.org/fhir/StructureDefinition/"
NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
THEN = days_around(NOW)
_EXPRESSION = {"language": "text/fhirpath", "expression": TODAY}


def _bound(name, kind="Date", **calculated):
    extension = {"url": _EXT + "cqf-calculatedValue"} | calculated
    return {"url": _EXT + name, f"_value{kind}": {"extension": [extension]}}


def _flow(*extensions, kind="date", **elements):
    return flow_of({"linkId": "q", "type": kind, "extension": list(extensions)} | elements)


LATEST = _bound("maxValue", valueExpression=_EXPRESSION)
EARLIEST = _bound("minValue", valueExpression=_EXPRESSION)


@pytest.mark.parametrize(
    ("kind", "extension"),
    [
        ("date", LATEST),
        ("date", _bound("maxValue", valueString=TODAY)),
        ("date", LATEST | {"valueDate": "2100-01-01"}),
        ("dateTime", _bound("maxValue", "DateTime", valueExpression=_EXPRESSION)),
    ],
)
def test_today_is_read_as_a_bound(kind, extension):
    """As an Expression, or as R4's string; beside a fixed value, which is for others."""
    flow = _flow(extension, kind=kind)
    assert flow.notes == ()
    assert flow.items["q"].max_value == TODAY


@pytest.mark.parametrize(
    ("calculated", "expression"),
    [
        (
            {"valueExpression": {"language": "text/fhirpath", "expression": "today() - 18 years"}},
            "today() - 18 years",
        ),
        ({"valueString": "%birthdate"}, "%birthdate"),
    ],
)
def test_any_other_expression_is_calculated(calculated, expression):
    """Its bound depends on the session, so the item has none of its own."""
    item = _flow(_bound("maxValue", **calculated)).items["q"]
    assert (item.max_value, item.expressions.maximum) == (None, expression)


def test_a_bound_without_an_expression_is_named():
    """It is not dropped in silence."""
    flow = _flow(_bound("maxValue"))
    assert [note.message for note in flow.notes] == ["the bound is not calculated"]


def test_today_bounds_dates_only():
    """A number or a time of day has no today."""
    flow = _flow(LATEST, kind="integer")
    assert flow.items["q"].max_value is None
    assert [note.message for note in flow.notes] == ["today() bounds a date only; ignored"]


@pytest.mark.parametrize(
    ("extension", "value", "message"),
    [
        (LATEST, "2026-11-24", "This date is in the future."),
        (LATEST, "2027", "This date is in the future."),
        (LATEST, "2026-12", "This date is in the future."),
        (LATEST, "2030-01-01", "This date is in the future."),
        (EARLIEST, "2026-11-20", "This date is in the past."),
        (EARLIEST, "2025", "This date is in the past."),
    ],
)
def test_a_date_beyond_today_is_a_problem(extension, value, message):
    """Past the day after in UTC, it is in the future for every patient."""
    item = _flow(extension).items["q"]
    problem = check_value(item, value, THEN)
    assert isinstance(problem, Problem)
    assert problem.message == message
    assert isinstance(
        check_value(_flow(extension, repeats=True).items["q"], [value], THEN), Problem
    )


@pytest.mark.parametrize(
    ("extension", "value"),
    [
        (LATEST, "2026-11-22"),
        (LATEST, "2026-11-23"),
        (LATEST, "2026"),
        (LATEST, "2026-11"),
        (EARLIEST, "2026-11-21"),
        (EARLIEST, "2026"),
    ],
)
def test_a_day_that_may_be_today_is_taken(extension, value):
    """Where the patient is, it may be the day before or after that of UTC."""
    assert check_value(_flow(extension).items["q"], value, THEN) is None


def test_a_moment_is_compared_with_the_days():
    """A dateTime counts by its instant."""
    flow = _flow(_bound("maxValue", "DateTime", valueExpression=_EXPRESSION), kind="dateTime")
    item = flow.items["q"]
    assert check_value(item, "2026-11-23T23:59:59Z", THEN) is None
    assert check_value(item, "2026-11-24T00:00:00+14:00", THEN) is None
    assert check_value(item, "2026-11-24T00:00:00Z", THEN)


def test_the_days_come_in_as_an_argument():
    """The rules have no clock: without the days nothing is compared, with them all is."""
    flow = _flow(LATEST)
    late = {"q": "2030-01-01"}
    assert assess(flow, late).complete
    assert assess(flow, late, today=THEN).errors == {"q": "This date is in the future."}
    begun = assess(flow, {}, today=THEN)
    assert assess(flow, {}) is begun
    assert begun.after(["q"], late, today=THEN).errors
    head = {"status": "completed", "authored": "2026-11-22T10:15:02Z"}
    assert "item" in questionnaire_response(flow, late, **head)
    assert "item" not in questionnaire_response(flow, late, **head, today=THEN)


@pytest.mark.parametrize("name", sorted(path.stem for path in OURS.glob("*.json")))
def test_a_birth_date_of_our_flows_is_a_whole_date_that_has_been(name):
    """Nobody who checks in is born in the future, and no birth date lacks its day."""
    items = our_flow(name).items.values()
    births = [item for item in items if (item.definition or "").endswith(".birthDate")]
    assert births
    for item in births:
        assert check_value(item, "1980-01-31", THEN) is None
        for wrong in ("2030-01-01", "1880-01-01", "1980", "1980-01"):
            assert isinstance(check_value(item, wrong, THEN), Problem), wrong


@pytest.mark.parametrize("extension", [LATEST, EARLIEST])
def test_the_simulator_keeps_to_today(extension):
    """What it makes up is valid today."""
    item = _flow(extension).items["q"]
    for seed in range(20):
        assert check_value(item, plausible_value(item, Random(seed)), THEN) is None
