"""What a loaded questionnaire means: names, steps, kinds, options, remarks."""

import pytest

from schemas.questionnaire.load import FieldKind, FlowError, load_flow
from tests.flow.filling import flow_of

_EXT = "http://hl7.org/fhir/StructureDefinition/"
A = {"linkId": "a", "type": "boolean"}


def noted(*items, **elements) -> list[str]:
    """Load what must be accepted with remarks, and give these as text."""
    return [str(note) for note in flow_of(*items, **elements).notes]


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
    assert load_flow(flow.canonical).flow_ref == flow.flow_ref


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
        ({"linkId": "b", "type": "choice"}, "is missing; any answer is accepted"),
        (
            {"linkId": "b", "type": "choice", "answerValueSet": "http://example.org/vs"},
            '"http://example.org/vs" is not fetched; any answer is accepted',
        ),
        (
            {"linkId": "b", "type": "display", "item": [A]},
            "is below a display item, which has no items in FHIR (que-1); kept",
        ),
        (
            {"linkId": "b", "type": "string", "repeats": True, "item": [A]},
            "is below a repeating question; it belongs to the first answer",
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
            "the bound is not calculated",
        ),
        (
            {
                "linkId": "b",
                "type": "integer",
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
                        "sdc-questionnaire-candidateExpression"
                    }
                ],
            },
            "candidateExpression is not supported",
        ),
    ],
)
def test_what_is_bent_or_not_supported_is_noted_and_loaded(item, note):
    """What a flow cannot keep is said, by name, and the rest is loaded."""
    assert any(one.endswith(note) for one in noted(item)), noted(item)


def test_an_unknown_extension_is_named_once():
    """An extension that nobody here knows is named with its first place, and changes nothing."""
    unknown = {"extension": [{"url": "https://example.org/x", "valueString": "y"}]}
    (note,) = noted(A | unknown, A | unknown | {"linkId": "b"})
    assert note.endswith('extension "https://example.org/x" is not known, and 1 times more')


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
    assert "in a cycle: a, b;" in str(flow.notes[0])


def test_a_linkid_may_look_like_a_path_but_not_like_an_instance():
    """Dots, brackets and slashes are fine; `[0]` only where no group repeats."""
    odd = ["/44250-9", "a.b", "x[0].y", "[z]", "a b"]
    items = [{"linkId": name, "type": "boolean"} for name in odd]
    assert list(flow_of(*items).items) == odd
    group = {"linkId": "g", "type": "group", "repeats": True, "item": [A]}
    with pytest.raises(FlowError) as caught:
        flow_of(group, *items)
    assert [str(problem) for problem in caught.value.problems] == [
        (
            'Questionnaire.item[3].linkId (linkId "x[0].y"): looks like an instance of a '
            "repeating group"
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
        {"linkId": "a", "type": "display", "text": "A.", "extension": [consent]},
        {"linkId": "b", "type": "boolean", "text": "B?", "extension": [consent]},
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
        "url": "urn:e",
        "expansion": {
            "contains": [
                {"abstract": True, "contains": [{"system": "s", "code": "2", "display": "Two"}]}
            ]
        },
    }
    flow = flow_of(
        {"linkId": "a", "type": "choice", "answerValueSet": "#c"},
        {"linkId": "b", "type": "choice", "answerValueSet": "urn:e|1"},
        {"linkId": "c", "type": "choice", "answerValueSet": "#none"},
        contained=[compose, expansion, {"resourceType": "ValueSet", "id": "none"}],
    )
    (one,), (two,), none = (item.options for item in flow.items.values())
    assert none is None
    assert "lists no concepts" in str(flow.notes[0])
    assert one.to_json() == {"code": "1", "system": "s", "display": "One"}
    assert (one.label(), one.label("es")) == ("One", "Uno")
    assert two.to_json() == {"code": "2", "system": "s", "display": "Two"}
    assert flow.languages == ("es",)
