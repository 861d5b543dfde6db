"""Who the patient is: what a form yields, what is missing, and what staff added."""

import json
from dataclasses import replace

import pytest

from session_controller.engine.state import Identification
from session_controller.export import formats
from session_controller.export.fhir import definitions, load_mapping, missing_of, transaction
from session_controller.export.fhir.identification import answered, yields
from session_controller.export.tabular import as_json
from session_controller.export.writers import HeldError
from tests.fhir.checks import of_type, problems, the
from tests.fhir.records import NOW, answering, record_of
from tests.fhir.test_people import context, element
from tests.flow.filling import flow_of, our_flow

NAME = {"linkId": "name", "type": "string"}
BORN = {"linkId": "born", "type": "date"}
STAFF = Identification(NOW, "desk-1", "Roe", ("Ana", "María"), "1980-02-03", "female", "Sam Poe")


def mapped(item: dict, path: str) -> dict:
    """Map a question in the form."""
    return item | {"definition": element(path)}


def asking(*items: dict):
    """A form with these questions."""
    return flow_of({"linkId": "you", "type": "group", "item": list(items)})


def test_our_own_form_yields_name_birth_date_and_sex():
    """Each by the questions that its definitions name."""
    found = yields(definitions.mapping_of(our_flow("pre-registration")))
    assert set(found["name"]) >= {"first-name", "last-name"}
    assert found["birthDate"] == ("birth-date",)
    assert found["gender"] == ("sex",)


def test_a_form_without_mapping_yields_nothing():
    """Its Patient would have nothing but an identifier."""
    found = yields(definitions.mapping_of(asking(NAME, BORN)))
    assert found == {"name": (), "birthDate": (), "gender": ()}


def test_a_mapping_file_counts_as_a_definition_does():
    """And a part of a name that names nobody does not."""
    elements = {"name.prefix": "name", "birthDate": "born"}
    raw = {"resources": {"patient": {"type": "Patient", "elements": elements}}}
    found = yields(load_mapping(raw, asking(NAME, BORN)))
    assert (found["name"], found["birthDate"]) == ((), ("born",))
    elements["name.text"] = elements.pop("name.prefix")
    assert yields(load_mapping(raw, asking(NAME, BORN)))["name"] == ("name",)


def test_the_name_of_someone_else_is_not_the_patients():
    """A RelatedPerson's name and birth date say nothing of the patient."""
    person = {
        "linkId": "person",
        "type": "group",
        "extension": [context("RelatedPerson")],
        "item": [mapped(NAME, "RelatedPerson.name.text"), mapped(BORN, "RelatedPerson.birthDate")],
    }
    found = yields(definitions.mapping_of(flow_of(person)))
    assert found == {"name": (), "birthDate": (), "gender": ()}


@pytest.mark.parametrize(
    ("patient", "missing"),
    [
        ({}, ("name", "birthDate")),
        ({"name": [{"prefix": ["Dr."]}], "birthDate": "1980"}, ("name",)),
        ({"name": [{"family": "Roe"}]}, ("birthDate",)),
        ({"name": [{"text": "Ana Roe"}], "birthDate": "1980"}, ()),
        ({"name": [{"use": "maiden"}, {"given": ["Ana"]}], "birthDate": "1980-02-03"}, ()),
    ],
)
def test_a_patient_is_identified_by_a_name_and_a_birth_date(patient, missing):
    """Both, whichever part of the name it is; the sex may be unknown."""
    assert missing_of(patient) == missing


def test_no_nameless_patient_is_written_for_delivery():
    """As a transaction or in a file; what staff export for themselves is not held."""
    record = record_of(answering(asking(NAME, BORN), name="Ana Roe", born="1980-02-03"))
    for write in (formats.FORMATS.transaction, formats.FORMATS.files["fhir"]):
        with pytest.raises(HeldError) as held:
            write(record)
        assert held.value.missing == ("name", "birthDate")
    assert not {"name", "birthDate"} & the(transaction(record), "Patient").keys()
    for form in ("json", "csv"):
        assert b"Ana Roe" in formats.FORMATS.files[form](record)


def test_staff_say_who_it_is_and_the_record_says_that_they_did():
    """The Patient has what they stated, and a Provenance names who did."""
    record = record_of(answering(asking(NAME, BORN), name="Ana Roe"))
    record = replace(record, state=record.state.but(identified=STAFF))
    bundle = formats.FORMATS.transaction(record)
    assert problems(bundle) == []
    patient = the(bundle, "Patient")
    assert patient["name"] == [{"family": "Roe", "given": ["Ana", "María"]}]
    assert (patient["birthDate"], patient["gender"]) == ("1980-02-03", "female")
    (told,) = of_type(bundle, "Provenance")
    assert told["target"][0]["reference"] == bundle["entry"][0]["fullUrl"]
    assert told["activity"]["text"] == "patient identified by staff"
    assert [one["who"] for one in told["agent"]] == [{"display": "Sam Poe"}]
    assert told["extension"][0]["extension"][0]["valueString"] == "desk-1"
    assert json.loads(as_json(record))["identified"] == {
        "at": "2026-11-22T10:15:02.120Z",
        "device": "desk-1",
        "person": None,
        "staff_name": "Sam Poe",
        "family": "Roe",
        "given": ["Ana", "María"],
        "birth_date": "1980-02-03",
        "gender": "female",
    }


def test_the_person_who_was_signed_in_is_named_rather_than_a_name_that_was_typed():
    """By name and id; whoever exports for a system of staff finds the id there."""
    record = record_of(answering(asking(NAME, BORN), name="Ana Roe"))
    stated = replace(STAFF, person="sue-poe")
    state = record.state.but(identified=stated)
    record = replace(record, state=state, persons={"sue-poe": "Sue Poe"})
    (told,) = of_type(formats.FORMATS.transaction(record), "Provenance")
    system = f"urn:handrail:{record.site}:staff"
    assert [one["who"] for one in told["agent"]] == [
        {"identifier": {"system": system, "value": "sue-poe"}, "display": "Sue Poe"}
    ]
    written = json.loads(as_json(record))
    assert written["identified"]["person"] == "sue-poe"
    assert written["persons"] == [{"person": "sue-poe", "name": "Sue Poe"}]


def test_what_the_patient_answered_is_not_replaced():
    """Staff add what is missing."""
    flow = asking(mapped(NAME, "Patient.name.text"), BORN)
    record = record_of(answering(flow, name="Ana Roe"))
    record = replace(record, state=record.state.but(identified=STAFF))
    patient = the(transaction(record), "Patient")
    assert patient["name"] == [{"text": "Ana Roe"}]
    assert patient["birthDate"] == "1980-02-03"


def test_the_answers_alone_are_read_as_the_record_is():
    """So that a box can tell what is missing without reading documents."""
    patient = answering(our_flow("pre-registration"), last_name="Okafor", birth_date="1980-02-03")
    record = record_of(patient)
    found = answered(patient.flow, definitions.mapping_of(patient.flow), record.state)
    made = the(transaction(record), "Patient")
    assert {name: made[name] for name in found} == dict(found)
    assert missing_of(found) == ()
