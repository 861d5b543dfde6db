"""Whole records as transaction bundles."""

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.questionnaire.load import Flow, FlowError, load_flow
from schemas.questionnaire.model import FieldKind
from session_controller.export.fhir import transaction
from session_controller.export.tabular import as_csv, as_json
from session_controller.forms.answers import canonical_value, is_empty
from tests.fhir.checks import answers_by_place, named, of_type, problems, references, the
from tests.fhir.records import answering, filled, record_of
from tests.flow.checker import problems as response_problems
from tests.flow.everything import EVERYTHING
from tests.flow.filling import flow_of, form_path, form_paths, here, mapping_for, our_flow
from tests.flow.strategies import any_json


def _loaded(path) -> Flow | None:
    try:
        return load_flow(path.read_bytes(), fallback_id=path.stem)
    except FlowError:
        return None  # tests/flow/test_real_questionnaires says which and why


FLOWS = [path for path in form_paths() if _loaded(path) is not None]


@pytest.mark.parametrize("wanted_only", [False, True], ids=["all", "required"])
@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", range(3))
def test_each_form_gives_a_valid_bundle(path, seed, wanted_only):
    """A filled form gives a bundle that R4 takes, in which each reference resolves."""
    flow = _loaded(path)
    record = record_of(filled(flow, seed, wanted_only=wanted_only), mapping_for(path.stem))
    bundle = transaction(record)
    assert problems(bundle) == []
    response = the(bundle, "QuestionnaireResponse")
    assert response_problems(json.loads(flow.canonical), response) == []


def test_every_kind_of_item_gives_a_valid_bundle():
    """A form with each type of item and extension is exported whole."""
    flow = load_flow(EVERYTHING)
    assert problems(transaction(record_of(filled(flow)))) == []


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", range(3))
def test_the_exported_answers_are_those_entered(path, seed):
    """Item by item: what was entered in a field that is on is in the response, and only that."""
    patient = filled(_loaded(path), seed)
    record = record_of(patient, mapping_for(path.stem))
    response = the(transaction(record), "QuestionnaireResponse")
    exported: dict[str, list] = {}
    for place, answer in answers_by_place(response.get("item", [])):
        exported.setdefault(place, []).append(_plain(answer))
    assert exported == _entered(record, patient.assessment())


def _entered(record, assessment) -> dict[str, list]:
    """List by place what was entered in fields that are on, told from the layout alone."""
    places: dict[int, str | None] = {-1: ""}
    found: dict[str, list] = {}
    siblings: dict[str, int] = {}
    for node, on in zip(assessment.layout.nodes, assessment.on, strict=True):
        around = places[node.parent]
        if not on or around is None:
            places[node.index] = None
            continue
        inside = assessment.layout.nodes[node.index : node.end]
        place = f"{around}/{node.item.link_id}"
        number = siblings.get(place, 0)
        siblings[place] = number + any(_values(record, one) for one in inside)
        places[node.index] = f"{place}[{number}]"
        values = _values(record, node)
        if values:
            found[f"{place}[{number}]"] = values
    return found


def _values(record, node) -> list:
    if node.item.type is FieldKind.ATTACHMENT:
        sizes = {one.field_id: len(one.data) for one in record.documents}
        return [sizes[node.field_id]] if node.field_id in sizes else []
    value = record.state.answers.get(node.field_id)
    values = value if isinstance(value, list) else [value]
    return [_plain_value(node.item, one) for one in values if not is_empty(one)]


def _plain_value(item, value):
    value = canonical_value(item, value)
    if isinstance(value, dict):
        return value.get("value") or value.get("code") or value.get("display")
    return value


def _plain(answer: dict):
    ((key, value),) = answer.items()
    if key == "valueAttachment":
        return value["size"]
    if isinstance(value, dict):
        return (
            value.get("value")
            or value.get("code")
            or value.get("display")
            or value.get("reference")
        )
    return value


@pytest.mark.parametrize("name", ["pre-registration", "quick-check-in"])
def test_the_same_record_gives_the_same_bundle(name):
    """Twice the same: byte for byte, so that a server can tell."""
    flow = our_flow(name)
    first, second = (transaction(record_of(filled(flow))) for _ in range(2))
    assert json.dumps(first) == json.dumps(second)


