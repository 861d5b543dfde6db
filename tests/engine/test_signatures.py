"""Asking, signing, declining and withdrawing: every rule and refusal, and old logs."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.base import written
from schemas.wire.rejections import RejectionCode as Code
from schemas.wire.views import SignatureStatus
from session_controller.engine import events as f
from session_controller.engine.context import StoredUpload
from session_controller.engine.events import FACT
from session_controller.engine.history import replay
from session_controller.engine.session import Session
from session_controller.storage.rows import STATE
from tests.engine.play import OTHER, Play, flow_of, item

SIGNED = {
    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-signatureRequired",
    "valueCodeableConcept": {"coding": [{"code": "1.2.840.10065.1.12.1.7"}]},
}
CONSENT = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
STROKES = [[[0.1, 0.1, 0], [0.2, 0.3, 16]]]


def spanish(text: str) -> dict[str, Any]:
    """Write the translation of a text."""
    lang, content = {"url": "lang", "valueCode": "es"}, {"url": "content", "valueString": text}
    url = "http://hl7.org/fhir/StructureDefinition/translation"
    return {"extension": [{"url": url, "extension": [lang, content]}]}


FLOW = flow_of(
    item(
        "agree",
        "group",
        item=[
            item("terms", "display", extension=[CONSENT], _text=spanish("Las condiciones")),
            item("students", "boolean"),
            item(
                "more",
                "display",
                extension=[CONSENT],
                enableWhen=[{"question": "students", "operator": "=", "answerBoolean": True}],
            ),
            item(
                "sign",
                "display",
                required=True,
                extension=[SIGNED],
                _text=spanish("Estoy de acuerdo"),
            ),
        ],
    ),
    item("end", "group", item=[item("note", "string")]),
)


@pytest.fixture
def play() -> Play:
    """Begin a session whose text has been read."""
    play = Play(FLOW)
    play.patient("REPORT_READING", field_id="terms", fraction=1)
    return play


def asked(play: Play, **more: Any) -> dict[str, str]:
    """Ask for the signature; give the hash of the text in each language."""
    assert isinstance(play.host("REQUEST_SIGNATURE", field_id="sign", **more), f.SignatureRequested)
    shown = play.patient_view.signature
    assert shown is not None
    return {"": shown.document_sha256, **(shown.documents_sha256 or {})}


def submit(play: Play, sha256: str, **more: Any) -> f.Fact | Code:
    """Sign."""
    signed = {"field_id": "sign", "strokes": STROKES, "document_sha256": sha256}
    return play.patient("SUBMIT_SIGNATURE", **signed, **more)


def status(play: Play) -> SignatureStatus:
    """Return the status of the signature."""
    return play.session.state.signatures["sign"].status


def test_a_signature_binds_the_language_that_was_shown(play: Play) -> None:
    """The hash of the Spanish text is signed as Spanish, and only as Spanish."""
    hashes = asked(play)
    assert submit(play, hashes["es"]) is Code.DOCUMENT_CHANGED
    assert submit(play, hashes[""], language="es") is Code.DOCUMENT_CHANGED
    signed = submit(play, hashes["es"], language="es")
    assert isinstance(signed, f.Signed)
    assert (signed.language, signed.document_sha256) == ("es", hashes["es"])
    assert isinstance(play.host("NAVIGATE", step_id="end"), f.Navigated)


def test_a_dialect_is_served_by_its_language(play: Play) -> None:
    """Who was shown `es-MX` signs the text in `es`, and the log names that."""
    signed = submit(play, asked(play)["es"], language="es-MX")
    assert isinstance(signed, f.Signed)
    assert signed.language == "es"


def test_a_language_that_was_not_shown_is_refused(play: Play) -> None:
    """Nobody can have read the text in a language that it does not come in."""
    hashes = asked(play)
    assert submit(play, hashes[""], language="fr") is Code.DOCUMENT_CHANGED
    assert status(play) is SignatureStatus.REQUESTED


def test_a_text_without_a_translation_is_signed_as_it_is_written() -> None:
    """Where the words are the same in both languages, no translation is claimed."""
    text = item("sign", "display", extension=[SIGNED])
    play = Play(flow_of(item("agree", "group", item=[text], _text=spanish("De acuerdo"))))
    hashes = asked(play)
    assert hashes["es"] == hashes[""]
    signed = submit(play, hashes["es"], language="es")
    assert isinstance(signed, f.Signed)
    assert signed.language is None


def test_a_text_in_one_language_has_one_hash() -> None:
    """Where there is nothing to choose, the view names the one hash."""
    play = Play(flow_of(item("agree", "group", item=[item("sign", "display", extension=[SIGNED])])))
    asked(play)
    assert play.patient_view.signature is not None
    assert play.patient_view.signature.documents_sha256 is None


def test_a_translation_goes_stale_with_its_text(play: Play) -> None:
    """A signature under the Spanish text is missing again once another text is shown."""
    submit(play, asked(play)["es"], language="es")
    play.enter("students", True)
    play.patient("REPORT_READING", field_id="more", fraction=1)
    assert play.host("NAVIGATE", step_id="end") is Code.STEP_INCOMPLETE
    assert play.staff_view.missing == ("sign",)
    play.patient("CLEAR_FIELD", field_id="students")
    assert play.staff_view.missing == ()


def test_a_text_that_changes_while_it_is_asked_for_is_not_signed() -> None:
    """The staff rejects a document meanwhile, and a text goes with it: it is asked for anew."""
    on_photo = [{"question": "photo", "operator": "exists", "answerBoolean": True}]
    texts = [
        item("photo", "attachment"),
        item("more", "display", extension=[CONSENT], enableWhen=on_photo),
        item("sign", "display", extension=[SIGNED]),
    ]
    play = Play(flow_of(item("agree", "group", item=texts)))
    play.stored = StoredUpload(3, "a" * 64)
    photo = {"field_id": "photo", "size": 3, "sha256": "a" * 64, "media_type": "image/png"}
    play.patient("BEGIN_UPLOAD", upload="u1", **photo)
    play.patient("FINISH_UPLOAD", upload="u1")
    play.patient("REPORT_READING", field_id="more", fraction=1)
    before = asked(play)[""]
    play.host("REVIEW_DOCUMENT", field_id="photo", accepted=False, reason="blurred")
    after = play.session.document_sha256("sign")
    assert after != before
    assert submit(play, before) is Code.DOCUMENT_CHANGED
    assert submit(play, after) is Code.DOCUMENT_CHANGED
    play.host("CANCEL_SIGNATURE")
    assert isinstance(submit(play, asked(play)[""]), f.Signed)


def test_the_staff_sees_who_signed_and_who_asked(play: Play) -> None:
    """Name, relationship, language and time; the patient's screen is told none of it."""
    sha256 = asked(play, staff_name="  Sam Poe ")["es"]
    submit(play, sha256, language="es", printed_name="Ana Roe", relationship="parent")
    shown = play.staff_view.signatures["sign"]
    assert (shown.printed_name, shown.relationship) == ("Ana Roe", "parent")
    assert (shown.language, shown.staff_name) == ("es", "Sam Poe")
    assert shown.at == play.events[-1].at
    assert shown == play.staff_view.signature
    assert b"Ana Roe" not in play.patient_view.to_json()


