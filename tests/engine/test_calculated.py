"""The expressions of a form: what they fill in, switch on, bound and forbid."""

import json
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import FlowError
from schemas.wire.rejections import RejectionCode
from session_controller.engine import events as f
from session_controller.engine.history import replay
from session_controller.export.answered import entered
from session_controller.export.fhir.bundle import transaction
from session_controller.forms.fhirpath import ExpressionError, evaluate, node_at
from session_controller.forms.response import questionnaire_response
from tests.engine.play import Play, flow_of, item
from tests.fhir.records import record_of
from tests.flow.filling import Patient

_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
_CORE = "http://hl7.org/fhir/StructureDefinition/"


def _expression(url: str, text: str, name: str | None = None) -> dict[str, Any]:
    value = {"language": "text/fhirpath", "expression": text} | ({"name": name} if name else {})
    return {"url": url, "valueExpression": value}


def _calculated(text: str) -> dict[str, Any]:
    return _expression(_SDC + "calculatedExpression", text)


def _enable(text: str) -> dict[str, Any]:
    return _expression(_SDC + "enableWhenExpression", text)


def _value(link_id: str) -> str:
    return f"%resource.descendants().where(linkId='{link_id}').answer.value"


def _values(play: Play) -> dict[str, Any]:
    return {name: field.value for name, field in play.staff_view.fields.items() if field.value}


BMI = (
    item("kg", "decimal"),
    item("m", "decimal"),
    item(
        "bmi",
        "decimal",
        readOnly=True,
        extension=[_calculated(f"({_value('kg')} / ({_value('m')} * {_value('m')})).round(1)")],
    ),
    item("advice", "string", extension=[_enable(f"{_value('bmi')} > 30")]),
)


def test_a_value_is_calculated_from_others_and_switches_on_what_depends_on_it() -> None:
    """And goes when its parts go; both screens see it, as the controller alone writes it."""
    play = Play(flow_of(*BMI))
    play.enter("kg", 100)
    assert "bmi" not in _values(play)
    play.enter("m", 1.7)
    assert _values(play)["bmi"] == 34.6
    assert "advice" in play.patient_view.enabled
    play.enter("m", 2.0)
    assert _values(play)["bmi"] == 25
    assert "advice" not in play.patient_view.enabled
    play.patient("CLEAR_FIELD", field_id="kg")
    assert "bmi" not in _values(play)


