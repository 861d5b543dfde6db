"""The regular expressions of a form: which ones are refused, and that none stops the box."""

import json
import time

import pytest
from typer.testing import CliRunner

from cli import app
from schemas.questionnaire.model import FlowError
from schemas.questionnaire.patterns import MAX_PATTERN, MAX_SECONDS, check_patterns, pattern_problem
from session_controller.forms.answers import assess
from session_controller.forms.validation import Problem, check_value
from tests.flow.filling import flow_of

_REGEX = "http://hl7.org/fhir/StructureDefinition/regex"


def _items(*patterns: str, repeats: bool = False):
    return [
        {
            "linkId": f"q{number}",
            "type": "string",
            "repeats": repeats,
            "extension": [{"url": _REGEX, "valueString": pattern}],
        }
        for number, pattern in enumerate(patterns)
    ]


@pytest.mark.parametrize(
    "pattern",
    [
        r"[0-9]{3}-[0-9]{2}-[0-9]{4}",
        r"^(?!000|666)[0-8][0-9]{2}-(?!00)[0-9]{2}-(?!0000)[0-9]{4}$",
        r"[a-zA-Z0-9._%+-]+@[a-zA-Z0-9.-]+\.[a-zA-Z]{2,}",
        r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@(?:[\w-]+\.)+[\w-]+",
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        r"\p{L}[\p{L}' -]{0,99}",
        r"\S+(\s\S+)*",
        r".*@.*\..*",
        r"(a+)+",  # which the engine guards
        r"\(\?#[)]{9}",
    ],
)
def test_patterns_of_real_forms_are_taken(pattern):
    """They are tried out in some milliseconds."""
    before = time.process_time()
    assert pattern_problem(pattern) is None
    assert time.process_time() - before < MAX_SECONDS / 4


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        *((one, "too long on some answers") for one in ("(a|aa)+", "(0|00)+1", "(é|éé)+")),
        *((one, "too long on some answers") for one in ("(ab|abab)+", "(visit|visitvisit)+x")),
        ("(((a{999}){999}){999})", "repeats too much"),
        ("(ab){9999999}", "repeats too much"),
        ("([ab]{100}){99,}c", None),
        ("(?:[(]a{101}){100}", "repeats too much"),
        ("a" * (MAX_PATTERN + 1), "at most 2000 characters"),
        ("(?x)(a{99}) {999}", "leave out comments"),
        ("(a{99})(?#c){999}", "leave out comments"),
        ("[", "is not a supported regular expression"),
    ],
)
def test_a_dangerous_pattern_is_refused(pattern, said):
    """For its size before it is compiled, for its time after it was tried out."""
    problem = pattern_problem(pattern)
    assert (problem is None) if said is None else (problem is not None and said in problem)


def test_each_dangerous_pattern_of_a_form_is_named():
    """With the question that has it."""
    with pytest.raises(FlowError) as refused:
        check_patterns(
            {"item": [{"linkId": "g", "item": _items("[0-9]+", "(a|aa)+", "(0|00)+1")}]},
            time.process_time,
        )
    places = [problem.place for problem in refused.value.problems]
    assert places == [f'Questionnaire.item (linkId "{q}").extension(regex)' for q in ("q1", "q2")]


def test_patterns_are_tried_out_for_a_bounded_time():
    """However many a form has."""
    many = {"item": _items(*(f"[0-9]{{{n}}}" for n in range(1, 50)))}
    check_patterns(many, time.process_time)
    ticks = iter(range(10**6))
    with pytest.raises(FlowError):
        check_patterns(many, lambda: next(ticks) / 10)


@pytest.mark.parametrize("pattern", ["(a|aa)+", "((a|aa)+b|a*)"])
def test_an_answer_is_matched_for_a_bounded_time(pattern):
    """Of a form that is there already: a list of 100 values costs as much as one value."""
    flow, answer = flow_of(*_items(pattern, repeats=True)), ["a" * 50 + "c"] * 50 + ["a" * 26] * 50
    before = time.process_time()
    verdict = check_value(flow.items["q0"], answer)
    assert isinstance(verdict, Problem)
    assert verdict.code == "wrong_format"
    assert assess(flow, {"q0": answer}).faults
    assert time.process_time() - before < 1


def test_the_kinds_behind_a_problem_are_checked():
    """A list with a value of another kind is refused, whatever comes before it."""
    item = flow_of(*_items("[0-9]", repeats=True)).items["q0"]
    assert not isinstance(check_value(item, ["x", 1]), Problem)
    assert isinstance(check_value(item, ["x", "1"]), Problem)
    assert check_value(item, ["1"] * 1000) is None


@pytest.mark.parametrize("order", ["check", "add"])
@pytest.mark.parametrize("pattern", ["(a|aa)+", "(((a{999}){999}){999})"])
def test_a_form_with_a_dangerous_pattern_is_refused(tmp_path, order, pattern):
    """By `flow check` and by the box, before the pattern is compiled."""
    form = {"resourceType": "Questionnaire", "id": "f", "status": "active"}
    file = tmp_path / "form.json"
    file.write_text(json.dumps(form | {"item": [{"linkId": "s", "type": "group",
        "text": "S", "item": _items(pattern)}]}))  # fmt: skip
    data = [] if order == "check" else ["--data", str(tmp_path / "data")]
    ran = CliRunner().invoke(app, ["flow", order, str(file), *data])
    assert ran.exit_code == 1
    assert 'linkId "q0"' in ran.stderr
