"""What keeps a step from being complete."""

import pytest

from session_controller.forms.answers import assess, consent_document, initial_answers
from tests.flow.filling import flow_of, our_flow

_EXT = "http://hl7.org/fhir/StructureDefinition/"
_CONSENT = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
_SIGNATURE = {
    "url": _EXT + "questionnaire-signatureRequired",
    "valueCodeableConcept": {"text": "x"},
}


def _faults(flow, answers=None, **held) -> list[tuple[str, str]]:
    found = assess(flow, answers or {}, **held).faults
    return [(fault.field_id, fault.code) for fault in found]


def test_what_is_required_and_on_must_be_there():
    """A required question that is on needs an answer; blank text is none."""
    flow = flow_of(
        {"linkId": "a", "type": "boolean", "required": True, "text": "Sure?"},
        {
            "linkId": "b",
            "type": "string",
            "required": True,
            "enableWhen": [{"question": "a", "operator": "=", "answerBoolean": True}],
        },
    )
    assert _faults(flow) == [("a", "missing")]
    assert _faults(flow, {"a": False}) == []
    assert _faults(flow, {"a": True, "b": "  "}) == [("b", "missing")]
    assert str(assess(flow, {}).faults[0]) == "Sure?: an answer is needed"


def test_sessions_in_which_nothing_was_entered_share_an_assessment():
    """A hall of screens that wait holds it once; the first answer makes one of its own."""
    flow = flow_of({"linkId": "a", "type": "string", "required": True})
    blank = assess(flow, {})
    assert assess(flow, {}) is blank
    begun = blank.after(["a"], {"a": "x"})
    assert begun.complete
    assert not blank.complete
    assert assess(flow, {}) is blank


def test_what_is_there_must_be_valid():
    """An optional answer that breaks a rule blocks too, with its sentence beside the field."""
    flow = flow_of({"linkId": "a", "type": "string", "maxLength": 2})
    assessment = assess(flow, {"a": "abc"})
    assert assessment.errors == {"a": "At most 2 characters."}
    assert [fault.field_id for fault in assessment.faults] == ["a"]
    assert assessment.step["a"].filled == 1


def test_read_only_items_never_block():
    """A read-only question without a source may be entered, wrongly too, and never blocks."""
    item = {"linkId": "a", "type": "date", "readOnly": True, "required": True}
    assert _faults(flow_of(item)) == []
    assessment = assess(flow_of(item), {"a": "x"})
    assert assessment.complete
    assert list(assessment.errors) == ["a"]
    fixed = flow_of(item | {"initial": [{"valueDate": "2026-11-22"}]})
    assert initial_answers(fixed) == {"a": "2026-11-22"}
    assert fixed.items["a"].fixed


def test_documents_must_be_received():
    """A required document that is missing, on its way or sent back keeps the step open."""
    flow = flow_of({"linkId": "a", "type": "attachment", "required": True})
    for status in ("missing", "receiving"):
        assert _faults(flow, documents={"a": status}) == [("a", "document_missing")]
    assert _faults(flow, documents={"a": "rejected"}) == [("a", "document_rejected")]
    for status in ("received", "accepted"):
        assert _faults(flow, documents={"a": status}) == []


def test_a_document_sent_back_blocks_also_where_it_was_optional():
    """What staff sent back is to be done again or taken away."""
    flow = flow_of({"linkId": "a", "type": "attachment"})
    assert _faults(flow) == []
    assert _faults(flow, documents={"a": "rejected"}) == [("a", "document_rejected")]


def test_texts_must_be_read_and_signatures_given():
    """A consent text needs its reading, to within a hundredth; a signature to be signed."""
    flow = flow_of(
        {"linkId": "text", "type": "display", "text": "All of it.", "extension": [_CONSENT]},
        {"linkId": "sign", "type": "display", "extension": [_SIGNATURE]},
    )
    assert _faults(flow) == [("text", "unread"), ("sign", "unsigned")]
    assert _faults(flow, reading={"text": 0.98}, signatures={"sign": "declined"}) == [
        ("text", "unread"),
        ("sign", "declined"),
    ]
    assert _faults(flow, reading={"text": 0.99}, signatures={"sign": "signed"}) == []


