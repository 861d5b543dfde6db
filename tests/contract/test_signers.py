"""Who signs which text: languages, names, relationships, withdrawing, and the time of reading."""

import hashlib
import re

import pytest

from .forms import SIGNATURE as SIGNATURE_REQUIRED
from .forms import STROKES, extension, form, item
from .raw import Json, Pair, Room


def requested(pair: Pair) -> str:
    """Ask for the signature; give the hash of what is to be signed."""
    pair.lead("REQUEST_SIGNATURE", field_id="agree")
    view = pair.patient.view(
        pair.session, lambda v: (v["signature"] or {}).get("status") == "requested"
    )
    digest: str = view["signature"]["document_sha256"]
    return digest


def spanish(text: str) -> Json:
    """Make the `_text` of an item: its translation, as FHIR R4 has it."""
    url = "http://hl7.org/fhir/StructureDefinition/translation"
    parts = [{"url": "lang", "valueCode": "es"}, {"url": "content", "valueString": text}]
    return {"extension": [{"url": url, "extension": parts}]}


TWO_TONGUES = {
    **form(
        "two-tongues",
        item(
            "step",
            "group",
            item=[
                item(
                    "notice",
                    "display",
                    "Read this.",
                    extension=[extension("consent", "Boolean", True)],
                    _text=spanish("Lea esto."),
                ),
                item(
                    "agree",
                    "display",
                    "I agree.",
                    extension=[SIGNATURE_REQUIRED],
                    _text=spanish("Estoy de acuerdo."),
                ),
            ],
        ),
        item("end", "group", item=[item("remark", "string")]),
    ),
    "language": "en",
}


@pytest.fixture
def tongues(clinic: Room) -> Pair:
    """A session whose texts come in English and in Spanish."""
    return Pair(clinic, TWO_TONGUES)


def submit(pair: Pair, digest: str, **more: str) -> Json:
    """Sign."""
    signed = {"field_id": "agree", "strokes": STROKES, "document_sha256": digest}
    return pair.fill("SUBMIT_SIGNATURE", **signed, **more)


def test_the_request_names_the_text_in_each_language(tongues: Pair) -> None:
    """`documents_sha256` is of the texts of the step, a blank line between, in that language."""
    digest = requested(tongues)
    hashes = tongues.both()[1]["signature"]["documents_sha256"]
    assert hashes == {
        "en": hashlib.sha256(b"Read this.\n\nI agree.").hexdigest(),
        "es": hashlib.sha256(b"Lea esto.\n\nEstoy de acuerdo.").hexdigest(),
    }
    assert hashes["en"] == digest


def test_the_text_is_signed_in_the_language_that_was_shown(tongues: Pair) -> None:
    """With `language`, `document_sha256` is of that text; another pair is `document_changed`."""
    digest = requested(tongues)
    spanish_digest = tongues.both()[1]["signature"]["documents_sha256"]["es"]
    for wrong, language in ((digest, "es"), (spanish_digest, "en"), (digest, "fr")):
        refusal = tongues.fill_in_vain(
            "SUBMIT_SIGNATURE",
            "document_changed",
            field_id="agree",
            strokes=STROKES,
            document_sha256=wrong,
            language=language,
        )
        assert re.fullmatch("[0-9a-f]{64}", refusal["details"]["document_sha256"])
    submit(tongues, spanish_digest, language="es")
    shown = tongues.both()[0]["signatures"]["agree"]
    assert (shown["document_sha256"], shown["language"]) == (spanish_digest, "es")


def test_somebody_signs_for_the_patient(tongues: Pair) -> None:
    """The staff sees who asked, who signed, as what and when; the patient's view stays bare."""
    tongues.lead("REQUEST_SIGNATURE", field_id="agree", staff_name="Sam Poe")
    digest = tongues.patient.view(tongues.session, lambda v: v["signature"])["signature"]
    submit(tongues, digest["document_sha256"], printed_name="Ana Roe", relationship="parent")
    staff, patient = tongues.both()
    shown = staff["signatures"]["agree"]
    assert shown == staff["signature"]
    assert (shown["printed_name"], shown["relationship"]) == ("Ana Roe", "parent")
    assert shown["staff_name"] == "Sam Poe"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shown["at"])
    assert set(patient["signature"]) == {"field_id", "status", "document_sha256", "covers"}


@pytest.mark.parametrize(
    "more",
    [{"relationship": "parent"}, {"printed_name": ""}, {"printed_name": 7}, {"language": 7}],
)
def test_a_signer_who_is_none_is_malformed(tongues: Pair, more: Json) -> None:
    """A relationship needs a name, and a name is a text."""
    digest = requested(tongues)
    signed = {"field_id": "agree", "strokes": STROKES, "document_sha256": digest}
    tongues.fill_in_vain("SUBMIT_SIGNATURE", "malformed", **signed, **more)


def test_a_signature_is_withdrawn(tongues: Pair) -> None:
    """WITHDRAW_SIGNATURE: `withdrawn`, with its reason for the staff; it is missing then."""
    tongues.fill("REPORT_READING", field_id="notice", fraction=1)
    submit(tongues, requested(tongues))
    tongues.fill("WITHDRAW_SIGNATURE", field_id="agree", reason="I want to ask first")
    staff, patient = tongues.both()
    assert patient["signature"]["status"] == "withdrawn"
    assert staff["signatures"]["agree"]["reason"] == "I want to ask first"
    refusal = tongues.lead_in_vain("NAVIGATE", "step_incomplete", step_id="end")
    assert refusal["details"]["fields"] == ["agree"]
    submit(tongues, requested(tongues))
    tongues.go("end")
    tongues.fill_in_vain("WITHDRAW_SIGNATURE", "field_not_on_this_step", field_id="agree")


def test_what_does_not_stand_is_not_withdrawn(tongues: Pair) -> None:
    """Nothing signed, another kind, another role, signing under way, an ended session."""
    for sender, code, field in (
        ("patient", "no_signature_requested", "agree"),
        ("patient", "wrong_field_kind", "notice"),
        ("patient", "unknown_field", "nothing"),
        ("staff", "not_allowed_for_role", "agree"),
    ):
        tongues.refuse_while(code, [(sender, "WITHDRAW_SIGNATURE", {"field_id": field})])
    requested(tongues)
    tongues.fill_in_vain("WITHDRAW_SIGNATURE", "locked_for_signature", field_id="agree")


def test_the_time_of_reading_is_kept(tongues: Pair) -> None:
    """`seconds` only grows, on both screens, is optional, and no more than the box saw pass."""
    read = {"field_id": "notice", "fraction": 1}
    tongues.fill("REPORT_READING", **read)
    assert "reading_seconds" not in tongues.both()[1]
    for seconds, told in ((0.002, 0.002), (0.001, 0.002), (0.003, 0.003)):
        tongues.fill("REPORT_READING", **read, seconds=seconds)
        assert [v["reading_seconds"] for v in tongues.both()] == [{"notice": told}] * 2
    tongues.fill("REPORT_READING", **read)
    assert tongues.both()[0]["reading_seconds"] == {"notice": 0.003}
    tongues.fill("REPORT_READING", **read, seconds=86_400)
    assert 0.003 <= tongues.both()[0]["reading_seconds"]["notice"] < 120
    tongues.fill_in_vain("REPORT_READING", "malformed", **read, seconds=-1)