def test_a_log_is_read_again_without_evaluating_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results are facts: a later version of a library changes no record."""
    play = Play(flow_of(*BMI))
    play.enter("kg", 100)
    play.enter("m", 1.7)
    monkeypatch.setattr("session_controller.forms.calculation.calculate", None)
    assert replay(play.flow, play.events).state == play.session.state


def test_what_depends_on_nothing_that_changed_is_not_evaluated_again() -> None:
    """An answer that no expression names causes no further event."""
    play = Play(flow_of(*BMI, item("other", "string")))
    play.enter("other", "x")
    assert isinstance(play.events[-1].fact, f.FieldEntered)


def test_a_value_that_somebody_entered_is_kept_where_it_may_be_changed() -> None:
    """A calculated value is a proposal, unless the question is read-only."""
    double = item("b", "integer", extension=[_calculated(f"{_value('a')} * 2")])
    play = Play(flow_of(item("a", "integer"), double))
    play.enter("a", 2)
    assert _values(play)["b"] == 4
    play.enter("b", 7)
    play.enter("a", 3)
    assert _values(play)["b"] == 7


def test_initial_values_are_filled_in_once() -> None:
    """At the opening; what the patient then takes out stays out."""
    initial = _expression(_SDC + "initialExpression", "'Dr. Roe'")
    play = Play(flow_of(item("who", "string", extension=[initial])))
    assert _values(play)["who"] == "Dr. Roe"
    play.patient("CLEAR_FIELD", field_id="who")
    assert "who" not in _values(play)


def test_a_session_opens_on_a_step_that_an_expression_switches_on() -> None:
    """The first step is known once the expressions of the opening are."""
    first = item("one", "group", item=[item("q", "string")], extension=[_enable("true")])
    second = item("two", "group", item=[item("r", "string")])
    play = Play(flow_of(first, second))
    assert play.staff_view.step_id == "one"
    assert list(play.session.state.shown_steps) == ["one"]


def test_variables_are_seen_where_they_are_declared_and_below() -> None:
    """Of the form, of a group, one through another."""
    variable = _CORE + "variable"
    form = {
        "resourceType": "Questionnaire",
        "status": "active",
        "id": "test",
        "extension": [_expression(variable, _value("a"), "a")],
        "item": [
            item("a", "integer"),
            item(
                "g",
                "group",
                extension=[_expression(variable, "%a + 1", "next")],
                item=[item("b", "integer", extension=[_calculated("%next * 10")])],
            ),
        ],
    }
    play = Play(load_flow(form))
    play.enter("a", 4)
    assert _values(play)["b"] == 50


def test_scores_add_up_as_the_form_weighs_them() -> None:
    """By ordinalValue of the options, with weight() and with the answers' own extension."""

    def scored(link_id: str) -> dict[str, Any]:
        options = [
            {
                "valueCoding": {"code": f"c{n}", "display": f"{n} times"},
                "extension": [{"url": _CORE + "ordinalValue", "valueDecimal": n}],
            }
            for n in range(4)
        ]
        return item(link_id, "choice", answerOption=options)

    total = "%resource.item.where(linkId='x' or linkId='y').answer.value.weight().sum()"
    play = Play(
        flow_of(scored("x"), scored("y"), item("t", "integer", extension=[_calculated(total)]))
    )
    play.enter("x", {"code": "c2"})
    play.enter("y", {"code": "c3"})
    assert _values(play)["t"] == 5


def test_a_constraint_blocks_with_its_sentence_and_a_warning_does_not() -> None:
    """The sentence is the form's own."""

    def constraint(severity: str) -> dict[str, Any]:
        parts = {
            "key": {"valueId": "c"},
            "severity": {"valueCode": severity},
            "expression": {"valueString": f"{_value('to')} >= {_value('from')}"},
            "human": {"valueString": "The end is before the start."},
        }
        inner = [{"url": url, **value} for url, value in parts.items()]
        return {"url": _CORE + "questionnaire-constraint", "extension": inner}

    def play_of(severity: str) -> Play:
        to = item("to", "integer", extension=[constraint(severity)])
        play = Play(
            flow_of(item("from", "integer"), to, item("s", "group", item=[item("z", "string")]))
        )
        play.enter("from", 5)
        play.enter("to", 3)
        return play

    play = play_of("error")
    assert play.patient_view.fields["to"].error == "The end is before the start."
    assert play.host("NAVIGATE", step_id="s") is RejectionCode.STEP_INCOMPLETE
    play.enter("from", 1)
    assert play.patient_view.fields["to"].error is None
    warned = play_of("warning")
    assert warned.patient_view.fields["to"].error == "The end is before the start."
    assert isinstance(warned.host("NAVIGATE", step_id="s"), f.Navigated)


def test_bounds_are_calculated() -> None:
    """A bound by an expression holds like any other."""
    sibling = {"extension": [_expression(_CORE + "cqf-calculatedValue", _value("least"))]}
    bound = {"url": _CORE + "minValue", "_valueInteger": sibling}
    play = Play(flow_of(item("least", "integer"), item("n", "integer", extension=[bound])))
    play.enter("least", 10)
    play.enter("n", 9)
    assert play.patient_view.fields["n"].error == "Must be 10 or more."
    play.enter("least", 8)
    assert play.patient_view.fields["n"].error is None