def test_agreeing_needs_reading():
    """A question that bears a consent text is valid only with both answer and reading."""
    flow = flow_of({"linkId": "a", "type": "boolean", "text": "Agreed?", "extension": [_CONSENT]})
    assert _faults(flow) == []
    assert _faults(flow, {"a": True}) == [("a", "unread")]
    assert _faults(flow, {"a": True}, reading={"a": 1.0}) == []


def test_a_required_group_needs_one_answer():
    """A required group without any required question wants at least one of them answered."""
    flow = flow_of(
        {
            "linkId": "g",
            "type": "group",
            "required": True,
            "item": [{"linkId": "a", "type": "string"}, {"linkId": "b", "type": "string"}],
        }
    )
    assert _faults(flow) == [("a", "group_empty")]
    assert _faults(flow, {"b": "x"}) == []


def _repeating(**elements):
    return flow_of(
        {
            "linkId": "g",
            "type": "group",
            "repeats": True,
            "item": [{"linkId": "a", "type": "string", "required": True}],
        }
        | elements
    )


def test_nothing_is_wanted_of_a_group_that_nobody_has_to_add():
    """Without instances a repeating group wants nothing, unless it is required itself."""
    least = [{"url": _EXT + "questionnaire-minOccurs", "valueInteger": 2}]
    assert _faults(_repeating()) == []
    assert _faults(_repeating(required=True)) == [("g[0].a", "missing")]
    assert _faults(_repeating(extension=least)) == [
        ("g[0].a", "too_few_instances"),
        ("g[0].a", "missing"),
    ]
    assert _faults(_repeating(extension=least), {"g[0].a": "x"}, instances={"g": 1}) == [
        ("g[1].a", "too_few_instances")
    ]
    assert _faults(_repeating(), instances={"g": 1}) == [("g[0].a", "missing")]


def test_a_correction_stands_until_it_is_lifted():
    """What staff asks to correct counts as invalid, however good the answer is."""
    flow = flow_of({"linkId": "a", "type": "string"})
    corrected = assess(flow, {"a": "x"}, corrections={"a": "As on your card, please."})
    assert [(one.code, one.message) for one in corrected.faults] == [
        ("correction", "As on your card, please.")
    ]
    assert corrected.after(["a"], {"a": "y"}).complete


def test_a_step_counts_what_it_wants():
    """Filled, required and both at once are counted over what is shown."""
    flow = flow_of(
        {"linkId": "a", "type": "string", "required": True},
        {"linkId": "b", "type": "string", "required": True, "maxLength": 1},
        {"linkId": "c", "type": "string"},
        {"linkId": "d", "type": "display", "text": "words"},
    )
    step = assess(flow, {"a": "x", "b": "xy", "c": "z"}).step["a"]
    assert (step.filled, step.required, step.required_filled) == (3, 2, 1)
    assert step.fields == ("a", "b", "c")
    assert step.enabled == ("a", "b", "c", "d")
    assert not step.complete


def test_a_signature_binds_the_texts_of_its_step():
    """The document is the consent texts that are on, in order, then the signature's own words."""
    flow = flow_of(
        {"linkId": "q", "type": "boolean"},
        {"linkId": "one", "type": "display", "text": "One.", "extension": [_CONSENT]},
        {
            "linkId": "two",
            "type": "display",
            "text": "Two.",
            "extension": [_CONSENT],
            "enableWhen": [{"question": "q", "operator": "=", "answerBoolean": True}],
        },
        {"linkId": "sign", "type": "display", "text": "I agree ✓", "extension": [_SIGNATURE]},
    )
    assert consent_document(flow, "sign", {}) == "One.\n\nI agree ✓".encode()
    assert consent_document(flow, "sign", {"q": True}) == "One.\n\nTwo.\n\nI agree ✓".encode()


@pytest.mark.parametrize(("language", "word"), [(None, "staff"), ("es", "personal")])
def test_the_document_comes_in_the_language_of_the_session(language, word):
    """Who reads Spanish signs the Spanish text."""
    document = consent_document(our_flow("pre-registration"), "signature", {}, {}, language)
    assert word in document.decode()
    assert len(document.decode().split()) > 600
