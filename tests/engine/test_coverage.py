"""What a signature is given for: a later change of that makes it missing, and nothing else does."""

from typing import Any

import pytest

from schemas.wire.rejections import RejectionCode as Code
from schemas.wire.views import CoversScope, SignatureStatus
from session_controller.engine import events as f
from session_controller.engine.evidence import SignatureEvidence, evidence
from tests.engine.play import Play, flow_of, item

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_PATIENT = f"{_CORE}Patient#Patient."
_SIGNED = {"url": f"{_CORE}questionnaire-signatureRequired"}
_ALL = {"url": "urn:handrail:fhir:signs-all-answers", "valueBoolean": True}
_STROKES = [[[0.1, 0.1, 0], [0.2, 0.3, 16]]]


def _form(*marks: dict[str, Any]) -> Play:
    signature = item("sign", "display", required=True, extension=[_SIGNED, *marks])
    play = Play(
        flow_of(
            item(
                "who",
                "group",
                item=[
                    item("name", "string", definition=f"{_PATIENT}name.family"),
                    item("born", "date", definition=f"{_PATIENT}birthDate"),
                    item("remark", "string"),
                ],
            ),
            item(
                "care",
                "group",
                item=[item("wish", "string"), item("count", "decimal"), signature],
            ),
            item("end", "group", item=[item("note", "string")]),
        )
    )
    play.identity = ("name", "born")
    play.enter("name", "Original")
    play.enter("born", "1980-01-31")
    play.enter("remark", "none")
    play.host("NAVIGATE", step_id="care")
    play.enter("wish", "everything")
    _sign(play)
    return play


def _sign(play: Play) -> None:
    assert isinstance(play.host("REQUEST_SIGNATURE", field_id="sign"), f.SignatureRequested)
    shown = play.patient_view.signature
    assert shown
    signed = {"strokes": _STROKES, "document_sha256": shown.document_sha256}
    outcome = play.patient("SUBMIT_SIGNATURE", field_id="sign", printed_name="O. Name", **signed)
    assert isinstance(outcome, f.Signed)


def _read(play: Play) -> list[SignatureEvidence]:
    return list(evidence(play.session, ((event, "") for event in play.events)))


@pytest.mark.parametrize(
    ("field_id", "value"),
    [
        ("name", "Child"),
        ("born", "2015-05-05"),
        ("wish", "no treatment"),
        ("count", 1.0),
    ],
)
def test_a_change_of_what_is_covered_makes_the_signature_missing(
    field_id: str, value: object
) -> None:
    """Who the patient is, and the answers of its step, changed or added; both screens say so."""
    play = _form()
    assert isinstance(play.enter(field_id, value), f.FieldEntered)
    assert play.host("NAVIGATE", step_id="end") is Code.STEP_INCOMPLETE
    assert play.refusal
    assert play.refusal.details["fields"] == ["sign"] or field_id == "count"
    assert play.staff_view.signatures["sign"].changed
    assert (play.patient_view.step_signatures or {})["sign"].changed
    assert play.host("COMPLETE") is Code.SESSION_INCOMPLETE


def test_it_stands_again_once_the_change_is_taken_back() -> None:
    """It was given for exactly that."""
    play = _form()
    play.enter("name", "Child")
    play.enter("name", "Original")
    assert play.staff_view.signatures["sign"].changed is None
    assert isinstance(play.host("NAVIGATE", step_id="end"), f.Navigated)


@pytest.mark.parametrize("field_id", ["remark", "note"])
def test_a_change_of_anything_else_is_told_as_a_later_one(field_id: str) -> None:
    """The signature stands, and the record names the field as changed after signing."""
    play = _form()
    play.host("NAVIGATE", step_id="end")
    play.enter(field_id, "changed")
    assert isinstance(play.host("COMPLETE"), f.Completed)
    (signed,) = _read(play)
    assert signed.changed_after == (field_id,)
    assert signed.covered
    assert (signed.covered.patient, signed.covered.fields) == (("name", "born"), ("wish",))
    assert signed.scope is CoversScope.STEP


def test_the_view_says_what_is_signed_for() -> None:
    """While the signature is requested, and after it."""
    play = _form()
    covers = play.staff_view.signatures["sign"].covers
    assert covers
    assert (covers.patient, covers.fields) == (("name", "born"), ("wish",))
    assert covers.scope is CoversScope.STEP


def test_a_signature_that_is_marked_covers_all_answers() -> None:
    """One of a form that does not say who the patient is covers the answers up to its step."""
    marked = _form(_ALL)
    covers = marked.staff_view.signatures["sign"].covers
    assert covers
    assert covers.scope is CoversScope.FORM
    assert covers.fields == ("remark", "wish")
    marked.enter("remark", "changed")
    assert marked.staff_view.signatures["sign"].changed
    nameless = Play(
        flow_of(
            item("a", "group", item=[item("one", "string")]),
            item("b", "group", item=[item("sign", "display", extension=[_SIGNED])]),
            item("c", "group", item=[item("two", "string")]),
        )
    )
    nameless.enter("one", "1")
    nameless.host("NAVIGATE", step_id="b")
    _sign(nameless)
    nameless.host("NAVIGATE", step_id="c")
    nameless.enter("two", "2")
    assert nameless.staff_view.signatures["sign"].changed is None
    nameless.enter("one", "2")
    assert nameless.staff_view.signatures["sign"].changed


