"""Mapping files: what they say, and what is wrong with them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.questionnaire.load import load_flow
from session_controller.export.fhir import MappingError, load_mapping, transaction
from tests.fhir.checks import of_type, problems, the
from tests.fhir.records import answering, record_of
from tests.flow.filling import MAPPINGS, flow_of, form_path, here, mapping_for

FORM = flow_of(
    {"linkId": "name", "type": "string"},
    {"linkId": "sex", "type": "choice", "answerOption": [{"valueString": s} for s in "FMX"]},
    {"linkId": "same", "type": "boolean"},
    {"linkId": "card", "type": "attachment"},
    {
        "linkId": "kin",
        "type": "group",
        "repeats": True,
        "item": [{"linkId": "kin-name", "type": "string"}],
    },
    url="https://example.org/form",
)


@pytest.mark.parametrize("name", here("paperwork", "ottehr-intake-paperwork"))
def test_each_mapping_of_ours_fits_its_form(name):
    """What the project ships loads for the form that it is for."""
    assert [path.stem for path in MAPPINGS.glob("*.json")] == ["ottehr-intake-paperwork"]
    load_mapping(mapping_for(name), load_flow(form_path(name).read_bytes()))


def _problems(raw) -> list[str]:
    with pytest.raises(MappingError) as caught:
        load_mapping(raw, FORM)
    return [str(one) for one in caught.value.problems]


def _patient(**elements) -> dict:
    return {"resources": {"patient": {"type": "Patient", "elements": elements}}}


@pytest.mark.parametrize(
    ("raw", "problem"),
    [
        ({"resurces": {}}, "mapping.resurces: is not a known key"),
        ({"questionnaire": "https://other"}, "questionnaire: is not the url of this flow"),
        ({"resources": []}, "resources: resources must be an object"),
        (
            {"resources": {"x": {"type": "Observation"}}},
            "resources.x.type: must be one of Patient, RelatedPerson, Coverage",
        ),
        (
            {"resources": {"x": {"type": "Patient"}}},
            'resources: there must be one Patient, and its role must be "patient"',
        ),
        (
            _patient(**{"name.givn": "name"}),
            "resources.patient.elements.name.givn: Patient has no such element to map to",
        ),
        (
            _patient(identifier="nobody"),
            'resources.patient.elements.identifier: "nobody" is not a linkId of this flow',
        ),
        (
            _patient(photo="card"),
            "resources.patient.elements.photo: Patient has no such element to map to",
        ),
        (
            _patient(**{"name.text": "card"}),
            'resources.patient.elements.name.text: "card" does not take an answer',
        ),
        (
            _patient(**{"name.text": {"fields": "name"}}),
            (
                "resources.patient.elements.name.text: must be a linkId, or an object with "
                "field, fixed, or copy and when"
            ),
        ),
        (
            _patient(gender={"field": "sex", "values": {"F": "female", "M": "male"}}),
            'resources.patient.elements.gender: "X", an answer of "sex", does not fit',
        ),
        (
            _patient(gender={"field": "sex", "values": dict.fromkeys("FMXY", "other")}),
            'resources.patient.elements.gender.values: "Y" is not an answer of "sex"',
        ),
        (
            _patient(gender={"fixed": "neither"}),
            "resources.patient.elements.gender.fixed: is not a valid value of that element",
        ),
        (
            _patient(address={"copy": "kin", "when": "same"}),
            'resources.patient: copies from "kin", which is not a role of this mapping',
        ),
        (
            _patient(address={"copy": "patient", "when": "name"}),
            "resources.patient.elements.address.when: is not a boolean question",
        ),
        (
            {"resources": {"kin": {"type": "RelatedPerson", "each": "name"}}},
            'resources.kin.each: "name" is not a repeating group',
        ),
        (
            {"resources": {"plan": {"type": "Coverage", "subscriber": "kin"}}},
            "resources.plan.subscriber: must be the role of a RelatedPerson",
        ),
        (
            {"resources": {"plan": {"type": "Coverage", "order": 0}}},
            "resources.plan.order: must be a whole number, 1 or more",
        ),
        ({"documents": {"name": {"code": "1"}}}, "documents.name: is not an attachment"),
        (
            {"documents": {"card": "1"}},
            "documents.card: must be an object with system, code, display",
        ),
        (
            {"consents": {"name": "treatment"}},
            "consents.name: is neither a signature nor a boolean question",
        ),
        (
            {"consents": {"same": "all"}},
            "consents.same: must be one of patient-privacy, research, treatment, adr",
        ),
        ({"signer": "patient"}, "signer: must be the role of a RelatedPerson"),
    ],
)
def test_each_thing_that_is_wrong_is_told_with_its_place(raw, problem):
    """What does not fit the flow is named with its place and reason."""
    assert _problems(raw) == [problem]


def test_all_that_is_wrong_is_told_at_once():
    """Not only the first problem is told."""
    raw = _patient(**{"name.givn": "name", "birthDate": "nobody"}) | {"signer": 1}
    assert len(_problems(raw)) == 3


@pytest.mark.parametrize(
    "raw",
    [
        {"resources": {"patient": {"type": []}}},
        {"signer": []},
        {"resources": {"p": {"type": "Coverage", "subscriber": []}}},
        {"resources": {"p": {"type": "Patient", "elements": 3}}},
        _patient(gender={"field": "sex", "values": 3}),
        _patient(**{"name.text": {"field": {}}}),
        _patient(gender={"fixed": {"x": 1}}),
        {"consents": {"same": []}},
        {"documents": {"card": {"code": 3}}},
    ],
)
def test_json_of_any_shape_is_refused_and_not_stumbled_over(raw):
    """Values of the wrong JSON type are problems as well."""
    assert _problems(raw)


_NAMES = st.sampled_from(["name", "sex", "same", "card", "kin", "kin-name", "patient", "1"])
_PATHS = st.sampled_from(["name.text", "gender", "address", "telecom:a.value", "order", "x..y"])
_LEAVES = _NAMES | st.sampled_from(["Patient", "female", 0, 1, 2.5, True, None, "treatment"])
_RULE_KEYS = st.sampled_from(["field", "values", "of", "fixed", "copy", "when"])
_ANY = st.recursive(_LEAVES, lambda one: st.lists(one) | st.dictionaries(_RULE_KEYS, one))
_RESOURCE = st.fixed_dictionaries(
    {"type": st.sampled_from(["Patient", "RelatedPerson", "Coverage"]) | _ANY},
    optional={
        "elements": st.dictionaries(_PATHS, _ANY) | _ANY,
        "subscriber": _ANY,
        "order": _ANY,
        "each": _ANY,
    },
)
_RAW = st.fixed_dictionaries(
    {},
    optional={
        "resources": st.dictionaries(_NAMES, _RESOURCE) | _ANY,
        "documents": st.dictionaries(_NAMES, _ANY) | _ANY,
        "consents": st.dictionaries(_NAMES, _ANY) | _ANY,
        "signer": _ANY,
    },
)


@settings(deadline=None)  # a whole export, on a machine that may be busy
@given(_RAW)
def test_whatever_a_file_holds_it_is_read_or_refused(raw):
    """No JSON makes the reader stumble; what it takes can be exported."""
    try:
        load_mapping(raw, FORM)
    except MappingError:
        return
    transaction(record_of(answering(FORM, name="Amina", sex="F", same=True), raw))


def test_a_mapping_makes_what_it_says():
    """Values are replaced, nothing is made of null, instances become resources of their own."""
    mapping = _patient(
        **{
            "name.text": "name",
            "gender": {"field": "sex", "values": {"F": "female", "M": "male", "X": None}},
        }
    )
    mapping["resources"]["kin"] = {
        "type": "RelatedPerson",
        "each": "kin",
        "elements": {"name.text": "kin-name", "relationship": {"fixed": {"text": "Kin"}}},
    }
    patient = answering(FORM, name="Amina", sex="F")
    patient.held.answers.update({"kin[0].kin-name": "Ben", "kin[1].kin-name": "Ada"})
    patient.held.instances["kin"] = 2
    bundle = transaction(record_of(patient, mapping))
    assert problems(bundle) == []
    assert the(bundle, "Patient")["gender"] == "female"
    kin = of_type(bundle, "RelatedPerson")
    assert [one["name"][0]["text"] for one in kin] == ["Ben", "Ada"]
    assert all(one["relationship"] == [{"text": "Kin"}] for one in kin)
    patient.held.answers["sex"] = "X"
    assert "gender" not in the(transaction(record_of(patient, mapping)), "Patient")


def test_a_mapping_takes_the_place_of_definitions():
    """With a mapping, what the form itself says is not looked at."""
    definition = "http://hl7.org/fhir/StructureDefinition/Patient#Patient.name.text"
    flow = flow_of({"linkId": "name", "type": "string", "definition": definition})
    patient = answering(flow, name="Amina")
    assert "name" in the(transaction(record_of(patient)), "Patient")
    assert "name" not in the(transaction(record_of(patient, {})), "Patient")