@pytest.mark.parametrize(
    "more",
    [
        {"relationship": "parent"},
        {"relationship": "parent", "printed_name": None},
        {"printed_name": " "},
        {"printed_name": "x" * 201},
        {"printed_name": "Ana\nRoe"},
        {"language": ""},
    ],
)
def test_a_signer_is_named_properly(play: Play, more: dict[str, Any]) -> None:
    """Who signs for somebody else has a name, and a name has letters."""
    sha256 = asked(play)[""]
    with pytest.raises(ValidationError):
        submit(play, sha256, **more)


def test_a_signature_needs_no_name(play: Play) -> None:
    """A screen that knows nothing of names signs as it always did."""
    assert isinstance(submit(play, asked(play)[""], relationship=None), f.Signed)


def test_a_withdrawn_signature_is_missing(play: Play) -> None:
    """It blocks moving on, the staff reads why, and it may be asked for again."""
    submit(play, asked(play)[""], printed_name="Ana Roe")
    withdrawn = play.patient("WITHDRAW_SIGNATURE", field_id="sign", reason="too soon")
    assert withdrawn == f.SignatureWithdrawn(field_id="sign", reason="too soon")
    shown = play.staff_view.signatures["sign"]
    assert (shown.status, shown.reason) == (SignatureStatus.WITHDRAWN, "too soon")
    assert play.patient_view.signature is not None
    assert play.patient_view.signature.status is SignatureStatus.WITHDRAWN
    assert play.staff_view.missing == ("sign",)
    assert play.host("COMPLETE") is Code.SESSION_INCOMPLETE
    assert isinstance(submit(play, asked(play)[""]), f.Signed)
    assert play.host("COMPLETE") == f.Completed()


def test_what_is_not_signed_is_not_withdrawn(play: Play) -> None:
    """Only a signature that stands can be taken back, and only once."""
    withdraw = ("WITHDRAW_SIGNATURE",)
    assert play.patient(*withdraw, field_id="sign") is Code.NO_SIGNATURE_REQUESTED
    assert play.patient(*withdraw, field_id="terms") is Code.WRONG_FIELD_KIND
    assert play.patient(*withdraw, field_id="nothing") is Code.UNKNOWN_FIELD
    hashes = asked(play)
    assert play.patient(*withdraw, field_id="sign") is Code.LOCKED_FOR_SIGNATURE
    play.patient("DECLINE_SIGNATURE", reason="not today")
    assert play.patient(*withdraw, field_id="sign") is Code.NO_SIGNATURE_REQUESTED
    asked(play)
    submit(play, hashes[""])
    assert isinstance(play.patient(*withdraw, field_id="sign"), f.SignatureWithdrawn)
    assert play.patient(*withdraw, field_id="sign") is Code.NO_SIGNATURE_REQUESTED