def test_one_is_signed_by_the_person_who_is_now_the_patient() -> None:
    """After the staff went back and the name changed, the session ends with a new signature.

    The old one stays in the log as what it was: for another patient.
    """
    play = _form()
    play.host("NAVIGATE", step_id="who")
    play.enter("name", "Child")
    assert play.host("COMPLETE") is Code.SESSION_INCOMPLETE
    play.host("NAVIGATE", step_id="care")
    _sign(play)
    assert isinstance(play.host("COMPLETE"), f.Completed)
    old, new = _read(play)
    assert old.covered
    assert new.covered
    assert old.covered.sha256 != new.covered.sha256
    assert old.changed_after == ("name",)
    assert (old.other_patient, new.other_patient) == (True, False)
    assert new.changed_after == ()


def test_a_refusal_to_sign_is_an_outcome() -> None:
    """Staff go on, and complete, if they say why; without a reason nothing moves."""
    play = _form()
    play.host("REQUEST_SIGNATURE", field_id="sign")
    play.patient("DECLINE_SIGNATURE", reason="I want to ask my son")
    assert play.staff_view.signatures["sign"].status is SignatureStatus.DECLINED
    assert play.staff_view.missing_reason == "Text of sign: the patient declined to sign."
    for kind, more in (("NAVIGATE", {"step_id": "end"}), ("COMPLETE", {})):
        assert play.host(kind, **more) in {Code.STEP_INCOMPLETE, Code.SESSION_INCOMPLETE}
        assert play.refusal
        assert play.refusal.details["declined"] is True
        assert kind not in play.staff_view.blocked
        outcome = play.host(kind, **more, override_reason="Declined; told the doctor")
        assert isinstance(outcome, f.Navigated | f.Completed)
        assert outcome.override_reason == "Declined; told the doctor"
    *_, declined = _read(play)
    assert (declined.outcome, declined.reason) == ("declined", "I want to ask my son")
    assert declined.text == "Text of sign"


def test_a_refusal_is_of_the_patient_who_declined() -> None:
    """Once the patient is another, nobody has declined: the signature is asked for again."""
    play = _form()
    play.host("REQUEST_SIGNATURE", field_id="sign")
    play.patient("DECLINE_SIGNATURE")
    play.enter("wish", "nothing")
    assert play.staff_view.signatures["sign"].changed is None
    play.host("NAVIGATE", step_id="who")
    play.enter("name", "Child")
    assert play.staff_view.signatures["sign"].changed
    assert play.host("COMPLETE", override_reason="Declined") is Code.SESSION_INCOMPLETE
    assert play.refusal
    assert play.refusal.details == {"fields": ["sign"]}
    play.host("NAVIGATE", step_id="care")
    play.host("REQUEST_SIGNATURE", field_id="sign")
    play.patient("DECLINE_SIGNATURE", reason="I am eleven")
    assert isinstance(play.host("COMPLETE", override_reason="Declined"), f.Completed)
    found = _read(play)
    assert [one.outcome for one in found] == ["signed", "declined", "declined"]
    assert [one.other_patient for one in found] == [True, True, False]


def test_a_reason_excuses_a_refusal_alone() -> None:
    """What is missing besides still keeps the session from completing."""
    play = Play(
        flow_of(
            item(
                "a",
                "group",
                item=[
                    item("name", "string", required=True),
                    item("sign", "display", extension=[_SIGNED]),
                ],
            )
        )
    )
    play.host("REQUEST_SIGNATURE", field_id="sign")
    play.patient("DECLINE_SIGNATURE")
    assert play.host("COMPLETE", override_reason="Declined") is Code.SESSION_INCOMPLETE
    assert play.refusal
    assert play.refusal.details == {"fields": ["name"]}


def test_the_time_of_reading_is_no_longer_than_the_text_was_shown() -> None:
    """A screen that says a day in a session of an hour is not believed."""
    consent = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
    play = Play(
        flow_of(
            item("a", "group", item=[item("terms", "display", extension=[consent])]),
            item("b", "group", item=[item("more", "display", extension=[consent])]),
        )
    )
    play.patient("REPORT_READING", field_id="terms", fraction=1, seconds=86_400)
    shown_s = 3_600 - 2  # the patient joined with the third event
    assert play.patient_view.reading_seconds == {"terms": shown_s}
    play.host("NAVIGATE", step_id="b")
    play.patient("REPORT_READING", field_id="more", fraction=1, seconds=12)
    assert play.patient_view.reading_seconds == {"more": 12}