def test_each_instance_of_a_group_has_its_own_result() -> None:
    """A variable of the group sees the instance that it is in."""
    group = item(
        "g",
        "group",
        repeats=True,
        item=[
            item("price", "integer"),
            item("twice", "integer", extension=[_calculated("%price * 2")]),
        ],
        extension=[
            _expression(_CORE + "variable", "item.where(linkId='price').answer.value", "price")
        ],
    )
    play = Play(flow_of(group))
    play.enter("g[0].price", 3)
    play.enter("g[1].price", 5)
    values = _values(play)
    assert (values["g[0].twice"], values["g[1].twice"]) == (6, 10)


def test_values_that_are_calculated_from_each_other_are_refused_with_the_circle() -> None:
    """Nobody could say what they are."""
    one = item("a", "integer", extension=[_calculated(f"{_value('b')} + 1")])
    other = item("b", "integer", extension=[_calculated(f"{_value('a')} + 1")])
    with pytest.raises(FlowError, match="is calculated from itself: a → b → a"):
        flow_of(one, other)


def test_a_hostile_expression_ends_in_time() -> None:
    """One that would take for ever, and a pattern that would."""
    endless = "(1|2|3|4|5|6|7|8|9).select($this.repeat(iif($this < 100000, $this + 1, {}))).count()"
    pattern = "('a' & 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!').matches('^(a|aa)+$')"
    calls = iter(range(10**9))
    node = node_at({"resourceType": "QuestionnaireResponse"}, "QuestionnaireResponse")
    for text in (endless, pattern):
        with pytest.raises(ExpressionError, match="too long"):
            evaluate(text, node, {}, today=date(2026, 1, 1), is_over=lambda: next(calls) > 20_000)


def test_what_there_was_no_time_for_is_calculated_with_the_next_change() -> None:
    """It keeps its result until then, and is not lost."""
    play = Play(flow_of(*BMI, item("other", "string")))
    play.enter("kg", 100)
    play.no_time = True
    play.enter("m", 1.7)
    assert "bmi" not in _values(play)
    play.no_time = False
    play.enter("other", "x")
    assert _values(play)["bmi"] == 34.6
    assert "advice" in play.patient_view.enabled


def test_what_an_expression_switches_on_is_exported_and_signed() -> None:
    """The record and the signed text hold what the patient saw, and nothing else."""
    consent = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
    sign = {"url": _CORE + "questionnaire-signatureRequired", "valueCodeableConcept": {"text": "C"}}
    play = Play(
        flow_of(
            item("age", "integer"),
            item("more", "string", extension=[_enable(f"{_value('age')} > 17")]),
            item("adult", "display", extension=[consent, _enable(f"{_value('age')} > 17")]),
            item("child", "display", extension=[consent, _enable(f"{_value('age')} < 18")]),
            item("sig", "display", extension=[sign]),
        )
    )
    play.enter("age", 30)
    play.enter("more", "yes")
    state = play.session.state
    response = questionnaire_response(
        play.flow,
        state.answers,
        state.instances,
        status="completed",
        authored="2026",
        computed=state.computed,
    )
    assert [one["linkId"] for one in response["item"]] == ["age", "more"]
    assert play.session.consent_text("sig").decode() == "Text of adult\n\nText of sig"
    record = replace(record_of(Patient(play.flow)), state=state)
    assert list(entered(record).filled) == ["age", "more"]
    assert json.dumps(transaction(record)).count('"linkId": "more"') == 1


def test_results_move_with_their_instance() -> None:
    """After one is taken out, the others calculate as before."""
    double = item("twice", "integer", extension=[_calculated("%price * 2")])
    price = _expression(_CORE + "variable", "item.where(linkId='price').answer.value", "price")
    inside = [item("price", "integer"), double]
    play = Play(flow_of(item("g", "group", repeats=True, item=inside, extension=[price])))
    for number, value in enumerate((3, 5, 7)):
        play.enter(f"g[{number}].price", value)
    play.patient("CLEAR_FIELD", field_id="g[0]")
    play.enter("g[1].price", 8)
    values = _values(play)
    assert (values["g[0].twice"], values["g[1].twice"]) == (10, 16)
    assert "g[2].twice" not in values


