"""Responses of flows that were filled in."""

import json

import pytest
from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse
from hypothesis import given
from hypothesis import strategies as st

from schemas.questionnaire.load import Flow, FlowError, load_flow
from session_controller.forms.response import questionnaire_response
from tests.flow.checker import problems
from tests.flow.everything import EVERYTHING
from tests.flow.filling import Patient, flow_of, form_path, form_paths, here, our_flow
from tests.flow.strategies import any_json

_EVERYTHING = load_flow(EVERYTHING)


def _loaded(path) -> Flow | None:
    try:
        return load_flow(path.read_bytes(), fallback_id=path.stem)
    except FlowError:
        return None  # test_real_questionnaires says which and why


FLOWS = [path for path in form_paths() if _loaded(path) is not None]


def respond(patient: Patient, **more) -> dict:
    """Export what a patient has filled in."""
    return questionnaire_response(
        patient.flow,
        patient.held.answers,
        patient.held.instances,
        status="completed",
        authored="2026-11-22T10:15:02.120Z",
        attachments=patient.attachments,
        signatures=patient.signatures,
        reading=patient.held.reading,
        **more,
    )


@pytest.mark.parametrize("wanted_only", [False, True], ids=["all", "required"])
@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", range(4))
def test_a_filled_flow_gives_a_valid_response(path, seed, wanted_only):
    """A response to a flow that is filled in obeys FHIR and the questionnaire's own rules."""
    flow = _loaded(path)
    patient = Patient(flow, seed)
    assert patient.fill(wanted_only=wanted_only).complete
    response = respond(patient)
    QuestionnaireResponse.model_validate(response)
    assert problems(json.loads(flow.canonical), response) == []


@pytest.mark.parametrize("name", here("paperwork", "ottehr-intake-paperwork"))
def test_the_reference_form_is_answered_widely(name):
    """Of the items of a long form a full filling answers at least three in eight."""
    flow = _loaded(form_path(name))
    patient = Patient(flow, 7)
    patient.fill()
    assert len(patient.held.answers) + len(patient.attachments) >= len(flow.items) * 3 / 8 - 1


def test_what_is_off_or_wrong_is_not_exported():
    """Neither a switched-off answer nor one that breaks a rule is exported."""
    flow = flow_of(
        {"linkId": "a", "type": "boolean"},
        {
            "linkId": "b",
            "type": "string",
            "enableWhen": [{"question": "a", "operator": "=", "answerBoolean": True}],
        },
        {"linkId": "c", "type": "string", "maxLength": 2},
    )
    patient = Patient(flow)
    patient.held.answers.update({"a": False, "b": "hidden", "c": "too long"})
    response = respond(patient)
    assert response["item"] == [{"linkId": "a", "answer": [{"valueBoolean": False}]}]


def test_children_of_a_question_stand_in_its_first_answer():
    """What hangs below a question is exported inside its first answer."""
    flow = flow_of(
        {
            "linkId": "q",
            "type": "choice",
            "repeats": True,
            "answerOption": [{"valueString": "x"}, {"valueString": "y"}],
            "item": [{"linkId": "why", "type": "text"}],
        }
    )
    patient = Patient(flow)
    patient.held.answers.update({"q": ["x", "y"], "why": "so"})
    first, second = respond(patient)["item"][0]["answer"]
    assert first == {
        "valueString": "x",
        "item": [{"linkId": "why", "answer": [{"valueString": "so"}]}],
    }
    assert second == {"valueString": "y"}


def test_a_repeating_group_is_exported_instance_by_instance():
    """Each instance of a repeating group is an item of its own."""
    flow = flow_of(
        {
            "linkId": "meds",
            "type": "group",
            "repeats": True,
            "item": [{"linkId": "name", "type": "string"}],
        }
    )
    answers = {"meds[0].name": "one", "meds[1].name": "two"}
    response = questionnaire_response(
        flow, answers, {"meds": 2}, status="completed", authored="2026-11-22"
    )
    texts = [item["item"][0]["answer"][0]["valueString"] for item in response["item"]]
    assert texts == ["one", "two"]


@pytest.mark.parametrize(
    ("item", "value", "answer"),
    [
        ({"type": "integer"}, 3.0, {"valueInteger": 3}),
        ({"type": "url"}, "https://example.org", {"valueUri": "https://example.org"}),
        ({"type": "choice"}, "Acme", {"valueCoding": {"display": "Acme"}}),
        ({"type": "open-choice"}, "Acme", {"valueString": "Acme"}),
        ({"type": "reference"}, "Patient/1", {"valueReference": {"reference": "Patient/1"}}),
        ({"type": "reference"}, "Dr. Who", {"valueReference": {"display": "Dr. Who"}}),
        ({"type": "quantity"}, 3, {"valueQuantity": {"value": 3}}),
        (
            {
                "type": "choice",
                "answerOption": [{"valueCoding": {"code": "a", "system": "s", "display": "A"}}],
            },
            {"code": "a", "display": "something else"},
            {"valueCoding": {"code": "a", "system": "s", "display": "A"}},
        ),
    ],
)
def test_each_kind_is_exported_with_its_own_value(item, value, answer):
    """An answer is exported with the value[x] of its question; a choice as its option has it."""
    flow = flow_of({"linkId": "q"} | item)
    patient = Patient(flow)
    patient.held.answers["q"] = value
    assert respond(patient)["item"][0]["answer"] == [answer]


def test_a_signature_is_an_extension_of_its_item():
    """A signature stands in the standard extension of the item that asked for it."""
    patient = Patient(our_flow("quick-check-in"))
    patient.fill()
    signed = respond(patient)["item"][-1]["item"][-1]
    assert signed["linkId"] == "signature"
    assert signed["extension"][0]["url"].endswith("questionnaireresponse-signature")


def test_the_questionnaire_is_named_with_its_version():
    """The response names its questionnaire as url|version, or by flow_ref where it has no url."""
    patient = Patient(our_flow("quick-check-in"))
    assert respond(patient)["questionnaire"].endswith("/quick-check-in|1.0.0")
    nameless = Patient(flow_of({"linkId": "a", "type": "boolean"}))
    assert respond(nameless)["questionnaire"] == f"urn:handrail:flow:{nameless.flow.flow_ref}"


def test_texts_come_in_the_language_of_the_session():
    """With a language, the response's texts are translated."""
    patient = Patient(our_flow("quick-check-in"))
    patient.fill()
    assert respond(patient, language="es-MX")["item"][0]["item"][0]["text"] == "Apellidos"


_LOOSE = st.dictionaries(
    st.sampled_from(["code", "system", "display", "value", "unit", "reference"]),
    st.text(max_size=4) | st.integers() | st.floats(),
    max_size=4,
)


@given(st.dictionaries(st.sampled_from(sorted(_EVERYTHING.items)), any_json | _LOOSE))
def test_whatever_was_entered_the_response_is_fhir(answers):
    """Answers that keep no rule at all still export as valid FHIR: what is wrong stays out."""
    response = questionnaire_response(
        _EVERYTHING, answers, status="in-progress", authored="2026-11-22"
    )
    QuestionnaireResponse.model_validate(response)
    assert all("missing" in one for one in problems(json.loads(_EVERYTHING.canonical), response))
