"""Each command of the contract: what it changes, and when it is refused."""

from pathlib import Path

import pytest

from schemas.wire.commands import COMMAND, CommandBase
from schemas.wire.rejections import RejectionCode as Code
from schemas.wire.views import DocumentStatus, SessionStatus, SignatureStatus, StepStatus
from session_controller.engine import events as f
from session_controller.engine.context import Candidate, StoredUpload
from session_controller.engine.moves import MOVES
from session_controller.engine.states_page import states_page
from tests.engine.play import OTHER, Play, flow_of, item

SHA = "a" * 64
SIGNED = {"url": "http://hl7.org/fhir/StructureDefinition/questionnaire-signatureRequired"}
CONSENT = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
SENSITIVE = {"url": "urn:handrail:fhir:sensitive", "valueBoolean": True}
SKIPPABLE = {"url": "urn:handrail:fhir:skippable", "valueBoolean": True}
CODING = {"coding": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.1"}]}

FLOW = flow_of(
    item(
        "who",
        "group",
        item=[
            item("name", "string", required=True),
            item("ssn", "string", extension=[SENSITIVE], maxLength=11),
            item("smokes", "boolean"),
            item(
                "packs",
                "integer",
                required=True,
                enableWhen=[{"question": "smokes", "operator": "=", "answerBoolean": True}],
            ),
        ],
    ),
    item("card", "group", extension=[SKIPPABLE], item=[item("photo", "attachment", required=True)]),
    item(
        "meds",
        "group",
        repeats=True,
        item=[item("drug", "string", required=True), item("dose", "string")],
    ),
    item(
        "agree",
        "group",
        item=[
            item("terms", "display", extension=[CONSENT]),
            item(
                "sign",
                "string",
                required=True,
                extension=[{**SIGNED, "valueCodeableConcept": CODING}],
            ),
        ],
    ),
)


@pytest.fixture
def play() -> Play:
    """Begin a session of `FLOW`."""
    return Play(FLOW)


def at_step(play: Play, *steps: str) -> Play:
    """Fill what is needed and go through the steps."""
    play.enter("name", "Ada")
    for step in steps:
        assert play.host("NAVIGATE", step_id=step, override_reason="no card") == f.Navigated(
            step_index=[s.step_id for s in FLOW.steps].index(step), override_reason="no card"
        )
    return play


def test_every_command_is_in_the_table() -> None:
    """A command of the contract without a row could never be given."""
    assert set(MOVES) == {
        c for c in _subclasses(CommandBase) if c.__module__ == "schemas.wire.commands"
    }
    assert COMMAND is not None


def _subclasses(cls: type) -> list[type]:
    return [sub for direct in cls.__subclasses__() for sub in (direct, *_subclasses(direct))]


def test_states_page_is_the_table() -> None:
    """`docs/reference/states.md` says what the table says; `./run states` writes it."""
    page = Path(__file__).parents[2] / "docs" / "reference/states.md"
    assert page.read_text() == states_page()


def test_forward_needs_a_complete_step(play: Play) -> None:
    """Nobody moves past a required field that is empty; the refusal names it."""
    assert play.host("NAVIGATE", step_id="card") is Code.STEP_INCOMPLETE
    assert play.refusal
    assert play.refusal.details["fields"] == ["name"]
    play.enter("name", "Ada")
    assert isinstance(play.host("NAVIGATE", step_id="card"), f.Navigated)
    assert play.patient_view.step_id == "card"


def test_forward_needs_valid_answers(play: Play) -> None:
    """A value that breaks a rule is stored, shown with its error, and blocks moving on."""
    play.enter("name", "Ada")
    play.enter("ssn", "123456789012345")
    assert play.patient_view.fields["ssn"].error
    assert play.host("NAVIGATE", step_id="card") is Code.STEP_INCOMPLETE


def test_a_skippable_step_needs_a_reason(play: Play) -> None:
    """A step that the flow lets be skipped is skipped with a reason only, any other never."""
    at_step(play, "card")
    assert play.host("NAVIGATE", step_id="meds") is Code.STEP_INCOMPLETE
    assert isinstance(play.host("NAVIGATE", step_id="meds", override_reason="lost"), f.Navigated)
    assert play.host("NAVIGATE", step_id="nowhere") is Code.UNKNOWN_STEP


def test_back_is_free_and_clears_the_highlight(play: Play) -> None:
    """Whatever is missing, the staff can go back; what was pointed to is not any more."""
    at_step(play, "card")
    play.host("HIGHLIGHT_FIELD", field_id="photo")
    assert play.patient_view.highlight == "photo"
    play.host("NAVIGATE", step_id="who")
    assert play.patient_view.highlight is None
    assert play.staff_view.steps["card"].status is StepStatus.INCOMPLETE
    assert play.staff_view.steps["who"].status is StepStatus.CURRENT
    assert play.staff_view.steps["agree"].status is StepStatus.UPCOMING


def test_only_a_field_of_the_step_is_highlighted(play: Play) -> None:
    """What the patient's screen does not show cannot be pointed to."""
    assert play.host("HIGHLIGHT_FIELD", field_id="photo") is Code.FIELD_NOT_ON_THIS_STEP
    assert play.host("HIGHLIGHT_FIELD", field_id="packs") is Code.FIELD_NOT_ON_THIS_STEP
    assert play.host("HIGHLIGHT_FIELD", field_id="nothing") is Code.UNKNOWN_FIELD
    assert play.host("HIGHLIGHT_FIELD", field_id="who") is Code.UNKNOWN_FIELD
    assert isinstance(play.host("HIGHLIGHT_FIELD", field_id=None), f.FieldHighlighted)


def test_roles_keep_to_their_own(play: Play) -> None:
    """The patient never moves the flow, the facility never writes a value, one screen leads."""
    assert play.patient("NAVIGATE", step_id="card") is Code.NOT_ALLOWED_FOR_ROLE
    assert play.host("ENTER_FIELD", field_id="name", value="x") is Code.NOT_ALLOWED_FOR_ROLE
    assert play.send(OTHER, "NAVIGATE", step_id="card") is Code.NOT_THE_HOST
    play.send(OTHER, "TAKE_OVER")
    assert play.host("PAUSE") is Code.NOT_THE_HOST
    assert play.staff_view.participants[OTHER].host


def test_stale_revision(play: Play) -> None:
    """A command that was meant for an earlier state is refused, and told the newer one."""
    revision = play.session.state.revision
    play.enter("name", "Ada")
    assert play.host("PAUSE", expected_revision=revision) is Code.STALE_REVISION
    assert play.refusal
    assert play.refusal.details == {"revision": revision + 1}
    assert isinstance(play.host("PAUSE", expected_revision=revision + 1), f.Paused)


def test_a_refusal_changes_nothing_but_the_sequence(play: Play) -> None:
    """The refused command counts as decided; revision and state stay."""
    before = play.staff_view
    play.host("NAVIGATE", step_id="card")
    after = play.staff_view
    assert after.acknowledged_seq == before.acknowledged_seq + 1
    decided = {"acknowledged_seq": before.acknowledged_seq, "refused": before.refused}
    assert after.model_copy(update=decided) == before
    assert [one.seq for one in after.refused] == [after.acknowledged_seq]


def test_switched_off_fields(play: Play) -> None:
    """A field that enableWhen switches off is not shown, not required, and cannot be entered."""
    assert "packs" not in play.patient_view.enabled
    assert play.enter("packs", 2) is Code.FIELD_NOT_ON_THIS_STEP
    play.enter("smokes", True)
    play.enter("name", "Ada")
    assert "packs" in play.patient_view.enabled
    assert play.host("NAVIGATE", step_id="card") is Code.STEP_INCOMPLETE
    play.enter("packs", 2)
    play.enter("smokes", False)
    assert "packs" not in play.patient_view.fields


@pytest.mark.parametrize(
    ("field_id", "value", "code"),
    [
        ("photo", "x", Code.FIELD_NOT_ON_THIS_STEP),
        ("name", 3, Code.WRONG_FIELD_KIND),
        ("smokes", "yes", Code.WRONG_FIELD_KIND),
        ("name", ["a"], Code.WRONG_FIELD_KIND),
        ("name", None, Code.WRONG_FIELD_KIND),
        ("name", "x" * 20_000, Code.TOO_LARGE),
        ("drug", "x", Code.UNKNOWN_FIELD),
        ("", "x", None),
    ],
)
def test_values_that_are_refused(play: Play, field_id: str, value: object, code: Code) -> None:
    """What is no value of this field is refused, not stored."""
    if code is None:
        with pytest.raises(ValueError, match="field_id"):
            play.enter(field_id, value)
        return
    assert play.enter(field_id, value) is code
    assert play.session.state.answers == {}


def test_today_is_the_day_of_opening() -> None:
    """A date beyond the day after the session's opening is in the future, and blocks."""
    calculated = {
        "url": "http://hl7.org/fhir/StructureDefinition/cqf-calculatedValue",
        "valueExpression": {"language": "text/fhirpath", "expression": "today()"},
    }
    latest = {
        "url": "http://hl7.org/fhir/StructureDefinition/maxValue",
        "_valueDate": {"extension": [calculated]},
    }
    play = Play(flow_of(item("born", "date", required=True, extension=[latest])))
    play.enter("born", "2026-11-24")
    assert play.patient_view.fields["born"].error == "This date is in the future."
    assert play.host("COMPLETE") is Code.SESSION_INCOMPLETE
    play.enter("born", "2026-11-23")
    assert play.patient_view.fields["born"].error is None
    assert isinstance(play.host("COMPLETE"), f.Completed)


def test_space_around_a_text_is_not_stored(play: Play) -> None:
    """The value is the text alone; blank text clears the field, and adds no instance."""
    play.enter("name", " Ada\xa0")
    play.enter("ssn", "123-45-6789 ")
    assert dict(play.session.state.answers) == {"name": "Ada", "ssn": "123-45-6789"}
    assert "ssn" not in play.session.assessment.errors
    assert isinstance(play.enter("name", " \u200b"), f.FieldCleared)
    assert dict(play.session.state.answers) == {"ssn": "123-45-6789"}
    at_step(play, "card", "meds")
    assert isinstance(play.enter("meds[0].drug", "  "), f.FieldCleared)
    assert not play.session.state.instances


def test_sensitive_values_are_masked_for_staff(play: Play) -> None:
    """The patient sees what was entered; the staff sees that something was, and how long."""
    play.enter("ssn", "123456789")
    assert play.patient_view.fields["ssn"].value == "123456789"
    assert b"123456789" not in play.staff_view.to_json()
    assert b'"masked":true,"length":9' in play.staff_view.to_json()


def test_patient_sees_the_current_step_alone(play: Play) -> None:
    """Values of other steps stay off the patient's screen."""
    at_step(play, "card")
    assert play.patient_view.fields == {}
    assert play.staff_view.fields["name"].value == "Ada"


def test_correction_blocks_until_entered_again(play: Play) -> None:
    """A field that staff asks to correct counts as invalid until it is entered again."""
    play.enter("name", "Ada")
    play.host("REQUEST_CORRECTION", field_id="name", message="As on the card, please")
    assert play.patient_view.fields["name"].correction == "As on the card, please"
    assert play.host("NAVIGATE", step_id="card") is Code.STEP_INCOMPLETE
    play.enter("name", "Ada L.")
    assert play.patient_view.fields["name"].correction is None
    assert isinstance(play.host("NAVIGATE", step_id="card"), f.Navigated)
    assert play.host("REQUEST_CORRECTION", field_id="photo", message="x") is Code.WRONG_FIELD_KIND


def test_instances_of_a_group(play: Play) -> None:
    """Entering right behind the last instance adds one; clearing one moves the later ones up."""
    at_step(play, "card", "meds")
    assert play.enter("meds[1].drug", "x") is Code.UNKNOWN_FIELD
    for number, drug in enumerate(["a", "b", "c"]):
        play.enter(f"meds[{number}].drug", drug)
    play.host("REQUEST_CORRECTION", field_id="meds[2].drug", message="spelling?")
    play.patient("CLEAR_FIELD", field_id="meds[1]")
    assert dict(play.session.state.corrections) == {"meds[1].drug": "spelling?"}
    shown = {k: v.value for k, v in play.patient_view.fields.items()}
    assert shown == {"meds[0].drug": "a", "meds[1].drug": "c"}
    play.patient("CLEAR_FIELD", field_id="meds[1].drug")
    assert play.host("NAVIGATE", step_id="agree") is Code.STEP_INCOMPLETE
    assert play.refusal
    assert play.refusal.details["fields"] == ["meds[1].drug"]
    assert play.patient("CLEAR_FIELD", field_id="meds[2]") is Code.UNKNOWN_FIELD


def test_a_document_from_start_to_review(play: Play) -> None:
    """Missing, receiving, received, rejected, and another accepted; only the last lets one on."""
    at_step(play, "card")
    upload = {"field_id": "photo", "size": 3, "sha256": SHA, "media_type": "image/png"}
    assert play.patient_view.documents["photo"].status is DocumentStatus.MISSING
    assert play.host("FETCH_DOCUMENT", field_id="photo") is Code.UPLOAD_INCOMPLETE
    play.patient("BEGIN_UPLOAD", upload="u1", **upload)
    assert play.patient("FINISH_UPLOAD", upload="u1") is Code.UPLOAD_INCOMPLETE
    play.happen(f.UploadProgressed(field_id="photo", received=3))
    assert play.patient_view.documents["photo"].received == 3
    play.stored = StoredUpload(3, "b" * 64)
    assert play.patient("FINISH_UPLOAD", upload="u1") is Code.UPLOAD_CORRUPT
    play.stored = StoredUpload(3, SHA)
    assert isinstance(play.patient("FINISH_UPLOAD", upload="u1"), f.UploadFinished)
    rejected = {"accepted": False, "reason_code": "blurred", "reason": "take it again"}
    play.host("REVIEW_DOCUMENT", field_id="photo", **rejected)
    shown = play.patient_view.documents["photo"]
    assert (shown.reason_code, shown.reason) == ("blurred", "take it again")
    assert play.host("NAVIGATE", step_id="meds") is Code.STEP_INCOMPLETE
    assert play.patient("BEGIN_UPLOAD", upload="u1", **upload) is Code.UPLOAD_CORRUPT
    play.patient("BEGIN_UPLOAD", upload="u2", **upload)
    play.patient("FINISH_UPLOAD", upload="u2")
    play.host("REVIEW_DOCUMENT", field_id="photo", accepted=True)
    assert play.staff_view.documents["photo"].status is DocumentStatus.ACCEPTED
    assert isinstance(play.host("NAVIGATE", step_id="meds"), f.Navigated)


def test_documents_have_limits(play: Play) -> None:
    """A document that is too large is refused before a byte of it is sent."""
    at_step(play, "card")
    big = {"upload": "u", "size": 10**9, "sha256": SHA, "media_type": "image/png"}
    assert play.patient("BEGIN_UPLOAD", field_id="photo", **big) is Code.TOO_LARGE
    assert play.patient("FINISH_UPLOAD", upload="u") is Code.UPLOAD_INCOMPLETE


def signing(play: Play) -> str:
    """Go to the signature, ask for it, and give the hash of what is to be signed."""
    at_step(play, "card", "meds", "agree")
    play.patient("REPORT_READING", field_id="terms", fraction=1)
    play.host("REQUEST_SIGNATURE", field_id="sign")
    shown = play.patient_view.signature
    assert shown is not None
    return shown.document_sha256


def test_signing_locks_everything_else(play: Play) -> None:
    """While a signature is asked for, no other patient command and no NAVIGATE goes through."""
    signing(play)
    for kind, more in [
        ("ENTER_FIELD", {"field_id": "name", "value": "x"}),
        ("CLEAR_FIELD", {"field_id": "name"}),
        ("FOCUS_FIELD", {"field_id": None}),
        ("REPORT_READING", {"field_id": "terms", "fraction": 1}),
        ("FINISH_UPLOAD", {"upload": "u"}),
    ]:
        assert play.patient(kind, **more) is Code.LOCKED_FOR_SIGNATURE, kind
    assert isinstance(play.patient("ASK_FOR_HELP"), f.HelpAsked)
    assert play.host("NAVIGATE", step_id="who") is Code.LOCKED_FOR_SIGNATURE
    assert play.host("COMPLETE") is Code.LOCKED_FOR_SIGNATURE
    play.host("CANCEL_SIGNATURE")
    assert play.patient_view.signature is None
    assert isinstance(play.host("NAVIGATE", step_id="who"), f.Navigated)


def test_a_signature_binds_the_text_shown(play: Play) -> None:
    """Only the hash of the very text that was shown is signed."""
    sha256 = signing(play)
    strokes = [[[0.1, 0.1, 0], [0.2, 0.3, 16]]]
    wrong = {"field_id": "sign", "strokes": strokes, "document_sha256": SHA}
    assert play.patient("SUBMIT_SIGNATURE", **wrong) is Code.DOCUMENT_CHANGED
    right = {"field_id": "sign", "strokes": strokes, "document_sha256": sha256}
    assert isinstance(play.patient("SUBMIT_SIGNATURE", **right), f.Signed)
    assert play.staff_view.signatures["sign"].status is SignatureStatus.SIGNED
    assert play.patient("SUBMIT_SIGNATURE", **right) is Code.NO_SIGNATURE_REQUESTED


def test_declining_ends_signing(play: Play) -> None:
    """Who declines is not signed, and the session goes on."""
    signing(play)
    play.patient("DECLINE_SIGNATURE", reason="not today")
    assert play.staff_view.signatures["sign"].status is SignatureStatus.DECLINED
    assert play.host("COMPLETE") is Code.SESSION_INCOMPLETE
    assert play.refusal
    assert "sign" in play.refusal.details["fields"]


def test_completing_needs_everything(play: Play) -> None:
    """Submitting names all that is missing; a skipped step still counts."""
    sha256 = signing(play)
    strokes = [[[0, 0, 0]]]
    play.patient("SUBMIT_SIGNATURE", field_id="sign", strokes=strokes, document_sha256=sha256)
    assert play.host("COMPLETE") is Code.SESSION_INCOMPLETE
    assert play.refusal
    assert play.refusal.details["fields"] == ["photo"]
    play.host("NAVIGATE", step_id="card")
    upload = {"field_id": "photo", "size": 3, "sha256": SHA, "media_type": "image/png"}
    play.stored = StoredUpload(3, SHA)
    play.patient("BEGIN_UPLOAD", upload="u", **upload)
    play.patient("FINISH_UPLOAD", upload="u")
    assert play.host("COMPLETE") == f.Completed()
    assert play.patient_view.status is SessionStatus.COMPLETED
    assert play.host("NAVIGATE", step_id="who") is Code.SESSION_ENDED
    assert play.enter("name", "x") is Code.SESSION_ENDED


def test_pause_lets_only_resume_and_cancel_through(play: Play) -> None:
    """Nothing but RESUME or CANCEL is accepted in a pause."""
    play.host("PAUSE")
    assert play.patient_view.status is SessionStatus.PAUSED
    assert play.enter("name", "x") is Code.SESSION_PAUSED
    assert play.host("NAVIGATE", step_id="who") is Code.SESSION_PAUSED
    assert play.send(OTHER, "TAKE_OVER") is Code.SESSION_PAUSED
    play.host("RESUME")
    assert play.patient_view.status is SessionStatus.ACTIVE
    play.host("PAUSE")
    assert isinstance(play.host("CANCEL", reason="went home"), f.Cancelled)


def test_a_paused_session_without_host_can_be_rescued(play: Play) -> None:
    """Where the host has left, another screen takes over even in a pause."""
    play.host("PAUSE")
    play.happen(f.DeviceLeft(device="host"))
    assert isinstance(play.send(OTHER, "TAKE_OVER"), f.TookOver)
    assert isinstance(play.send(OTHER, "RESUME"), f.Resumed)


def test_a_paused_session_whose_host_is_offline_can_be_rescued(play: Play) -> None:
    """A host that is only away keeps nobody from going on."""
    play.host("PAUSE")
    play.happen(f.PresenceChanged(device="host", online=False))
    assert isinstance(play.send(OTHER, "TAKE_OVER"), f.TookOver)


def test_beginning_a_damaged_upload_again_starts_it_over(play: Play) -> None:
    """Where all bytes are here and wrong, the same upload begins at the first byte again."""
    at_step(play, "card")
    upload = {"field_id": "photo", "size": 3, "sha256": SHA, "media_type": "image/png"}
    play.patient("BEGIN_UPLOAD", upload="u1", **upload)
    play.happen(f.UploadProgressed(field_id="photo", received=2))
    play.patient("BEGIN_UPLOAD", upload="u1", **upload)
    assert play.patient_view.documents["photo"].received == 2
    play.happen(f.UploadProgressed(field_id="photo", received=3))
    play.patient("BEGIN_UPLOAD", upload="u1", **upload)
    assert play.patient_view.documents["photo"].received == 0


def test_replacing_the_patients_device(play: Play) -> None:
    """The old device sees nothing more; the session waits for the new one."""
    play.candidate = Candidate(is_patient_device=True, busy=True, online=True)
    assert play.host("REPLACE_PATIENT_DEVICE", device="kiosk") is Code.UNAVAILABLE
    play.candidate = None
    assert play.host("REPLACE_PATIENT_DEVICE", device="kiosk") is Code.NOT_ALLOWED_FOR_ROLE
    play.host("REPLACE_PATIENT_DEVICE", device=None)
    assert play.session.state.patient is None
    assert play.staff_view.status is SessionStatus.WAITING
    assert play.session.state.code is not None
    play.candidate = Candidate(is_patient_device=True, busy=False, online=True)
    play.host("REPLACE_PATIENT_DEVICE", device="kiosk")
    assert play.session.state.patient == "kiosk"
    assert play.staff_view.status is SessionStatus.ACTIVE


def test_help_cover_and_focus(play: Play) -> None:
    """Both screens see the call for help and the cover; the staff sees where the patient is."""
    play.patient("ASK_FOR_HELP")
    play.patient("FOCUS_FIELD", field_id="ssn")
    play.host("COVER_SCREEN", covered=True)
    assert play.staff_view.help_requested
    assert play.patient_view.covered
    assert play.staff_view.patient_focus == "ssn"
    play.host("ANSWER_HELP")
    assert not play.patient_view.help_requested


def test_reading_never_falls(play: Play) -> None:
    """How far a text was read only grows, and only of a text."""
    at_step(play, "card", "meds", "agree")
    play.patient("REPORT_READING", field_id="terms", fraction=0.7)
    play.patient("REPORT_READING", field_id="terms", fraction=0.2)
    assert play.patient_view.reading == {"terms": 0.7}
    assert play.patient("REPORT_READING", field_id="sign", fraction=1) is Code.WRONG_FIELD_KIND
