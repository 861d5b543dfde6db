"""Loading a questionnaire: what is refused, what is noted, what a flow is called."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.questionnaire.load import Flow, FlowError, load_flow, parse_json
from tests.flow.everything import EVERYTHING
from tests.flow.filling import flow_of
from tests.flow.strategies import any_json, bent, flows

_EXT = "http://hl7.org/fhir/StructureDefinition/"


def refused(*items, **elements) -> list[str]:
    """Load what must be refused, and give the problems as text."""
    with pytest.raises(FlowError) as caught:
        flow_of(*items, **elements)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(problem) for problem in caught.value.problems]


A = {"linkId": "a", "type": "boolean"}


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"type": "boolean"}, "Questionnaire.item[0].linkId: is missing"),
        ({"linkId": "b"}, 'Questionnaire.item[0].type (linkId "b"): is missing'),
        (
            {"linkId": "b", "type": "poll"},
            'Questionnaire.item[0].type (linkId "b"): "poll" is not an item type of FHIR R4',
        ),
        (
            {"linkId": "b", "type": "coding"},
            (
                'Questionnaire.item[0].type (linkId "b"): "coding" is FHIR R5; R4 uses "choice" or '
                '"open-choice"'
            ),
        ),
        (
            {"linkId": "b", "type": "string", "required": "yes"},
            'Questionnaire.item[0].required (linkId "b"): must be true or false',
        ),
        (
            {"linkId": "b", "type": "string", "maxLength": -1},
            'Questionnaire.item[0].maxLength (linkId "b"): must be a whole number, 0 or more',
        ),
        (
            {"linkId": "b", "type": "group", "item": [A, {"linkId": "a", "type": "date"}]},
            (
                'Questionnaire.item[0].item[1].linkId: "a" is used twice; first at '
                "Questionnaire.item[0].item[0]"
            ),
        ),
        (
            {"linkId": "b", "type": "string", "enableWhen": [{"question": "b"}]},
            (
                'Questionnaire.item[0].enableWhen[0].operator (linkId "b"): must be one of '
                "exists, =, !=, >, <, >=, <="
            ),
        ),
        (
            {
                "linkId": "b",
                "type": "string",
                "enableWhen": [{"question": "b", "operator": "exists", "answerInteger": 1}],
            },
            (
                'Questionnaire.item[0].enableWhen[0].answerInteger (linkId "b"): exists requires '
                "a boolean (FHIR rule que-7)"
            ),
        ),
        (
            {
                "linkId": "b",
                "type": "string",
                "extension": [{"url": _EXT + "regex", "valueString": "["}],
            },
            (
                'Questionnaire.item[0].extension(regex) (linkId "b"): is not a supported '
                "regular expression"
            ),
        ),
        (
            {"linkId": "b", "type": "string", "prefix": "a\x1b[2J"},
            'Questionnaire.item[0].prefix (linkId "b"): must not contain control characters',
        ),
        (
            {"linkId": "b", "type": "choice", "answerValueSet": "#none"},
            (
                'Questionnaire.item[0].answerValueSet (linkId "b"): does not refer to a contained '
                "ValueSet"
            ),
        ),
        (
            {"linkId": "b", "type": "choice", "answerOption": [{}]},
            'Questionnaire.item[0].answerOption[0].value[x] (linkId "b"): is missing',
        ),
        (
            {
                "linkId": "b",
                "type": "string",
                "modifierExtension": [{"url": "urn:x", "valueBoolean": True}],
            },
            (
                'Questionnaire.item[0].modifierExtension[0] (linkId "b"): modifier extension '
                '"urn:x" is not known'
            ),
        ),
    ],
)
def test_a_problem_is_told_with_its_exact_place(item, problem):
    """What cannot be a flow is refused with the path, the linkId and the reason."""
    assert problem in refused(item)


def test_all_problems_are_told_at_once():
    """Two mistakes in two places give two problems."""
    assert len(refused({"type": "boolean"}, {"linkId": "b", "type": "poll"})) == 2


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"a": 1, "a": 2}',
        b'{"resourceType": "Questionnaire", "item": [{"linkId": "a", "maxLength": NaN}]}',
        b'{"resourceType": "Patient"}',
        b'{"resourceType": "Questionnaire", "id": "x"}',
        b'{"resourceType": "Questionnaire", "item": [{"linkId": "a", "type": "boolean"}]}',
        b"[" * 100_000,
        b'{"resourceType": "Questionnaire", "id": "x", "copyright": 123456789012345678901234567}',
        b" " * 5_000_000,
    ],
    ids=lambda source: repr(source[:24]),
)
def test_what_is_no_questionnaire_is_refused(source):
    """Broken JSON, another resource, no items and no name at all are refused, not raised."""
    with pytest.raises(FlowError):
        load_flow(source)


def test_depth_and_number_of_items_are_bounded():
    """More than 20 levels, more than 2,000 items or more than 512 KiB are refused."""
    deep = {"linkId": "x", "type": "group"}
    for level in range(20):
        deep = {"linkId": f"g{level}", "type": "group", "item": [deep]}
    assert any("nested deeper than 20" in one for one in refused(deep))
    many = [{"linkId": str(number), "type": "boolean"} for number in range(2_001)]
    assert any("exceeds the limit of 2000 items" in one for one in refused(*many))
    assert len(flow_of(*many[:2_000]).items) == 2_000
    assert any("at most 524288" in one for one in refused(A, copyright="x" * 600_000))


@given(any_json)
def test_any_json_is_read_or_refused(value):
    """Whatever the JSON, loading gives a flow or a FlowError."""
    try:
        load_flow(json.dumps(value).encode())
    except FlowError:
        return


@given(bent(EVERYTHING))
def test_a_bent_questionnaire_is_read_or_refused(value):
    """Whatever is bent in a real questionnaire, loading gives a flow or a FlowError."""
    try:
        flow = load_flow(value)
    except FlowError:
        return
    _assert_fixpoint(flow)


def test_everything_that_is_honoured_is_loaded():
    """A form with each feature loads, with its dotted name as the only remark."""
    notes = [str(note) for note in load_flow(EVERYTHING).notes]
    assert notes == [
        (
            'Questionnaire.item[1].enableWhen[1].question (linkId "visits"): "page.count" is read '
            'as linkId "count"'
        )
    ]


@given(flows())
def test_the_canonical_form_is_a_fixpoint(flow):
    """Loading what is published again gives the same flow_ref, without remarks on its form."""
    _assert_fixpoint(flow)


def _assert_fixpoint(flow: Flow) -> None:
    again = load_flow(flow.canonical)
    assert (again.flow_ref, again.canonical) == (flow.flow_ref, flow.canonical)
    assert again == flow
    assert [step.step_id for step in again.steps] == [step.step_id for step in flow.steps]


def test_the_canonical_form_is_what_was_understood():
    """Status, id, behavior and dotted names are filled in; what is unknown stays."""
    flow = load_flow(
        {
            "resourceType": "Questionnaire",
            "url": "https://example.org/Questionnaire/Intake_Form",
            "unheardOf": {"kept": True},
            "item": [
                {"linkId": "page", "type": "group", "item": [A]},
                {
                    "linkId": "b",
                    "type": "string",
                    "enableWhen": [
                        {"question": "page.a", "operator": "=", "answerBoolean": True},
                        {"question": "$status", "operator": "!=", "answerString": "completed"},
                    ],
                },
            ],
        }
    )
    published = json.loads(flow.canonical)
    assert (published["id"], published["status"]) == ("intake-form", "draft")
    assert published["unheardOf"] == {"kept": True}
    assert published["item"][1]["enableBehavior"] == "any"
    assert [one["question"] for one in published["item"][1]["enableWhen"]] == ["a", "$status"]
    assert [str(note) for note in flow.notes] == [
        "Questionnaire.unheardOf: is not an element of FHIR R4",
        (
            'Questionnaire.item[1].enableBehavior (linkId "b"): is missing although '
            "there are several conditions; read as any"
        ),
        'Questionnaire.item[1].enableWhen[0].question (linkId "b"): "page.a" is read as linkId "a"',
        (
            'Questionnaire.item[1].enableWhen[1].question (linkId "b"): "$status" is not a linkId '
            "of this form; treated as unanswered"
        ),
        "Questionnaire.status: is missing; read as draft",
    ]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(source):
    """Whatever the bytes, parsing gives an object or a FlowError."""
    try:
        assert isinstance(parse_json(source), dict)
    except FlowError:
        return
