"""Answers that come late, and what is said of those that are refused."""

from schemas.wire.rejections import RejectionCode as Code
from session_controller.engine import events as f
from session_controller.engine.limits import MAX_REFUSALS
from tests.engine.play import OTHER, Play, flow_of, item

_IF = [{"question": "more", "operator": "=", "answerBoolean": True}]
FLOW = flow_of(
    item("who", "group", item=[item("name", "string"), item("more", "boolean")]),
    item(
        "card",
        "group",
        item=[item("photo", "attachment"), item("detail", "string", enableWhen=_IF)],
    ),
    item("meds", "group", repeats=True, item=[item("drug", "string")]),
    item("end", "group", item=[item("note", "string")]),
)


def _play(*steps: str) -> Play:
    play = Play(FLOW)
    for step in steps:
        assert isinstance(play.host("NAVIGATE", step_id=step), f.Navigated)
    return play


def test_an_answer_to_a_step_that_was_shown_is_taken_wherever_the_flow_stands() -> None:
    """Forward or back; the patient's screen stays where the staff took it."""
    play = _play("meds", "who")
    assert isinstance(play.enter("meds[0].drug", "Aspirin"), f.FieldEntered)
    assert isinstance(play.enter("meds[1].drug", "Insulin"), f.FieldEntered)
    assert play.patient_view.step_id == "who"
    assert play.patient_view.fields == {}
    assert play.staff_view.fields["meds[1].drug"].value == "Insulin"
    play.host("NAVIGATE", step_id="end")
    assert isinstance(play.enter("name", "Ada"), f.FieldEntered)
    assert isinstance(play.patient("CLEAR_FIELD", field_id="meds[0]"), f.FieldCleared)
    assert play.staff_view.fields["meds[0].drug"].value == "Insulin"


def test_a_late_answer_does_not_say_where_the_patient_is() -> None:
    """The focus is on the current step alone."""
    play = _play("end")
    play.enter("note", "soon")
    play.enter("name", "Ada")
    assert play.staff_view.patient_focus == "note"
    play.host("HIGHLIGHT_FIELD", field_id="note")
    assert play.patient("FOCUS_FIELD", field_id="name") is Code.FIELD_NOT_ON_THIS_STEP
    assert play.staff_view.highlight == "note"


def test_a_step_that_was_never_shown_takes_nothing() -> None:
    """Neither one that lies ahead, nor one that was passed over."""
    play = _play("end")
    assert play.enter("meds[0].drug", "x") is Code.FIELD_NOT_ON_THIS_STEP
    upload = {"upload": "u", "size": 3, "sha256": "a" * 64, "media_type": "image/png"}
    refused = play.patient("BEGIN_UPLOAD", field_id="photo", **upload)
    assert refused is Code.FIELD_NOT_ON_THIS_STEP
    assert play.refusal
    assert play.refusal.message == "Text of photo: this question has not been shown yet."
    play.host("NAVIGATE", step_id="card")
    play.host("NAVIGATE", step_id="who")
    assert isinstance(play.patient("BEGIN_UPLOAD", field_id="photo", **upload), f.UploadBegun)


def test_the_view_tells_each_device_of_its_own_last_refusals() -> None:
    """The last ten, oldest first, with number, id and reason; and nobody of anybody else's."""
    play = _play()
    for number in range(MAX_REFUSALS + 3):
        play.host("NAVIGATE", step_id=f"nowhere-{number}")
    play.enter("name", "Ada")
    refused = play.staff_view.refused
    assert [one.seq for one in refused] == list(range(4, MAX_REFUSALS + 4))
    assert {one.code for one in refused} == {Code.UNKNOWN_STEP}
    assert {one.message for one in refused} == {"The flow has no such step."}
    assert play.patient_view.refused == ()
    assert play.send(OTHER, "PAUSE") is Code.NOT_THE_HOST
    assert len(play.staff_view.refused) == MAX_REFUSALS


def test_staff_see_what_was_not_taken_until_it_is() -> None:
    """By field, with the reason and without the value."""
    play = _play("card", "who")
    assert play.enter("detail", "secret") is Code.FIELD_NOT_ON_THIS_STEP
    play.host("PAUSE")
    assert play.enter("name", "Ada") is Code.SESSION_PAUSED
    play.host("RESUME")
    not_taken = play.staff_view.not_taken
    assert {k: v.code for k, v in not_taken.items()} == {
        "detail": Code.FIELD_NOT_ON_THIS_STEP,
        "name": Code.SESSION_PAUSED,
    }
    assert b"secret" not in play.staff_view.to_json()
    play.enter("name", "Ada")
    assert set(play.staff_view.not_taken) == {"detail"}
    play.enter("more", True)
    play.enter("detail", "secret")
    assert play.staff_view.not_taken == {}


def test_what_is_no_entry_is_not_listed_as_one() -> None:
    """A refused command of the staff, a focus, and a field that the form does not have."""
    play = _play()
    play.host("NAVIGATE", step_id="nowhere")
    play.patient("FOCUS_FIELD", field_id="note")
    play.enter("nothing", "x")
    assert play.staff_view.not_taken == {}


def test_an_instance_that_goes_takes_what_was_not_taken_along() -> None:
    """And later ones move up with theirs."""
    play = _play("meds")
    for number in range(3):
        play.enter(f"meds[{number}].drug", "x")
    play.enter("meds[2].drug", 3)
    play.patient("CLEAR_FIELD", field_id="meds[1]")
    assert set(play.staff_view.not_taken) == {"meds[1].drug"}
    play.patient("CLEAR_FIELD", field_id="meds[1].drug")
    assert play.staff_view.not_taken == {}


def test_help_can_be_asked_for_at_any_time() -> None:
    """In a pause, under a cover, and while signing; not after the end."""
    play = _play()
    play.host("PAUSE")
    assert isinstance(play.patient("ASK_FOR_HELP"), f.HelpAsked)
    assert play.staff_view.help_requested
    play.host("RESUME")
    play.host("ANSWER_HELP")
    play.host("COVER_SCREEN", covered=True)
    assert isinstance(play.patient("ASK_FOR_HELP"), f.HelpAsked)
    play.host("CANCEL", reason="left")
    assert play.patient("ASK_FOR_HELP") is Code.SESSION_ENDED
