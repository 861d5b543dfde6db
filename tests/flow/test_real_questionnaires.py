"""Forms that nobody of this project wrote, and small ones of ours that stand for each kind."""

import pytest

from schemas.questionnaire.load import FlowError, load_flow
from tests.flow.filling import form_path, here


def _load(name: str):
    return load_flow(form_path(name).read_bytes(), fallback_id=name)


def _messages(flow) -> set[str]:
    return {note.message for note in flow.notes}


def _each(**expected):
    """Parametrize by name and what is expected of it, for the forms that are here."""
    known = {name.replace("_", "-"): values for name, values in expected.items()}
    return pytest.mark.parametrize(
        ("name", "expected"), [pytest.param(n, known[n], id=n) for n in here(*known)]
    )


@_each(
    paperwork={
        "items": 97,
        "steps": 8,
        "conditions": 65,
        "status": 12,
        "dotted": 2,
        "circle": "pharmacy-known, pharmacy-saved, pharmacy-by-hand",
        "states": 3,
    },
    ottehr_intake_paperwork={
        "items": 161,
        "steps": 14,
        "conditions": 95,
        "status": 12,
        "dotted": 16,
        "circle": "pharmacy-collection, pharmacy-places-saved, pharmacy-page-manual-entry",
        "states": 52,
    },
)
def test_the_reference_form_is_understood_whole(name, expected):
    """All items load; dotted names, `$status` and the circle are noted."""
    flow = _load(name)
    assert (len(flow.items), len(flow.steps)) == (expected["items"], expected["steps"])
    conditions = sum(len(item.enable_when) for item in flow.items.values())
    assert conditions == expected["conditions"]
    unknown = [note for note in flow.notes if '"$status"' in note.message]
    dotted = [note for note in flow.notes if "is read as linkId" in note.message]
    assert (len(unknown), len(dotted)) == (expected["status"], expected["dotted"])
    (circle,) = [note.message for note in flow.notes if "in a cycle" in note.message]
    assert circle.startswith(f"depend on each other in a cycle: {expected['circle']}")
    assert len(flow.items["patient-state"].options) == expected["states"]
    assert flow.items["insurance-carrier"].options is None


@_each(
    heart_referral={
        "items": 16,
        "attachment": ("papers", 3),
        "short": "person-letters",
        "nested": ("person-number", "person-card"),
        "last": ["papers-head", "papers", "sender"],
    },
    hl7_sdc_cardiology={
        "items": 142,
        "attachment": ("supportingdocumentation_attachment", 15),
        "short": "patient_hc_vc",
        "nested": ("patient_hc_number", "patient_hc_pc"),
        "last": [
            "supportingdocumentation_header",
            "supportingdocumentation_attachment",
            "referrer_header",
        ],
    },
)
def test_the_cardiology_form_is_understood(name, expected):
    """Its conditions, limits and media types are kept; what is not is named."""
    flow = _load(name)
    assert len(flow.items) == expected["items"]
    assert flow.has_expressions
    field_id, kinds = expected["attachment"]
    attachment = flow.items[field_id]
    assert (attachment.max_size, len(attachment.media_types)) == (5_000_000, kinds)
    assert flow.items[expected["short"]].min_length == 2
    child, parent = expected["nested"]
    assert flow.items[child].parent == parent
    assert [step.step_id for step in flow.steps][-3:] == expected["last"]


@_each(every_type="t-quantity", lforms_bit_of_everything="Item-quantity")
def test_every_item_type_is_understood(name, expected):
    """Each type of R4 loads; external value sets and the terminology server are named."""
    flow = _load(name)
    assert len({item.kind for item in flow.items.values()}) == 16
    assert any("is not fetched; any answer is accepted" in one for one in _messages(flow))
    assert "terminology-server is not supported" in _messages(flow)
    assert [unit.code for unit in flow.items[expected].unit_options] == ["m", "cm"]


@_each(scored="/w1", lforms_phq9="/44250-9")
def test_expressions_are_read(name, expected):
    """Variables of the form, and a score that is calculated from them."""
    flow = _load(name)
    assert next(iter(flow.items)) == expected
    everywhere = (flow.expressions, *(item.expressions for item in flow.items.values()))
    assert any(one.variables for one in everywhere)
    assert any(item.expressions.calculated for item in flow.items.values())


@_each(no_status=5_000_000, android_fhir_attachment_validation=5_242_880)
def test_a_form_without_status_and_name_is_a_draft_named_by_its_file(name, expected):
    """What the form leaves out is filled in, with a note."""
    flow = _load(name)
    assert flow.flow_id == name
    assert b'"status":"draft"' in flow.canonical
    assert _messages(flow) == {"is missing; read as draft"}
    assert flow.items["1"].max_size == expected


@_each(
    linkid_twice=(
        'Questionnaire.item[1].item[0].item[0].linkId: "1.1" is used twice; first at '
        "Questionnaire.item[0].item[0]"
    ),
    android_fhir_layout_paginated=(
        'Questionnaire.item[9].item[0].linkId: "10.1" is used twice; first at '
        "Questionnaire.item[2].item[1].item[0]"
    ),
)
def test_a_form_that_uses_a_linkid_twice_is_refused_with_both_places(name, expected):
    """Two items with one linkId cannot be told apart (FHIR rule que-2)."""
    with pytest.raises(FlowError) as caught:
        _load(name)
    assert [str(problem) for problem in caught.value.problems] == [expected]


@pytest.mark.parametrize("name", here("response", "ottehr-response-1"))
def test_a_response_is_no_questionnaire(name):
    """Another resource is refused by its type."""
    with pytest.raises(FlowError, match='must be "Questionnaire"'):
        _load(name)
