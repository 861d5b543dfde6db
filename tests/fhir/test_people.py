"""Who is what to whom, and who pays."""

import pytest

from session_controller.export.fhir import transaction
from session_controller.export.fhir.relationships import inverse, standing_of, with_role_code
from tests.fhir.checks import named, of_type, problems, the
from tests.fhir.records import answering, evidence, record_of
from tests.flow.filling import flow_of, our_flow

_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
_SD = "http://hl7.org/fhir/StructureDefinition/"


def context(kind: str) -> dict:
    """Open a context of extraction."""
    return {"url": _SDC + "sdc-questionnaire-itemExtractionContext", "valueCode": kind}


def element(path: str) -> str:
    """Spell an element's definition."""
    return f"{_SD}{path.partition('.')[0]}#{path}"


def covered(relationship: str, *, repeats: bool = False):
    """A form that asks for a coverage and its subscriber, with this item for what they are."""
    asked = {
        "linkId": "relation",
        "type": "string",
        "definition": element(relationship),
    }
    subscriber = {
        "linkId": "holder",
        "type": "group",
        "extension": [context("RelatedPerson")],
        "item": [
            {
                "linkId": "holder-name",
                "type": "string",
                "definition": element("RelatedPerson.name.text"),
            },
            *([asked] if relationship.startswith("RelatedPerson") else []),
        ],
    }
    return flow_of(
        {
            "linkId": "plan",
            "type": "group",
            "repeats": repeats,
            "extension": [context("Coverage")],
            "item": [
                {
                    "linkId": "member",
                    "type": "string",
                    "definition": element("Coverage.subscriberId"),
                },
                *([asked] if relationship.startswith("Coverage") else []),
                subscriber,
            ],
        }
    )


@pytest.mark.parametrize(
    ("said", "patient_is", "subscriber_is"),
    [
        ("Child", "child", "PRN"),
        ("Parent", "parent", "CHILD"),
        ("Spouse", "spouse", "SPS"),
        ("Common Law Spouse", "common", "DOMPART"),
    ],
)
def test_what_the_patient_is_to_the_subscriber_stays_and_turns_for_the_subscriber(
    said, patient_is, subscriber_is
):
    """Asked what the patient is: Coverage has it so, RelatedPerson the inverse."""
    flow = covered("Coverage.relationship")
    bundle = transaction(
        record_of(answering(flow, member="M1", relation=said, holder_name="Ben Okafor"))
    )
    coverage, holder = the(bundle, "Coverage"), the(bundle, "RelatedPerson")
    assert coverage["relationship"]["coding"][0]["code"] == patient_is
    assert holder["relationship"][0]["coding"][0]["code"] == subscriber_is
    assert named(bundle, coverage["subscriber"]) == holder
    assert named(bundle, coverage["beneficiary"])["resourceType"] == "Patient"


@pytest.mark.parametrize(
    ("said", "patient_is", "subscriber_is"),
    [
        ("Child", "parent", "CHILD"),
        ("Mother", "child", "MTH"),
        ("Spouse", "spouse", "SPS"),
        ("Legal Guardian", "other", "GUARD"),
    ],
)
def test_what_the_subscriber_is_to_the_patient_stays_and_turns_for_the_coverage(
    said, patient_is, subscriber_is
):
    """Asked what the subscriber is: RelatedPerson has it so, Coverage the inverse."""
    flow = covered("RelatedPerson.relationship")
    bundle = transaction(
        record_of(answering(flow, member="M1", relation=said, holder_name="Ben Okafor"))
    )
    coverage, holder = the(bundle, "Coverage"), the(bundle, "RelatedPerson")
    assert coverage["relationship"]["coding"][0]["code"] == patient_is
    assert holder["relationship"][0]["coding"][0]["code"] == subscriber_is