def _constraint(key: str, text: str, human: str) -> dict[str, Any]:
    parts = {
        "key": {"valueId": key},
        "severity": {"valueCode": "error"},
        "expression": {"valueString": text},
        "human": {"valueString": human},
    }
    inner = [{"url": url, **value} for url, value in parts.items()]
    return {"url": _CORE + "questionnaire-constraint", "extension": inner}


def test_a_constraint_of_a_group_sees_its_group() -> None:
    """Each instance by itself: what stands in another one is not its own."""
    rule = _constraint(
        "c",
        "item.where(linkId='to').answer.value >= item.where(linkId='from').answer.value",
        "The end is before the start.",
    )
    inside = [item("from", "integer"), item("to", "integer")]
    play = Play(flow_of(item("g", "group", repeats=True, item=inside, extension=[rule])))
    for number, (start, end) in enumerate(((1, 2), (5, 3))):
        play.enter(f"g[{number}].from", start)
        play.enter(f"g[{number}].to", end)
    fields = play.patient_view.fields
    assert fields["g[0].from"].error is None
    assert fields["g[1].from"].error == "The end is before the start."


def test_constraints_with_one_sentence_are_told_apart() -> None:
    """That one holds does not take the other's away."""
    small = _constraint("a", "%context.answer.value < 10", "Please check this number.")
    even = _constraint("b", "%context.answer.value mod 2 = 0", "Please check this number.")
    play = Play(flow_of(item("n", "integer", extension=[small, even])))
    for value, error in ((3, True), (12, True), (4, False)):
        play.enter("n", value)
        assert (play.patient_view.fields["n"].error is not None) == error


def test_a_constraint_holds_where_nothing_was_entered_too() -> None:
    """One of two must be answered: neither is required by itself."""
    either = f"{_value('a')}.exists() or {_value('b')}.exists()"
    rule = _constraint("c", either, "Answer one of both.")
    first = item("s", "group", item=[item("a", "string"), item("b", "string")], extension=[rule])
    play = Play(flow_of(first, item("t", "group", item=[item("z", "string")])))
    assert play.host("NAVIGATE", step_id="t") is RejectionCode.STEP_INCOMPLETE
    assert play.patient_view.fields["a"].error == "Answer one of both."
    play.enter("b", "x")
    assert isinstance(play.host("NAVIGATE", step_id="t"), f.Navigated)


def test_initial_values_that_there_was_no_time_for_are_filled_in_later() -> None:
    """And only those: what the patient took out stays out."""
    initial = [_expression(_SDC + "initialExpression", "'Dr. Roe'")]
    flow = flow_of(item("who", "string", extension=initial), item("x", "string"))
    play = Play(flow, no_time=True)
    assert "who" not in _values(play)
    play.no_time = False
    play.enter("x", "1")
    assert _values(play)["who"] == "Dr. Roe"
    play.patient("CLEAR_FIELD", field_id="who")
    play.enter("x", "2")
    assert "who" not in _values(play)


@pytest.mark.parametrize("pattern", ["(((a{999}){999}){999})", "a" * 3_000])
def test_a_pattern_of_an_expression_is_bounded_before_it_is_compiled(pattern: str) -> None:
    """Its compiling would take the memory of the box."""
    node = node_at({"resourceType": "QuestionnaireResponse"}, "QuestionnaireResponse")
    with pytest.raises(ExpressionError, match="too large"):
        evaluate(
            f"'a'.matches('{pattern}')", node, {}, today=date(2026, 1, 1), is_over=lambda: False
        )


def test_a_variable_may_be_an_item_whose_answers_are_asked_for() -> None:
    """It keeps what it is: `%weight.answer.value` is found as in the response."""
    weight = _expression(_CORE + "variable", "%resource.item.where(linkId='kg')", "weight")
    twice = item("twice", "decimal", extension=[weight, _calculated("%weight.answer.value * 2")])
    play = Play(flow_of(item("kg", "decimal"), twice))
    play.enter("kg", 4)
    assert _values(play)["twice"] == 8


