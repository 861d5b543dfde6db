"""The flows of the project: valid FHIR, translated throughout, and what the screens need."""

import json

import pytest
from fhir.resources.R4B.questionnaire import Questionnaire

from schemas.questionnaire.model import FieldKind
from tests.flow.filling import OURS, our_flow

NAMES = sorted(path.stem for path in OURS.glob("*.json"))


@pytest.mark.parametrize("name", NAMES)
def test_our_flows_are_valid_fhir_and_load_without_remarks(name):
    """Each is a Questionnaire of R4, and nothing in it is bent or left out."""
    Questionnaire.model_validate(_with_values(json.loads((OURS / f"{name}.json").read_bytes())))
    assert our_flow(name).notes == ()


def _with_values(value):
    """Put a value for what an extension's is calculated by: this library knows no `_valueDate`."""
    if isinstance(value, list):
        return [_with_values(one) for one in value]
    if not isinstance(value, dict):
        return value
    known = {key: _with_values(one) for key, one in value.items() if key != "_valueDate"}
    return known | {"valueDate": "2026-11-22"} if "_valueDate" in value else known


@pytest.mark.parametrize("name", NAMES)
def test_every_text_is_there_in_spanish(name):
    """Each title, text and option has its translation, unless it is the same in both."""
    flow = our_flow(name)
    assert flow.languages == ("en", "es")
    assert flow.title_in("es") != flow.title
    for item in flow.items.values():
        assert item.text_in("es-US") != item.text or item.text == "No", item.link_id
        for option in item.options or ():
            assert option.label("es")
    steps = [(step.title, step.title_in("es")) for step in flow.steps]
    assert all(one != other for one, other in steps)


def test_the_example_shows_what_a_clinic_needs():
    """Identity, insurance, history, privacy and consent, with each kind of field they need."""
    flow = our_flow("pre-registration")
    assert 45 <= len(flow.items) <= 72
    assert [step.step_id for step in flow.steps] == [
        "about-you",
        "contact",
        "identity",
        "insurance",
        "medical-history",
        "privacy",
        "consent",
        "review",
    ]
    kinds = {item.kind for item in flow.items.values()}
    assert {FieldKind.ATTACHMENT, FieldKind.CONSENT, FieldKind.SIGNATURE} <= kinds
    assert {name for name, item in flow.items.items() if item.sensitive} == {
        "social-security-number",
        "id-number",
        "member-id",
        "group-number",
    }
    assert any(step.skippable for step in flow.steps)
    assert {name for name, item in flow.items.items() if item.repeats} == {
        "conditions",
        "medicines",
        "allergies",
    }
    assert len(flow.items["consent-text"].text.split()) > 600