@pytest.mark.parametrize("of", ["patient", "subscriber"])
def test_a_mapping_says_whose_relationship_its_question_asks_for(of):
    """In a mapping file, `of` turns the relationship of the coverage, or leaves it."""
    flow = flow_of(
        {"linkId": "member", "type": "string"},
        {"linkId": "relation", "type": "string"},
        {"linkId": "holder", "type": "string"},
    )
    mapping = {
        "resources": {
            "holder": {"type": "RelatedPerson", "elements": {"name.text": "holder"}},
            "plan": {
                "type": "Coverage",
                "subscriber": "holder",
                "elements": {
                    "subscriberId": "member",
                    "relationship": {"field": "relation", "of": of},
                },
            },
        }
    }
    patient = answering(flow, member="M1", relation="child", holder="Ben")
    bundle = transaction(record_of(patient, mapping))
    code = the(bundle, "Coverage")["relationship"]["coding"][0]["code"]
    role = the(bundle, "RelatedPerson")["relationship"][0]["coding"][0]["code"]
    assert (code, role) == (("child", "PRN") if of == "patient" else ("parent", "CHILD"))


def test_who_is_insured_by_themselves_is_no_related_person():
    """`self` makes the patient the subscriber, whatever name was typed beside it."""
    flow = covered("Coverage.relationship")
    bundle = transaction(
        record_of(answering(flow, member="M1", relation="Self", holder_name="Amina Okafor"))
    )
    assert of_type(bundle, "RelatedPerson") == []
    coverage = the(bundle, "Coverage")
    assert named(bundle, coverage["subscriber"])["resourceType"] == "Patient"
    assert coverage["relationship"]["coding"][0]["code"] == "self"


def test_turning_twice_is_not_turning():
    """The inverse of the inverse is the same, but where `injured` becomes `other`."""
    for standing in ("self", "child", "parent", "spouse", "common", "other"):
        assert inverse(inverse(standing)) == standing
    assert inverse("child") == "parent"


def test_a_relationship_is_read_from_code_or_words():
    """Codes of RoleCode and plain words say the same; what is unknown is other."""
    assert standing_of({"coding": [{"code": "FTH"}]}) == "parent"
    assert standing_of({"text": " Spouse "}) == "spouse"
    assert standing_of({"text": "Neighbour"}) == "other"
    assert with_role_code({"text": "Legal Guardian"})["coding"][0]["code"] == "GUARD"
    assert with_role_code({"text": "Neighbour"}) == {"text": "Neighbour"}


def test_two_coverages_are_first_and_second_each_with_its_own_subscriber():
    """Instances of a repeating group are coverages in their order, with their own subscribers."""
    flow = covered("Coverage.relationship", repeats=True)
    patient = answering(flow)
    patient.held.answers.update(
        {
            "plan[0].member": "M1",
            "plan[0].relation": "Spouse",
            "plan[0].holder-name": "Ben Okafor",
            "plan[1].member": "M2",
            "plan[1].relation": "Child",
            "plan[1].holder-name": "Ada Okafor",
        }
    )
    patient.held.instances["plan"] = 2
    bundle = transaction(record_of(patient))
    assert problems(bundle) == []
    coverages = of_type(bundle, "Coverage")
    assert [(one["order"], one["subscriberId"]) for one in coverages] == [(1, "M1"), (2, "M2")]
    holders = [named(bundle, one["subscriber"])["name"] for one in coverages]
    assert holders == [[{"text": "Ben Okafor"}], [{"text": "Ada Okafor"}]]
    assert [one["relationship"]["coding"][0]["code"] for one in coverages] == ["spouse", "child"]


def test_a_coverage_without_payor_says_that_it_is_unknown():
    """FHIR wants a payor; where the form asks for none, the reason for its absence stands there."""
    flow = covered("Coverage.relationship")
    coverage = the(transaction(record_of(answering(flow, member="M1"))), "Coverage")
    assert coverage["payor"][0]["extension"][0]["valueCode"] == "unknown"
    assert "subscriber" not in coverage


def _signing_form():
    """A form that itself asks who signs, around its signature."""
    return flow_of(
        {
            "linkId": "agreement",
            "type": "group",
            "extension": [context("RelatedPerson")],
            "item": [
                {
                    "linkId": "signer",
                    "type": "string",
                    "definition": element("RelatedPerson.relationship"),
                },
                {
                    "linkId": "signer-name",
                    "type": "string",
                    "definition": element("RelatedPerson.name.text"),
                },
                {
                    "linkId": "signature",
                    "type": "display",
                    "text": "I agree.",
                    "extension": [SIGNED],
                },
            ],
        }
    )


