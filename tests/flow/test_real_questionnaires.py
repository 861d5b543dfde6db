"""Forms that nobody of this project wrote."""

import pytest

from schemas.flow import FlowError, load_flow
from tests.flow.filling import REAL

pytestmark = pytest.mark.skipif(not REAL.exists(), reason="the real questionnaires are not here")


def _load(name: str):
    return load_flow((REAL / f"{name}.json").read_bytes(), fallback_id=name)


def _messages(flow) -> set[str]:
    return {note.message for note in flow.notes}


def test_the_reference_form_is_understood_whole():
    """The 161 items in 14 pages load; dotted names, `$status` and the circle are noted."""
    flow = _load("ottehr-intake-paperwork")
    assert (len(flow.items), len(flow.steps)) == (161, 14)
    assert sum(len(item.enable_when) for item in flow.items.values()) == 95
    unknown = [note for note in flow.notes if '"$status"' in note.message]
    dotted = [note for note in flow.notes if "is read as linkId" in note.message]
    assert (len(unknown), len(dotted)) == (12, 16)
    (circle,) = [note.message for note in flow.notes if "in a circle" in note.message]
    assert circle.startswith(
        "depend on each other in a circle: pharmacy-collection, pharmacy-places-saved, "
        "pharmacy-page-manual-entry"
    )
    assert len(flow.items["patient-state"].options) == 52
    assert flow.items["insurance-carrier"].options is None


def test_the_cardiology_form_is_understood():
    """Its conditions, limits and media types are kept; what is not is named."""
    flow = _load("hl7-sdc-cardiology")
    assert len(flow.items) == 142
    assert _messages(flow) == {
        "targetConstraint is not supported",
        "calculatedExpression is not supported",
    }
    attachment = flow.items["supportingdocumentation_attachment"]
    assert (attachment.max_size, len(attachment.media_types)) == (5_000_000, 15)
    assert flow.items["patient_hc_vc"].min_length == 2
    assert flow.items["patient_hc_number"].parent == "patient_hc_pc"
    assert [step.step_id for step in flow.steps][-3:] == [
        "supportingdocumentation_header",
        "supportingdocumentation_attachment",
        "referrer_header",
    ]


def test_every_item_type_is_understood():
    """Each type of R4 loads; external value sets and the terminology server are named."""
    flow = _load("lforms-bit-of-everything")
    assert len({item.kind for item in flow.items.values()}) == 16
    assert _messages(flow) == {
        "external answerValueSet is not fetched; any answer is taken",
        "terminology-server is not supported",
    }
    assert [unit.code for unit in flow.items["Item-quantity"].unit_options] == ["m", "cm"]


def test_expressions_are_named():
    """PHQ-9's variables and score are not calculated, and this is said."""
    flow = _load("lforms-phq9")
    assert next(iter(flow.items)) == "/44250-9"
    assert _messages(flow) == {
        "variable is not supported",
        "calculatedExpression is not supported",
    }


def test_a_form_without_status_and_name_is_a_draft_named_by_its_file():
    """What the android form leaves out is filled in, with a note."""
    flow = _load("android-fhir-attachment-validation")
    assert flow.flow_id == "android-fhir-attachment-validation"
    assert b'"status":"draft"' in flow.canonical
    assert _messages(flow) == {"is missing; read as draft"}
    assert flow.items["1"].max_size == 5_242_880


def test_a_form_that_uses_a_linkid_twice_is_refused_with_both_places():
    """Two items with one linkId cannot be told apart (FHIR rule que-2)."""
    with pytest.raises(FlowError) as caught:
        _load("android-fhir-layout-paginated")
    assert [str(problem) for problem in caught.value.problems] == [
        (
            'Questionnaire.item[9].item[0].linkId: "10.1" is used twice; first at '
            "Questionnaire.item[2].item[1].item[0]"
        )
    ]


def test_a_response_is_no_questionnaire():
    """Another resource is refused by its type."""
    with pytest.raises(FlowError, match='must be "Questionnaire"'):
        _load("ottehr-response-1")