def test_other_sessions_and_sites_have_other_names():
    """No resource of one session shares its name with one of another session or site."""
    record = record_of(filled(our_flow("quick-check-in")))
    others = (
        record,
        replace(record, site="other"),
        replace(record, state=record.state.but(session="session-2")),
    )
    names = [{entry["fullUrl"] for entry in transaction(one)["entry"]} for one in others]
    assert names[0].isdisjoint(names[1])
    assert names[0].isdisjoint(names[2])


def test_names_do_not_hang_on_what_was_entered():
    """A corrected answer leaves every name as it is: no name is made of an answer."""
    flow = our_flow("quick-check-in")
    bundles = [
        transaction(record_of(answering(flow, last_name=name, birth_date="1990-01-01")))
        for name in ("Okafor", "Smith")
    ]
    one, other = ([entry["fullUrl"] for entry in bundle["entry"]] for bundle in bundles)
    assert one == other


def test_the_patient_is_as_the_definitions_say():
    """Names, birth date, sex, phones, address, language and contact are where FHIR has them."""
    flow = our_flow("pre-registration")
    answers = {
        "first-name": "Amina",
        "middle-name": "Lea",
        "last-name": "Okafor",
        "birth-date": "1990-02-03",
        "sex": {"code": "female"},
        "language": {"code": "und"},
        "language-other": "Igbo",
        "social-security-number": "123-45-6789",
        "street": "1 Main St",
        "street-2": "Apt 2",
        "city": "Springfield",
        "state": {"code": "UT"},
        "zip": "12345",
        "mobile-phone": "(555) 555-0123",
        "email": "a@example.org",
        "emergency-name": "Ben Okafor",
        "emergency-relationship": {"code": "SPS"},
        "emergency-phone": "(555) 555-0199",
        "id-kind": {"code": "DL"},
        "id-number": "D123",
    }
    patient = answering(flow)
    patient.held.answers.update(answers)
    found = the(transaction(record_of(patient)), "Patient")
    assert found["name"] == [{"given": ["Amina", "Lea"], "family": "Okafor"}]
    assert (found["birthDate"], found["gender"]) == ("1990-02-03", "female")
    assert found["telecom"] == [
        {"system": "phone", "value": "(555) 555-0123", "use": "mobile"},
        {"system": "email", "value": "a@example.org"},
    ]
    assert found["address"] == [
        {
            "line": ["1 Main St", "Apt 2"],
            "city": "Springfield",
            "state": "UT",
            "postalCode": "12345",
        }
    ]
    (spoken,) = found["communication"]
    assert (spoken["language"]["coding"][0]["code"], spoken["language"]["text"]) == ("und", "Igbo")
    (contact,) = found["contact"]
    assert contact["name"] == {"text": "Ben Okafor"}
    assert contact["telecom"] == [{"system": "phone", "value": "(555) 555-0199"}]
    assert [one["coding"][0]["code"] for one in contact["relationship"]] == ["SPS", "C"]
    _, ssn, licence = found["identifier"]
    assert (ssn["system"], ssn["value"]) == ("http://hl7.org/fhir/sid/us-ssn", "123-45-6789")
    assert (licence["type"]["coding"][0]["code"], licence["value"]) == ("DL", "D123")


@pytest.mark.parametrize(("language", "spoken"), [("en", []), ("es", ["es"]), (None, [])])
def test_a_language_that_was_chosen_is_the_patients(language, spoken):
    """Who went through the form in another language than its own is spoken with in that one."""
    patient = answering(our_flow("quick-check-in"), last_name="Okafor")
    found = the(transaction(record_of(patient, language=language)), "Patient")
    codes = [one["language"]["coding"][0]["code"] for one in found.get("communication", [])]
    assert codes == spoken


def test_what_is_off_makes_nothing():
    """An answer, a document and a coverage of fields that are off are nowhere in the bundle."""
    patient = filled(our_flow("pre-registration"), 1)
    assert of_type(transaction(record_of(patient)), "Coverage")
    patient.held.answers["payment"] = {"code": "self-pay"}
    bundle = transaction(record_of(patient))
    assert of_type(bundle, "Coverage") == []
    titles = [one["description"] for one in of_type(bundle, "DocumentReference")]
    assert titles
    assert not [one for one in titles if "Insurance card" in one]
    assert patient.held.answers["member-id"] not in json.dumps(bundle)


