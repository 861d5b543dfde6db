"""What is found in a form: graded, with its place; and what is corrected in a copy."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.cli.flow_trial import dead_ends
from schemas.questionnaire import extensions as ext
from schemas.questionnaire.dates import Span, date_time_span
from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import FlowError, Note
from schemas.questionnaire.repair import repaired
from schemas.questionnaire.rules import Grade
from schemas.questionnaire.units import comparable
from session_controller.forms.assessment import assess
from session_controller.forms.contradictions import contradictions
from session_controller.forms.response import questionnaire_response
from session_controller.forms.validation import check_value

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
_UCUM = "http://unitsofmeasure.org"
TODAY: Span = date_time_span("2026-11-30") or (0, 0)
A = {"linkId": "a", "type": "string", "text": "A"}


def form(*items: dict[str, Any], **elements: Any) -> dict[str, Any]:
    """Write a Questionnaire."""
    head = {"resourceType": "Questionnaire", "status": "active", "id": "f"}
    return {**head, **elements, "item": list(items)}


def found(*items: dict[str, Any], **elements: Any) -> dict[str, Note]:
    """Return the findings by the code of their rule."""
    flow = load_flow(form(*items, **elements))
    return {
        note.rule.code: note for note in (*flow.notes, *contradictions(flow, TODAY, lambda: False))
    }


def _ext(name: str, **value: Any) -> dict[str, Any]:
    return {"url": _CORE + name, **value}


def _choice(*codes: str) -> dict[str, Any]:
    options = [{"valueCoding": {"system": "s", "code": code, "display": code}} for code in codes]
    return {"linkId": "q", "type": "choice", "text": "Q", "answerOption": options}


def _when(operator: str, **answer: Any) -> dict[str, Any]:
    return A | {"enableWhen": [{"question": "q", "operator": operator, **answer}]}


BOOLEAN = {"linkId": "q", "type": "boolean", "text": "Q"}
INTEGER = {"linkId": "q", "type": "integer", "text": "Q"}
BOUNDED = INTEGER | {"extension": [_ext("maxValue", valueInteger=5)]}


@pytest.mark.parametrize(
    ("question", "condition", "code"),
    [
        (_choice("x"), _when("=", answerCoding={"system": "s", "code": "y"}), "never-asked"),
        (_choice("x"), _when("=", answerCoding={"system": "t", "code": "x"}), "never-asked"),
        (_choice("x"), _when("=", answerBoolean=True), "never-asked"),
        (_choice("x"), _when("!=", answerCoding={"code": "y"}), "always-asked"),
        (BOOLEAN, _when("=", answerString="true"), "never-asked"),
        (INTEGER, _when("=", answerDecimal=1.5), "never-asked"),
        (BOUNDED, _when(">", answerInteger=5), "never-asked"),
        (
            {"linkId": "q", "type": "display", "text": "Q"},
            _when("exists", answerBoolean=True),
            "never-asked",
        ),
        (
            INTEGER | {"extension": [_ext("questionnaire-hidden", valueBoolean=True)]},
            _when("exists", answerBoolean=False),
            "always-asked",
        ),
        (
            {"linkId": "q", "type": "string", "maxLength": 3},
            _when("=", answerString="abcd"),
            "never-asked",
        ),
    ],
)
def test_conditions_that_never_or_always_hold_are_found(
    question: dict[str, Any], condition: dict[str, Any], code: str
) -> None:
    """By trying each answer that the question permits."""
    note = found(question, condition)[code]
    assert note.place == 'Questionnaire.item[1].enableWhen[0] (linkId "a")'
    assert note.rule.grade is Grade.DANGER


@pytest.mark.parametrize(
    ("question", "condition"),
    [
        (_choice("x"), _when("=", answerCoding={"code": "x"})),
        (_choice("x"), _when("exists", answerBoolean=True)),
        (BOOLEAN, _when("=", answerBoolean=False)),
        (BOUNDED, _when(">", answerInteger=4)),
        (INTEGER, _when("<=", answerDecimal=1.5)),
        (_choice("x") | {"type": "open-choice"}, _when("=", answerString="else")),
    ],
)
def test_conditions_that_depend_on_the_answer_are_not_found(
    question: dict[str, Any], condition: dict[str, Any]
) -> None:
    """No alarm where there is nothing."""
    assert found(question, condition) == {}


def test_what_depends_on_what_is_never_asked_is_never_asked() -> None:
    """Through a group, and through another question."""
    never = _when("=", answerBoolean=True) | {"linkId": "n", "type": "boolean"}
    then = A | {"enableWhen": [{"question": "n", "operator": "exists", "answerBoolean": True}]}
    notes = contradictions(load_flow(form(_choice("x"), never, then)), TODAY, lambda: False)
    assert [note.rule.code for note in notes] == ["never-asked", "never-asked"]
    assert 'linkId "a"' in notes[1].place


def test_one_condition_of_several_is_named_as_such() -> None:
    """The item can still be asked."""
    item = _when("=", answerBoolean=True)
    item["enableWhen"].append({"question": "q", "operator": "exists", "answerBoolean": True})
    item["enableBehavior"] = "any"
    assert list(found(_choice("x"), item)) == ["never-holds"]


@pytest.mark.parametrize(
    "rules",
    [
        {
            "type": "integer",
            "extension": [_ext("minValue", valueInteger=10), _ext("maxValue", valueInteger=1)],
        },
        {
            "type": "integer",
            "extension": [_ext("minValue", valueDecimal=1.2), _ext("maxValue", valueDecimal=1.8)],
        },
        {
            "type": "date",
            "extension": [
                _ext("minValue", valueDate="2027-01-01"),
                _ext("maxValue", valueDate="2026"),
            ],
        },
        {"type": "string", "maxLength": 2, "extension": [_ext("minLength", valueInteger=3)]},
        {
            "type": "quantity",
            "extension": [
                _ext("minValue", valueQuantity={"value": 2, "system": _UCUM, "code": "kg"}),
                _ext("maxValue", valueQuantity={"value": 1500, "system": _UCUM, "code": "g"}),
            ],
        },
    ],
)
def test_a_required_question_without_a_possible_answer_is_a_dead_end(rules: dict[str, Any]) -> None:
    """It is named where it is required, and otherwise too."""
    note = found({"linkId": "a", "text": "A", "required": True, **rules})["unanswerable"]
    assert note.rule.dead_end
    assert "no-answer-fits" in found({"linkId": "a", "text": "A", **rules})


def test_an_initial_value_that_is_no_option_is_found() -> None:
    """The question would begin with an answer that it does not permit."""
    item = _choice("x") | {"initial": [{"valueCoding": {"system": "s", "code": "y"}}]}
    assert "no option" in found(item)["initial-is-no-option"].message


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"status": "retired"}, "is retired"),
        ({"effectivePeriod": {"end": "2025-12-31"}}, "was to be used until 2025-12-31"),
    ],
)
def test_a_form_that_is_not_to_be_used_is_named(elements: dict[str, Any], said: str) -> None:
    """It can be added, and is not offered."""
    assert found(A, **elements)["retired"].message == said
    assert load_flow(form(A, **elements)).not_offered(TODAY) == said
    assert load_flow(form(A, effectivePeriod={"end": "2027"})).not_offered(TODAY) is None


@pytest.mark.parametrize(
    ("element", "nearest"),
    [
        ({"require": True}, '"required"'),
        ({"readonly": True}, '"readOnly"'),
        ({"minValue": 0}, _CORE + "minValue"),
        ({"hidden": True}, _CORE + "questionnaire-hidden"),
        ({"disabledDisplay": "hidden"}, "R5"),
    ],
)
def test_an_element_that_r4_does_not_have_is_named_with_the_nearest(
    element: dict[str, Any], nearest: str
) -> None:
    """What it says does not hold."""
    note = found(A | element)["unknown-element"]
    assert nearest in note.message
    assert note.place == f'Questionnaire.item[0].{next(iter(element))} (linkId "a")'


@pytest.mark.parametrize(
    "item",
    [
        {**_choice("x"), "option": [{"valueCoding": {"code": "y"}}]},
        A | {"initialString": "left"},
        A
        | {
            "enableWhen": [
                {"question": "a", "hasAnswer": True, "operator": "exists", "answerBoolean": True}
            ]
        },
    ],
)
def test_stu3_is_refused_by_name(item: dict[str, Any]) -> None:
    """Read as R4, it would lose its options or values."""
    with pytest.raises(FlowError, match="STU3"):
        load_flow(form(item))


def test_extensions_are_known_under_each_address_that_they_had() -> None:
    """Renamed in what is published, and said once."""
    url = "http://hl7.org/fhir/us/sdc/StructureDefinition/sdc-questionnaire-hidden"
    old = {"url": url, "valueBoolean": True}
    flow = load_flow(form(A | {"extension": [old]}, A | {"linkId": "b"}))
    assert flow.items["a"].hidden
    assert [note.rule.code for note in flow.notes] == ["older-name"]
    assert load_flow(flow.canonical).notes == ()


@pytest.mark.parametrize(
    ("name", "code"),
    [("questionnaireAdaptive", "adaptive"), ("subQuestionnaire", "assembled")],
)
def test_forms_that_lack_their_questions_are_refused_by_name(name: str, code: str) -> None:
    """Adaptive forms, and parts that are not assembled."""
    with pytest.raises(FlowError) as refused:
        load_flow(form(A, extension=[{"url": _SDC + name, "valueUrl": "x"}]))
    assert [one.rule.code for one in refused.value.problems] == [code]


def test_a_dead_end_is_found_by_trying() -> None:
    """A constraint that no answer satisfies, which no rule alone shows."""
    parts = [
        {"url": "severity", "valueCode": "error"},
        {
            "url": "expression",
            "valueString": "%resource.item.where(linkId='a').answer.exists().not()",
        },
        {"url": "human", "valueString": "Leave it empty."},
    ]
    constraint = _ext("questionnaire-constraint", extension=parts)
    stuck = load_flow(form(A | {"required": True, "extension": [constraint]}))
    assert [fault.field_id for fault in dead_ends(stuck)] == ["a"]
    assert dead_ends(load_flow(form(A | {"required": True}))) == ()


def test_a_copy_is_corrected_and_each_change_said() -> None:
    """What has one meaning; the copy then loads with no danger."""
    broken = form(
        {"linkId": 1, "type": "Group", "text": "G", "item": [A | {"required": "true"}]},
        {"linkId": "a", "type": "coding", "text": "B", "option": [{"valueString": "x"}]},
        {"linkId": "c", "type": "integer", "text": "C", "minValue": 0, "initialInteger": 3},
        {
            "linkId": "d",
            "type": "string",
            "text": "D",
            "enableWhen": {"question": "c", "hasAnswer": True},
        },
    )
    copy, changes = repaired(broken)
    flow = load_flow(copy)
    assert len(changes) == 10
    assert flow.notes == ()
    assert list(flow.items) == ["1", "a", "a-2", "c", "d"]
    assert flow.items["a"].required is True
    assert flow.items["c"].min_value == 0
    assert flow.items["c"].initial == (3,)
    assert flow.items["d"].enable_when[0].operator == "exists"
    assert repaired(copy) == (copy, ())
    assert broken["item"][1]["linkId"] == "a"


@pytest.mark.parametrize(
    ("one", "other", "number"),
    [
        ({"value": 90, "code": "kg"}, {"value": 1, "code": "[lb_av]"}, 198.416035967),
        ({"value": 250_000, "code": "g"}, {"code": "kg"}, 250),
        ({"value": 37, "code": "Cel"}, {"code": "[degF]"}, 98.6),
        ({"value": 3, "unit": "boxes"}, {"unit": "boxes"}, 3),
        ({"value": 3}, {"code": "kg"}, 3),
        ({"value": 3, "code": "kg"}, {"code": "m"}, None),
        ({"value": 3, "unit": "boxes"}, {"code": "kg"}, None),
        ({"value": 3, "code": "{score}"}, {"code": "kg"}, None),
    ],
)
def test_quantities_are_compared_by_ucum(
    one: dict[str, Any], other: dict[str, Any], number: float | None
) -> None:
    """In the unit of the other, or not at all."""
    assert comparable(one, other) == (None if number is None else pytest.approx(number, rel=1e-9))


def test_a_bound_holds_in_every_unit_that_is_offered() -> None:
    """250 kg in grams is not above 300 kg, and 90 kg are above 100 lb."""
    units = [
        _ext(
            "questionnaire-unitOption", valueCoding={"system": _UCUM, "code": code, "display": name}
        )
        for code, name in (("kg", "kg"), ("g", "g"), ("[lb_av]", "lb"))
    ]
    at_most = {"value": 100, "system": _UCUM, "code": "[lb_av]", "unit": "lb"}
    flow = load_flow(
        form(
            {
                "linkId": "w",
                "type": "quantity",
                "extension": [*units, _ext("maxValue", valueQuantity=at_most)],
            }
        )
    )
    item = flow.items["w"]
    assert check_value(item, {"value": 45, "code": "kg"}) is None
    assert check_value(item, {"value": 45_000, "code": "g"}) is None
    verdict = check_value(item, {"value": 90, "code": "kg"})
    assert verdict is not None
    assert verdict.message == "Must be 100 lb or less."
    pressure = {"value": 1, "system": _UCUM, "code": "m"}
    wrong = {
        "linkId": "w",
        "type": "quantity",
        "extension": [*units, _ext("maxValue", valueQuantity=pressure)],
    }
    assert "unit-not-comparable" in found(wrong)


@pytest.mark.parametrize("control", ["help", "flyover", "inline"])
def test_what_is_a_help_asks_nothing_whatever_its_type(control: str) -> None:
    """A text item with such a control is no input field; with items below it is a group."""
    concept = {"coding": [{"code": control}]}
    says = {"extension": [_ext("questionnaire-itemControl", valueCodeableConcept=concept)]}
    below = {"linkId": "h", "type": "text", "text": "Why we ask", "required": True, **says}
    folded = {"linkId": "i", "type": "text", "text": "More", **says}
    words = {"linkId": "w", "type": "display", "text": "The words"}
    flow = load_flow(form(A | {"item": [below]}, folded | {"item": [words]}))
    assert [flow.items[one].type.value for one in ("h", "i")] == ["display", "group"]
    assert [note.rule.code for note in flow.notes] == ["reinterpreted", "reinterpreted"]
    if control != "inline":
        assert "Why we ask" in (flow.items["a"].help, flow.items["a"].flyover)
    assert load_flow(flow.canonical).notes == ()


@pytest.mark.parametrize("name", sorted(ext.KNOWN))
def test_every_extension_is_supported_or_reported(name: str) -> None:
    """With its own name and rule, at the form and at an item; none is unknown."""
    known = ext.KNOWN[name]
    bare = {"url": known.url}
    try:
        flow = load_flow(form(A | {"extension": [bare]}))
        notes = flow.notes
    except FlowError as error:
        notes = error.problems
    reported = [note for note in notes if note.message == f"{name} is not supported"]
    if known.rule is not None:
        assert [note.rule for note in reported] == [known.rule]
    else:
        assert reported == []
        assert known.does
    assert not [note for note in notes if "is not known" in note.message]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "item",
                        "type",
                        "linkId",
                        "extension",
                        "url",
                        "enableWhen",
                        "option",
                        "required",
                        "_text",
                        "valueString",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_repaired_without_an_error(item: Any) -> None:
    """Whatever it is; loading it then says what is wrong."""
    copy, _ = repaired({"resourceType": "Questionnaire", "id": "f", "item": [item]})
    with suppress(FlowError):
        load_flow(copy)


def _long(count: int, **more: Any) -> dict[str, Any]:
    groups = [
        {
            "linkId": f"g{g}",
            "type": "group",
            "text": f"Part {g}",
            "item": [A | {"linkId": f"g{g}q{n}"} for n in range(count)],
            **more,
        }
        for g in range(3)
    ]
    head = {"linkId": "head", "type": "display", "text": "Please answer all."}
    return {"linkId": "all", "type": "group", "text": "All", "item": [head, *groups]}


DIVIDED = form(_long(14))
"""Three steps of fourteen questions, and one of what comes before them."""


def test_an_only_group_that_is_too_long_is_divided_at_its_groups() -> None:
    """Each is a step, and what is loose before them too; the response nests as before."""
    flow = load_flow(form(_long(40)))
    assert [(step.step_id, step.title) for step in flow.steps] == [
        ("head", "Please answer all."),
        ("g0", "Part 0"),
        ("g1", "Part 1"),
        ("g2", "Part 2"),
    ]
    assert flow.items["g1q3"].step_id == "g1"
    assert flow.items["g1"].parent == "all"
    assert [len(step.fields) for step in assess(flow, {}).steps] == [0, 40, 40, 40]
    answered = questionnaire_response(flow, {"g1q3": "x"}, status="completed", authored="2026")
    assert answered["item"][0]["item"][0]["item"][0]["linkId"] == "g1q3"


def test_a_short_form_is_one_step_unless_its_groups_are_pages() -> None:
    """As its author wrote them: itemControl page."""
    assert len(load_flow(form(_long(2))).steps) == 1
    page = _ext("questionnaire-itemControl", valueCodeableConcept={"coding": [{"code": "page"}]})
    assert len(load_flow(form(_long(2, extension=[page]))).steps) == 4


def test_a_divided_group_that_is_off_has_no_steps() -> None:
    """Its condition holds for all of them."""
    off = {"enableWhen": [{"question": "q", "operator": "=", "answerBoolean": True}]}
    page = _ext("questionnaire-itemControl", valueCodeableConcept={"coding": [{"code": "page"}]})
    flow = load_flow(form(BOOLEAN, _long(2, extension=[page]) | off))
    assert assess(flow, {}).steps_on == (0,)
    assert assess(flow, {"q": True}).steps_on == (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    "extension",
    [
        {"url": _SDC + "calculatedExpression", "valueString": "1 + 1"},
        {"url": _SDC + "initialExpression"},
        {"url": _CORE + "variable"},
        {"url": _CORE + "questionnaire-constraint", "extension": [{"url": "key", "valueId": "k"}]},
        {"url": _CORE + "targetConstraint", "extension": [{"url": "expression"}]},
    ],
)
def test_an_expression_that_is_not_there_is_named(extension: dict[str, Any]) -> None:
    """It would be dropped otherwise."""
    assert "expression-ignored" in found(A | {"extension": [extension]})


def test_expressions_are_tried_only_as_long_as_there_is_time() -> None:
    """A form that is added must not hold the box; what was not tried is named, and nothing else."""
    value = {"language": "text/fhirpath", "expression": "(1|2).repeat($this + 1)"}
    endless = {"url": _SDC + "calculatedExpression", "valueExpression": value}
    flow = load_flow(form(A | {"type": "integer", "extension": [endless]}))
    notes = contradictions(flow, TODAY, lambda: False)
    assert [note.rule.code for note in notes] == ["expression-ignored"]
    notes = contradictions(flow, TODAY, lambda: True)
    assert [note.rule.code for note in notes] == ["not-tried"]


def test_what_shows_staff_a_sensitive_answer_is_found() -> None:
    """Unless it is sensitive too; a condition on it shows no more than that it holds."""
    sensitive = {"url": "urn:handrail:fhir:sensitive", "valueBoolean": True}
    number = {"linkId": "id", "type": "string", "text": "Number", "extension": [sensitive]}
    value = "%resource.item.where(linkId='id').answer.value"

    def with_(name: str, *more: dict[str, Any]) -> dict[str, Note]:
        expression = {"language": "text/fhirpath", "expression": value}
        url = f"http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-{name}"
        shown = {"url": url, "valueExpression": expression}
        return found(
            number,
            {"linkId": "copy", "type": "string", "text": "Copy", "extension": [shown, *more]},
        )

    for name in ("calculatedExpression", "initialExpression", "answerExpression"):
        assert with_(name)["sensitive-shown"].place == 'Questionnaire.item[1] (linkId "copy")'
        assert "sensitive-shown" not in with_(name, sensitive)
    assert "sensitive-shown" not in with_("enableWhenExpression")
    value = "%resource.descendants().answer.value.first()"
    assert (
        'all answers, also the sensitive "id"'
        in with_("calculatedExpression")["sensitive-shown"].message
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"type": "boolean"}, "has answerExpression, which a boolean cannot have"),
        ({"type": "quantity"}, "has answerExpression, which a quantity cannot have"),
        ({"type": "choice"}, None),
    ],
)
def test_permitted_answers_of_a_type_that_has_none_are_named(
    more: dict[str, Any], said: str | None
) -> None:
    """They would be ignored."""
    expression = {"language": "text/fhirpath", "expression": "1 | 2"}
    shown = {"url": _SDC + "answerExpression", "valueExpression": expression}
    note = found(A | more | {"extension": [shown]}).get("expression-ignored")
    assert (note and note.message) == said


@pytest.mark.parametrize(("code", "named"), [("x", False), ("y", True)])
def test_a_toggle_of_what_is_no_option_is_named(code: str, *, named: bool) -> None:
    """It would toggle nothing."""
    expression = {"language": "text/fhirpath", "expression": "true"}
    inner = [
        {"url": "option", "valueCoding": {"system": "s", "code": code}},
        {"url": "expression", "valueExpression": expression},
    ]
    toggle = {"url": _SDC + "answerOptionsToggleExpression", "extension": inner}
    assert ("expression-ignored" in found(_choice("x") | {"extension": [toggle]})) == named