def test_a_signature_is_withdrawn_by_the_patient_on_its_step_in_time(play: Play) -> None:
    """Not by the staff, not from another step, not in a pause, and not after the end."""
    submit(play, asked(play)[""])
    assert play.host("WITHDRAW_SIGNATURE", field_id="sign") is Code.NOT_ALLOWED_FOR_ROLE
    assert play.send(OTHER, "WITHDRAW_SIGNATURE", field_id="sign") is Code.NOT_ALLOWED_FOR_ROLE
    play.host("PAUSE")
    assert play.patient("WITHDRAW_SIGNATURE", field_id="sign") is Code.SESSION_PAUSED
    play.host("RESUME")
    play.host("NAVIGATE", step_id="end")
    assert play.patient("WITHDRAW_SIGNATURE", field_id="sign") is Code.FIELD_NOT_ON_THIS_STEP
    play.host("COMPLETE")
    assert play.patient("WITHDRAW_SIGNATURE", field_id="sign") is Code.SESSION_ENDED


def test_the_time_of_reading_never_falls(play: Play) -> None:
    """It grows as told; a screen that does not tell it takes nothing away."""
    assert play.patient_view.reading_seconds is None
    for seconds, total in ((4.5, 4.5), (2, 4.5), (None, 4.5), (9, 9)):
        play.patient("REPORT_READING", field_id="terms", fraction=0.2, seconds=seconds)
        assert play.patient_view.reading_seconds == {"terms": total}
        assert play.staff_view.reading_seconds == {"terms": total}
    play.host("REQUEST_SIGNATURE", field_id="sign")
    play.patient("DECLINE_SIGNATURE")
    assert play.patient_view.reading == {"terms": 1}


@pytest.mark.parametrize("seconds", [-1, 10**9, "4", True])
def test_a_time_of_reading_is_a_time(play: Play, seconds: object) -> None:
    """A number of seconds, from 0 up to what a session can last."""
    with pytest.raises(ValidationError):
        play.patient("REPORT_READING", field_id="terms", fraction=1, seconds=seconds)


OLD = {
    "SignatureRequested": {
        "field_id": "sign",
        "document_sha256": "a" * 64,
        "covers": {"scope": "form", "patient": []},
    },
    "Signed": {
        "field_id": "sign",
        "document_sha256": "a" * 64,
        "covered_sha256": "a" * 64,
        "strokes": STROKES,
    },
    "SignatureDeclined": {"reason": None},
    "ReadingReported": {"field_id": "terms", "fraction": 0.5},
}


@pytest.mark.parametrize("kind", OLD)
def test_a_fact_is_read_without_what_is_optional(kind: str) -> None:
    """Names, languages, reasons and times need not be there."""
    fact = FACT.validate_python({"type": kind, **OLD[kind]})
    assert FACT.validate_json(written(fact)) == fact


def test_a_state_of_an_old_database_is_read(play: Play) -> None:
    """A signature that was kept without a language still stands."""
    submit(play, asked(play)[""])
    written = STATE.dump_python(play.session.state, mode="json")
    del written["reading_seconds"]
    for name in ("language", "printed_name", "relationship", "staff_name", "reason"):
        del written["signatures"]["sign"][name]
    again = Session.of(FLOW, STATE.validate_python(written))
    assert again.state == play.session.state
    assert again.assessment.complete


def test_replaying_gives_the_signatures(play: Play) -> None:
    """The log alone rebuilds who signed what, and for how long it was read."""
    play.patient("REPORT_READING", field_id="terms", fraction=1, seconds=31.5)
    submit(play, asked(play)["es"], language="es", printed_name="Ana Roe", relationship="parent")
    play.patient("WITHDRAW_SIGNATURE", field_id="sign")
    assert replay(FLOW, play.events).state == play.session.state


def test_nothing_is_not_signed() -> None:
    """Where no text is shown that a signature could be given for, it cannot be requested."""
    conditional = item(
        "terms",
        "display",
        extension=[CONSENT],
        enableWhen=[{"question": "asked", "operator": "=", "answerBoolean": True}],
    )
    wordless = item("sign", "display", text="", extension=[SIGNED])
    play = Play(flow_of(item("asked", "boolean"), conditional, wordless))
    assert play.host("REQUEST_SIGNATURE", field_id="sign") is Code.WRONG_FIELD_KIND
    play.enter("asked", value=True)
    assert isinstance(play.host("REQUEST_SIGNATURE", field_id="sign"), f.SignatureRequested)
