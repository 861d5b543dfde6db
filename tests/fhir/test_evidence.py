"""Consents, signatures and where they come from."""

import base64
import hashlib
import json

import pytest

from session_controller.export.fhir import transaction
from session_controller.export.fhir.strokes import as_svg
from session_controller.forms.answers import consent_document
from tests.fhir.checks import named, of_type, problems, the
from tests.fhir.records import answering, evidence, record_of
from tests.flow.filling import our_flow


def _decided(*changes):
    patient = answering(our_flow("quick-check-in"), last_name="Okafor")
    signatures = tuple(
        evidence(patient, "signature", revision=80 + number, **one)
        for number, one in enumerate(changes)
    )
    return signatures, transaction(record_of(patient, signatures=signatures))


@pytest.mark.parametrize(
    ("outcomes", "status", "provision"),
    [
        (["signed"], "active", "permit"),
        (["declined"], "rejected", "deny"),
        (["signed", "withdrawn"], "inactive", "deny"),
        (["declined", "signed"], "active", "permit"),
        (["signed", "withdrawn", "signed"], "active", "permit"),
    ],
)
def test_a_consent_stands_as_it_was_decided_last(outcomes, status, provision):
    """Signed is active, declined rejected, withdrawn inactive; each decision has its Provenance."""
    _, bundle = _decided(*({"outcome": one, "reason": "why"} for one in outcomes))
    assert problems(bundle) == []
    consent = the(bundle, "Consent")
    assert (consent["status"], consent["provision"]["type"]) == (status, provision)
    decisions = of_type(bundle, "Provenance")
    assert [one["activity"]["text"] for one in decisions] == outcomes
    assert all(named(bundle, one["target"][0]) == consent for one in decisions)
    assert ["signature" in one for one in decisions] == [one == "signed" for one in outcomes]


def test_what_was_declined_and_then_signed_in_another_language_is_rejected_no_more():
    """The texts differ, so there are two consents; the last outcome of the signature counts."""
    _, bundle = _decided({"outcome": "declined", "document_sha256": "a" * 64}, {})
    assert [one["status"] for one in of_type(bundle, "Consent")] == ["inactive", "active"]


def test_an_earlier_patient_s_outcome_is_not_of_the_patient_of_now():
    """It has an inactive consent of its own, and only the printed name says who signed."""
    for outcome in ("signed", "declined"):
        earlier = {"outcome": outcome, "other_patient": True, "printed_name": "Original Name"}
        _, bundle = _decided(earlier, {})
        assert problems(bundle) == []
        before, now = of_type(bundle, "Consent")
        assert (before["status"], now["status"]) == ("inactive", "active")
        assert "reference" not in before["patient"]
        assert before["performer"] == [{"display": "Original Name"}]
        decision, _ = of_type(bundle, "Provenance")
        assert named(bundle, decision["target"][0]) == before
        assert decision["agent"][0]["who"] == {"display": "Original Name"}
        assert "onBehalfOf" not in decision["agent"][0]
        assert [one["who"] for one in decision.get("signature", [])] in (
            [],
            [{"display": "Original Name"}],
        )


def test_a_declined_or_withdrawn_text_is_not_signed_in_the_response():
    """Only a signature that still stands is in the response, and only it vouches for it."""
    for outcomes in (["declined"], ["signed", "withdrawn"]):
        _, bundle = _decided(*({"outcome": one} for one in outcomes))
        assert "valueSignature" not in json.dumps(the(bundle, "QuestionnaireResponse"))
        targets = [t["type"] for one in of_type(bundle, "Provenance") for t in one["target"]]
        assert set(targets) == {"Consent"}
    _, bundle = _decided({})
    assert "valueSignature" in json.dumps(the(bundle, "QuestionnaireResponse"))
    assert [t["type"] for t in the(bundle, "Provenance")["target"]] == [
        "Consent",
        "QuestionnaireResponse",
    ]


def test_a_consent_holds_the_exact_text():
    """The text that was shown is attached byte for byte, with its hash."""
    (signed,), bundle = _decided({})
    attachment = the(bundle, "Consent")["sourceAttachment"]
    data = base64.b64decode(attachment["data"])
    assert data.decode() == signed.text
    assert hashlib.sha256(data).hexdigest() == signed.document_sha256
    assert attachment["extension"][0]["valueString"] == signed.document_sha256
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(data).digest()  # noqa: S324


def test_a_text_that_changed_is_another_consent_and_the_older_one_falls():
    """A newer text's decision makes the older text's consent inactive."""
    older = "An older text."
    sha256 = hashlib.sha256(older.encode()).hexdigest()
    _, bundle = _decided({"text": older, "document_sha256": sha256}, {})
    assert [one["status"] for one in of_type(bundle, "Consent")] == ["inactive", "active"]


def test_a_signature_for_a_text_that_reads_otherwise_by_now_does_not_stand():
    """Where the signed text has changed since, the consent is inactive, the response unsigned."""
    older = "An older text."
    sha256 = hashlib.sha256(older.encode()).hexdigest()
    _, bundle = _decided({"text": older, "document_sha256": sha256})
    assert the(bundle, "Consent")["status"] == "inactive"
    assert "valueSignature" not in json.dumps(the(bundle, "QuestionnaireResponse"))


def test_a_text_that_was_shown_translated_stands():
    """The text binds in the language in which it was shown."""
    patient = answering(our_flow("quick-check-in"), last_name="Okafor")
    text = consent_document(patient.flow, "signature", patient.held.answers, {}, "es").decode()
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    signed = evidence(patient, "signature", text=text, document_sha256=sha256, language="es")
    bundle = transaction(record_of(patient, signatures=(signed,), language="es"))
    assert the(bundle, "Consent")["status"] == "active"
    assert the(bundle, "Consent")["sourceAttachment"]["language"] == "es"


def test_a_provenance_says_who_when_how_and_what_was_read():
    """The evidence is whole: meaning, hash, device, staff, reading, revision and chain."""
    (signed,), bundle = _decided({"printed_name": "Amina Okafor"})
    provenance = the(bundle, "Provenance")
    (extension,) = provenance["extension"]
    told = {one["url"]: one for one in extension["extension"]}
    assert told["chain"]["valueString"] == signed.chain
    assert told["revision"]["valueInteger"] == signed.revision
    assert told["staff"]["valueString"] == "R. Molina"
    assert told["decided-on"]["valueString"] == "kiosk-1"
    assert told["meaning"]["valueString"] == signed.meaning
    (signature,) = provenance["signature"]
    assert signature["sigFormat"] == "image/svg+xml"
    assert base64.b64decode(signature["data"]) == as_svg(signed.strokes)
    assert signature["who"]["display"] == "Amina Okafor"
    assert provenance["agent"][1]["who"] == {"display": "R. Molina"}


def test_a_picture_holds_the_strokes_exactly():
    """Each stroke is drawn, a dot too, and all points stand in it with their times."""
    strokes = (((0.5, 0.5, 0.0),), ((0.1, 0.2, 5.0), (0.3, 0.4, 9.5)))
    svg = as_svg(strokes).decode()
    assert svg.count("<polyline") == 2
    assert 'points="300.0,100.0 300.0,100.0"' in svg
    exact = json.loads(svg.partition("<metadata>")[2].partition("</metadata>")[0])
    assert exact == [[list(point) for point in stroke] for stroke in strokes]