CONTACTS = (
    item("contact", "string", repeats=True),
    item("chosen", "choice", extension=[_expression(_SDC + "answerExpression", _value("contact"))]),
)


def test_the_permitted_answers_follow_from_other_answers() -> None:
    """An answer that is no longer among them is kept, and the patient reads what is wrong."""
    play = Play(flow_of(*CONTACTS))
    assert play.patient_view.fields["chosen"].options == ()
    play.enter("contact", ["Ana", "Ben"])
    assert play.patient_view.fields["chosen"].options == ("Ana", "Ben")
    assert play.staff_view.fields["chosen"].options == ("Ana", "Ben")
    play.enter("chosen", "Cleo")
    assert play.patient_view.fields["chosen"].error == _NOT_LISTED
    play.enter("chosen", "Ben")
    assert play.patient_view.fields["chosen"].error is None
    play.enter("contact", ["Ana"])
    assert play.patient_view.fields["chosen"].value == "Ben"
    assert play.patient_view.fields["chosen"].error == _NOT_LISTED


_NOT_LISTED = "Please choose one of the answers in the list."


def test_permitted_answers_of_a_sensitive_question_are_not_shown_to_staff() -> None:
    """What they are may follow from what is not for staff's eyes."""
    sensitive = {"url": "urn:handrail:fhir:sensitive", "valueBoolean": True}
    question = dict(CONTACTS[1], extension=[*CONTACTS[1]["extension"], sensitive])
    play = Play(flow_of(CONTACTS[0], question))
    play.enter("contact", ["Ana"])
    assert play.patient_view.fields["chosen"].options == ("Ana",)
    assert "chosen" not in play.staff_view.fields


def test_a_permitted_answer_is_given_once() -> None:
    """Numbers are answers as they are."""
    expression = _expression(_SDC + "answerExpression", "(%resource.item.answer.value) | 1 | 2 | 2")
    play = Play(flow_of(item("n", "integer", extension=[expression])))
    assert play.patient_view.fields["n"].options == (1, 2)


def _toggle(expression: str, *codes: str) -> dict[str, Any]:
    options = [{"url": "option", "valueCoding": {"code": code}} for code in codes]
    inner = {"language": "text/fhirpath", "expression": expression}
    return {
        "url": _SDC + "answerOptionsToggleExpression",
        "extension": [*options, {"url": "expression", "valueExpression": inner}],
    }


def test_options_are_offered_only_while_their_expression_is_true() -> None:
    """An option of several expressions is offered while one is true; others always."""
    options = [{"valueCoding": {"code": code, "display": code.upper()}} for code in "abc"]
    toggles = [_toggle(_value("adult"), "a", "b"), _toggle(f"{_value('adult')}.not()", "b")]
    question = item("q", "choice", answerOption=options, extension=toggles)
    play = Play(flow_of(item("adult", "boolean"), question))

    def offered() -> list[str]:
        return [one["code"] for one in play.patient_view.fields["q"].options or ()]

    assert offered() == ["c"]
    play.enter("adult", value=True)
    assert offered() == ["a", "b", "c"]
    play.enter("q", {"code": "a"})
    play.enter("adult", value=False)
    assert offered() == ["b", "c"]
    shown = play.patient_view.fields["q"]
    assert (shown.value, shown.error) == ({"code": "a", "display": "A"}, _NOT_LISTED)


def test_an_answer_that_is_no_longer_permitted_is_not_exported() -> None:
    """As one that breaks any other rule of its question; a permitted text is a string."""
    play = Play(flow_of(*CONTACTS))
    play.enter("contact", ["Ana", "Ben"])
    play.enter("chosen", "Ben")
    state = play.session.state

    def exported(options: list[str]) -> Any:
        computed = {"chosen": {"options": options}}
        found = questionnaire_response(
            play.flow, state.answers, status="completed", authored="2026", computed=computed
        )
        return [one.get("answer") for one in found["item"] if one["linkId"] == "chosen"]

    assert exported(["Ana", "Ben"]) == [[{"valueString": "Ben"}]]
    assert exported(["Ana"]) == []