SIGNED = {
    "url": _SD + "questionnaire-signatureRequired",
    "valueCodeableConcept": {"text": "Consent"},
}


def _signed_by(flow, answers=(), **who):
    patient = answering(flow, **dict(answers))
    signature = evidence(patient, "signature", **who)
    return transaction(record_of(patient, signatures=(signature,)))


_GUARDIAN = {"signer": "Legal Guardian", "signer_name": "Ben Okafor"}


@pytest.mark.parametrize(
    "who",
    [
        {},
        {"printed_name": "Ben  Okafor", "relationship": "GUARD"},
        {"printed_name": "ben okafor"},
    ],
    ids=["by the form", "by evidence and form", "by name"],
)
def test_a_guardian_who_signs_is_one_related_person(who):
    """The guardian of the form and of the evidence is one person, who performs and signs."""
    bundle = _signed_by(_signing_form(), _GUARDIAN, **who)
    assert problems(bundle) == []
    _is_signed_by(bundle, the(bundle, "RelatedPerson"), "GUARD")


@pytest.mark.parametrize(("said", "code"), [("Mother", "MTH"), ("GUARD", "GUARD"), ("prn", "PRN")])
def test_a_signer_whom_the_form_does_not_name_is_added(said, code):
    """Who signs for the patient by the evidence alone is a related person of their own."""
    bundle = _signed_by(our_flow("quick-check-in"), printed_name="Ada Okafor", relationship=said)
    assert problems(bundle) == []
    signer = the(bundle, "RelatedPerson")
    assert signer["name"] == [{"text": "Ada Okafor"}]
    _is_signed_by(bundle, signer, code)


def test_a_signer_who_is_none_of_those_the_form_names_is_one_more():
    """Somebody else than the form's guardian may sign."""
    bundle = _signed_by(
        _signing_form(), _GUARDIAN, printed_name="Ada Okafor", relationship="Mother"
    )
    _, mother = of_type(bundle, "RelatedPerson")
    _is_signed_by(bundle, mother, "MTH")


def test_a_subscriber_who_signs_is_one_person_with_what_the_signature_adds():
    """Who holds the insurance and signs is one; what they are to the patient the signature says."""
    answers = {
        "payment": {"code": "insurance"},
        "member-id": "M1",
        "subscriber-relationship": {"code": "other"},
        "subscriber-first-name": "Ada",
        "subscriber-last-name": "Okafor",
    }
    patient = answering(our_flow("pre-registration"))
    patient.held.answers.update(answers)
    signed = evidence(patient, "signature", printed_name="Ada Okafor", relationship="GUARD")
    bundle = transaction(record_of(patient, signatures=(signed,)))
    guardian = the(bundle, "RelatedPerson")
    _is_signed_by(bundle, guardian, "GUARD")
    assert named(bundle, the(bundle, "Coverage")["subscriber"]) == guardian


def _is_signed_by(bundle: dict, person: dict, code: str) -> None:
    assert person["relationship"][0]["coding"][0]["code"] == code
    consent, provenance = the(bundle, "Consent"), the(bundle, "Provenance")
    assert named(bundle, consent["performer"][0]) == person
    assert named(bundle, consent["patient"])["resourceType"] == "Patient"
    assert named(bundle, provenance["signature"][0]["who"]) == person
    assert named(bundle, provenance["agent"][0]["onBehalfOf"])["resourceType"] == "Patient"


def test_a_patient_who_signs_is_the_patient():
    """`I sign for myself` makes no related person."""
    bundle = _signed_by(_signing_form(), {"signer": "Self"}, printed_name="Amina Okafor")
    assert of_type(bundle, "RelatedPerson") == []
    who = the(bundle, "Provenance")["signature"][0]["who"]
    assert named(bundle, who)["resourceType"] == "Patient"
    assert who["display"] == "Amina Okafor"