def test_a_document_is_a_reference_and_its_bytes():
    """Each document has a DocumentReference, whose attachment is the Binary with its bytes."""
    record = record_of(filled(our_flow("pre-registration")))
    bundle = transaction(record)
    documents = of_type(bundle, "DocumentReference")
    assert len(documents) == len(record.documents) > 0
    for one, document in zip(documents, record.documents, strict=True):
        attachment = one["content"][0]["attachment"]
        binary = named(bundle, {"reference": attachment["url"]})
        assert base64.b64decode(binary["data"]) == document.data
        assert (attachment["size"], attachment["contentType"]) == (
            len(document.data),
            document.media_type,
        )
        assert document.sha256 in json.dumps(attachment["extension"])
        assert one["docStatus"] == "final"


def test_a_form_without_any_mapping_still_gives_a_patient():
    """Where a form says nothing, there are the response and a patient to hang it on."""
    flow = flow_of({"linkId": "a", "type": "string"})
    bundle = transaction(record_of(answering(flow, a="x")))
    assert [entry["resource"]["resourceType"] for entry in bundle["entry"]] == [
        "Patient",
        "QuestionnaireResponse",
    ]
    response = the(bundle, "QuestionnaireResponse")
    assert named(bundle, response["subject"]) is not None
    assert list(references(response))


_LOOSE = st.dictionaries(
    st.sampled_from(["code", "system", "display", "value", "unit", "reference"]),
    st.text(max_size=4) | st.integers() | st.floats(),
    max_size=4,
)


@settings(deadline=None)  # a whole export, on a machine that may be busy
@given(st.data())
def test_whatever_was_entered_the_bundle_is_fhir(data):
    """Answers that keep no rule at all make a valid bundle: what does not fit stays out."""
    flow = load_flow(EVERYTHING)
    names = [name for name, item in flow.items.items() if not item.repeating_ancestors]
    answers = data.draw(st.dictionaries(st.sampled_from(names), any_json | _LOOSE))
    patient = answering(flow)
    patient.held.answers.update(answers)
    record = record_of(patient)
    assert problems(transaction(record)) == []
    json.loads(as_json(record))
    as_csv(record)


@pytest.mark.parametrize("name", here("paperwork", "ottehr-intake-paperwork"))
def test_the_reference_form_becomes_people_and_coverages(name):
    """The mapping makes a patient, two coverages, their holders and two consents."""
    flow = load_flow(form_path(name).read_bytes())
    patient = answering(
        flow,
        patient_first_name="Amina",
        patient_last_name="Okafor",
        patient_birthdate="1990-02-03",
        patient_street_address="1 Main St",
        patient_city="Springfield",
        patient_state="UT",
        patient_zip="12345",
        payment_option="I have insurance",
        insurance_carrier={"display": "Acme"},
        insurance_member_id="M1",
        policy_holder_first_name="Ben",
        policy_holder_last_name="Okafor",
        policy_holder_address_as_patient=True,
        patient_relationship_to_insured="Child",
        display_secondary_insurance=True,
        insurance_carrier_2={"display": "Second"},
        insurance_member_id_2="M2",
        policy_holder_first_name_2="Amina",
        policy_holder_last_name_2="Okafor",
        patient_relationship_to_insured_2="Self",
        hipaa_acknowledgement=True,
        consent_to_treat=False,
        full_name="Ben Okafor",
        consent_form_signer_relationship="Parent",
    )
    bundle = transaction(record_of(patient, mapping_for(name)))
    assert problems(bundle) == []
    first, second = of_type(bundle, "Coverage")
    assert (first["order"], second["order"]) == (1, 2)
    assert first["relationship"]["coding"][0]["code"] == "child"
    holder = named(bundle, first["subscriber"])
    assert holder["relationship"][0]["coding"][0]["code"] == "PRN"
    assert holder["address"] == the(bundle, "Patient")["address"]
    assert named(bundle, second["subscriber"])["resourceType"] == "Patient"
    privacy, treatment = of_type(bundle, "Consent")
    assert (privacy["status"], treatment["status"]) == ("active", "rejected")
    assert privacy["scope"]["coding"][0]["code"] == "patient-privacy"
    assert named(bundle, privacy["performer"][0])["name"] == [{"text": "Ben Okafor"}]
