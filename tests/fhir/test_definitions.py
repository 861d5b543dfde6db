"""What a form itself says of the resources that its answers make."""

import json

import pytest

from session_controller.export.fhir import ExportError, transaction
from session_controller.export.fhir.building import build
from session_controller.export.fhir.definitions import mapping_of
from session_controller.export.fhir.resources_people import Patient
from tests.fhir.checks import of_type, problems, the
from tests.fhir.records import answering, record_of
from tests.fhir.test_people import context, element
from tests.flow.filling import flow_of, our_flow

_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"


def _fixed(path: str, **value) -> dict:
    return {
        "url": _SDC + "sdc-questionnaire-definitionExtractValue",
        "extension": [
            {"url": "definition", "valueUri": element(path)},
            {"url": "fixed-value"} | value,
        ],
    }


@pytest.mark.parametrize("name", ["pre-registration", "quick-check-in"])
def test_our_flows_are_mapped_without_remarks(name):
    """Each definition of our own flows names an element that is there."""
    mapping = mapping_of(our_flow(name))
    assert mapping.notes == ()
    assert "patient" in [target.role for target in mapping.targets]


def test_contexts_are_read_and_what_is_not_is_noted():
    """A code, a query and a profile open a context; another resource is named as not made."""
    query = {
        "url": _SDC + "sdc-questionnaire-itemExtractionContext",
        "valueExpression": {"language": "application/x-fhir-query", "expression": "Coverage?x=1"},
    }
    profile = {
        "url": _SDC + "sdc-questionnaire-definitionExtract",
        "extension": [
            {
                "url": "definition",
                "valueCanonical": "http://hl7.org/fhir/StructureDefinition/RelatedPerson",
            }
        ],
    }
    groups = [
        {"linkId": name, "type": "group", "extension": [one]}
        for name, one in (("q", query), ("p", profile), ("o", context("Observation")))
    ]
    flow = flow_of(*groups, extension=[context("Patient")])
    assert flow.extraction.context == "Patient"
    assert [flow.items[name].extraction.context for name in "qpo"] == [
        "Coverage",
        "RelatedPerson",
        None,
    ]
    assert [note.message for note in flow.notes] == [
        "the query is not run; a new resource of its type is created",
        "only Patient, RelatedPerson, Coverage can be extracted",
    ]


def test_a_context_in_a_repeating_group_makes_a_resource_for_each_instance():
    """Two instances, two related persons, with names that stay."""
    flow = flow_of(
        {
            "linkId": "kin",
            "type": "group",
            "repeats": True,
            "extension": [context("RelatedPerson")],
            "item": [
                {
                    "linkId": "given",
                    "type": "string",
                    "definition": element("RelatedPerson.name.given"),
                }
            ],
        }
    )
    patient = answering(flow)
    patient.held.answers.update({"kin[0].given": "Ben", "kin[1].given": "Ada"})
    patient.held.instances["kin"] = 2
    bundle = transaction(record_of(patient))
    assert problems(bundle) == []
    names = [one["name"] for one in of_type(bundle, "RelatedPerson")]
    assert names == [[{"given": ["Ben"]}], [{"given": ["Ada"]}]]


def test_instances_inside_one_resource_stay_apart():
    """A repeating group of phones gives one telecom for each instance, each with its fixed part."""
    flow = flow_of(
        {
            "linkId": "phones",
            "type": "group",
            "repeats": True,
            "definition": element("Patient.telecom"),
            "extension": [_fixed("Patient.telecom.system", valueCode="phone")],
            "item": [
                {
                    "linkId": "number",
                    "type": "string",
                    "definition": element("Patient.telecom.value"),
                }
            ],
        }
    )
    patient = answering(flow)
    patient.held.answers.update({"phones[0].number": "1", "phones[1].number": "2"})
    patient.held.instances["phones"] = 2
    assert the(transaction(record_of(patient)), "Patient")["telecom"] == [
        {"system": "phone", "value": "1"},
        {"system": "phone", "value": "2"},
    ]


def test_two_answers_for_one_element_make_two_of_what_repeats_around_it():
    """Without any group, a second phone number is a second telecom, and nothing is lost."""
    phones = [
        {"linkId": name, "type": "string", "definition": element("Patient.telecom.value")}
        for name in ("home", "work")
    ]
    bundle = transaction(record_of(answering(flow_of(*phones), home="1", work="2")))
    assert the(bundle, "Patient")["telecom"] == [{"value": "1"}, {"value": "2"}]


def test_an_answer_that_does_not_fit_its_element_stays_in_the_response():
    """A text for a birth date makes no birth date, and no error; the response has it."""
    flow = flow_of(
        {"linkId": "born", "type": "string", "definition": element("Patient.birthDate")},
        {"linkId": "sex", "type": "string", "definition": element("Patient.gender")},
    )
    bundle = transaction(record_of(answering(flow, born="in May", sex="yes")))
    assert problems(bundle) == []
    assert the(bundle, "Patient").keys() & {"birthDate", "gender"} == set()
    assert "in May" in json.dumps(the(bundle, "QuestionnaireResponse"))


def test_a_definition_that_cannot_be_extracted_is_noted():
    """Elements that do not exist, or that are ours to write, are named with the item."""
    flow = flow_of(
        {"linkId": "a", "type": "string", "definition": element("Patient.nme")},
        {"linkId": "b", "type": "string", "definition": element("Coverage.status")},
        {"linkId": "c", "type": "string", "definition": element("Observation.value")},
    )
    assert [note.place for note in mapping_of(flow).notes] == ["a", "b", "c"]


def test_no_error_says_what_a_patient_entered():
    """What cannot be written is told by its place and the rule, never by what is in it."""
    with pytest.raises(ExportError) as caught:
        build(Patient, {"birthDate": "secret", "gender": "secret", "secret-key": [{"x": "secret"}]})
    assert "birthDate" in str(caught.value)
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value).replace("secret-key", "")
