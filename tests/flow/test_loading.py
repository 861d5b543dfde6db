"""Loading a questionnaire: what is refused, what is noted, what a flow is called."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.flow import FieldKind, Flow, FlowError, load_flow, parse_json
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


def noted(*items, **elements) -> list[str]:
    """Load what must be accepted with remarks, and give these as text."""
    return [str(note) for note in flow_of(*items, **elements).notes]


A = {"linkId": "a", "type": "boolean"}


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        ({"type": "boolean"}, "Questionnaire.item[0].linkId: is missing"),
        ({"linkId": "b"}, 'Questionnaire.item[0].type (linkId "b"): is missing'),
        (
            {"linkId": "b", "type": "poll"},
            'Questionnaire.item[0].type (linkId "b"): "poll" is no item type of FHIR R4',
        ),
        (
            {"linkId": "b", "type": "coding"},
            (
                'Questionnaire.item[0].type (linkId "b"): "coding" is FHIR R5; R4 says "choice" or '
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
                'Questionnaire.item[0].enableWhen[0].answerInteger (linkId "b"): exists compares '
                "with a boolean (FHIR rule que-7)"
            ),
        ),
        (
            {
                "linkId": "b",
                "type": "string",
                "extension": [{"url": _EXT + "regex", "valueString": "["}],
            },
            (
                'Questionnaire.item[0].extension(regex) (linkId "b"): is no regular expression '
                "that can be read"
            ),
        ),
        (
            {"linkId": "b", "type": "choice", "answerValueSet": "#none"},
            'Questionnaire.item[0].answerValueSet (linkId "b"): refers to no contained ValueSet',
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
    assert any("one more than 2000 items" in one for one in refused(*many))
    assert len(flow_of(*many[:2_000]).items) == 2_000
    assert any("524288 at most" in one for one in refused(A, copyright="x" * 600_000))


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
        (
            'Questionnaire.item[1].enableBehavior (linkId "b"): is missing beside several '
            "conditions; read as any"
        ),
        'Questionnaire.item[1].enableWhen[0].question (linkId "b"): "page.a" is read as linkId "a"',
        (
            'Questionnaire.item[1].enableWhen[1].question (linkId "b"): "$status" is no linkId '
            "here; treated as unanswered"
        ),
        "Questionnaire.status: is missing; read as draft",
    ]


@pytest.mark.parametrize(
    ("elements", "flow_id"),
    [
        ({"id": "CardiologyForm"}, "cardiologyform"),
        ({"id": "--", "name": "PHQ-9 panel"}, "phq-9-panel"),
        ({"url": "https://example.org/Questionnaire/Intake_1"}, "intake-1"),
        ({"url": "urn:uuid:d7176d16-5fd4"}, "d7176d16-5fd4"),
        ({"title": "Ärztlicher Bogen"}, "rztlicher-bogen"),
        ({"id": "x" * 80}, "x" * 51),
        ({}, "the-file"),
    ],
)
def test_a_flow_is_named_by_the_first_name_that_serves(elements, flow_id):
    """The flow_id comes from id, name, url, title, else from the file; it fits a topic."""
    value = {"resourceType": "Questionnaire", "status": "active", "item": [A]} | elements
    flow = load_flow(value, fallback_id="The_File")
    assert flow.flow_id == flow_id
    assert len(flow.flow_ref) <= 64
    _assert_fixpoint(flow)


def test_a_top_level_group_is_a_step_and_loose_items_in_a_row_are_one():
    """Steps are as the wire contract divides the top level."""
    group = {"linkId": "g", "type": "group", "text": "Page", "item": [A]}
    loose = [{"linkId": name, "type": "string", "text": name.upper()} for name in "bcde"]
    flow = flow_of(loose[0], loose[1], group, loose[2], loose[3])
    assert [(step.step_id, step.item_ids, step.title) for step in flow.steps] == [
        ("b", ("b", "c"), "B"),
        ("g", ("g",), "Page"),
        ("d", ("d", "e"), "D"),
    ]
    assert [item.step_id for item in flow.items.values()] == ["b", "b", "g", "g", "d", "d"]


@pytest.mark.parametrize(
    ("item", "note"),
    [
        ({"linkId": "b", "type": "choice"}, "is missing; any answer is taken"),
        (
            {"linkId": "b", "type": "choice", "answerValueSet": "http://example.org/vs"},
            "external answerValueSet is not fetched; any answer is taken",
        ),
        (
            {"linkId": "b", "type": "display", "item": [A]},
            "stands under a display item, which holds none in FHIR (que-1); kept",
        ),
        (
            {"linkId": "b", "type": "string", "repeats": True, "item": [A]},
            "stands under a repeating question; it hangs on the first answer",
        ),
        (
            {
                "linkId": "b",
                "type": "integer",
                "extension": [
                    {
                        "url": _EXT + "minValue",
                        "_valueInteger": {
                            "extension": [{"url": _EXT + "cqf-calculatedValue"}],
                        },
                    }
                ],
            },
            "cqf-calculatedValue is not supported",
        ),
        (
            {
                "linkId": "b",
                "type": "integer",
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
                        "sdc-questionnaire-enableWhenExpression"
                    }
                ],
            },
            "enableWhenExpression is not supported",
        ),
    ],
)
def test_what_is_bent_or_not_supported_is_noted_and_loaded(item, note):
    """What a flow cannot keep is said, by name, and the rest is loaded."""
    assert any(one.endswith(note) for one in noted(item)), noted(item)


def test_an_unknown_extension_is_ignored():
    """An extension that nobody here knows gives no remark and changes nothing."""
    item = A | {"extension": [{"url": "https://example.org/x", "valueString": "y"}]}
    assert noted(item) == []


def test_circles_among_conditions_are_noted_never_refused():
    """Items that wait for each other are named in one note, and their conditions look raw."""

    def waits(name: str, other: str):
        condition = {"question": other, "operator": "!=", "answerBoolean": True}
        return {"linkId": name, "type": "boolean", "enableWhen": [condition]}

    flow = flow_of(waits("a", "b"), waits("b", "a"), waits("c", "a"))
    assert [condition.raw for item in flow.items.values() for condition in item.enable_when] == [
        True,
        True,
        False,
    ]
    assert "in a circle: a, b;" in str(flow.notes[0])


def test_a_linkid_may_look_like_a_path_but_not_like_an_instance():
    """Dots, brackets and slashes are fine; `[0]` only where no group repeats."""
    odd = ["/44250-9", "a.b", "x[0].y", "[z]", "a b"]
    items = [{"linkId": name, "type": "boolean"} for name in odd]
    assert list(flow_of(*items).items) == odd
    group = {"linkId": "g", "type": "group", "repeats": True, "item": [A]}
    assert refused(group, *items) == [
        (
            'Questionnaire.item[3].linkId (linkId "x[0].y"): reads like an instance of a repeating '
            "group"
        )
    ]


def test_kinds_of_ours_come_from_extensions():
    """A consent text and a signature are told by their extensions, on any item type."""
    consent = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
    signature = {
        "url": _EXT + "questionnaire-signatureRequired",
        "valueCodeableConcept": {"text": "x"},
    }
    flow = flow_of(
        {"linkId": "a", "type": "display", "extension": [consent]},
        {"linkId": "b", "type": "boolean", "extension": [consent]},
        {"linkId": "c", "type": "string", "extension": [signature]},
        {"linkId": "d", "type": "display", "extension": [signature]},
        {"linkId": "e", "type": "string", "required": False, "extension": [signature]},
    )
    kinds = [(item.kind, item.required, item.takes_value) for item in flow.items.values()]
    assert kinds == [
        (FieldKind.CONSENT, True, False),
        (FieldKind.CONSENT, False, True),
        (FieldKind.SIGNATURE, True, False),
        (FieldKind.SIGNATURE, True, False),
        (FieldKind.SIGNATURE, False, False),
    ]


def test_options_come_from_contained_value_sets():
    """Compose and expansion of a contained ValueSet are options, with their translations."""
    compose = {
        "resourceType": "ValueSet",
        "id": "c",
        "compose": {
            "include": [
                {
                    "system": "s",
                    "concept": [
                        {
                            "code": "1",
                            "display": "One",
                            "designation": [{"language": "es", "value": "Uno"}],
                        }
                    ],
                }
            ]
        },
    }
    expansion = {
        "resourceType": "ValueSet",
        "id": "e",
        "expansion": {
            "contains": [
                {"abstract": True, "contains": [{"system": "s", "code": "2", "display": "Two"}]}
            ]
        },
    }
    flow = flow_of(
        {"linkId": "a", "type": "choice", "answerValueSet": "#c"},
        {"linkId": "b", "type": "choice", "answerValueSet": "#e"},
        contained=[compose, expansion],
    )
    (one,), (two,) = (item.options for item in flow.items.values())
    assert one.to_json() == {"code": "1", "system": "s", "display": "One"}
    assert (one.label(), one.label("es")) == ("One", "Uno")
    assert two.to_json() == {"code": "2", "system": "s", "display": "Two"}
    assert flow.languages == ("es",)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(source):
    """Whatever the bytes, parsing gives an object or a FlowError."""
    try:
        assert isinstance(parse_json(source), dict)
    except FlowError:
        return
