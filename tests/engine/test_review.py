"""Nobody attests blindly: the step shows the answers, and a No keeps the session open."""

import pytest

from schemas.wire.rejections import RejectionCode as Code
from schemas.wire.views import DocumentStatus, Masked, ReviewLine
from session_controller.engine import events as f
from session_controller.engine.attesting import LAPSED
from tests.engine.play import Play, flow_of, item

_OURS = "urn:handrail:fhir:"


def marked(name: str) -> list[dict[str, object]]:
    """Return the extension of ours with that name."""
    return [{"url": _OURS + name, "valueBoolean": True}]


def _flow(*, review: dict[str, object]):
    return flow_of(
        item(
            "who",
            "group",
            item=[
                item("name", "string", required=True),
                item("ssn", "string", extension=marked("sensitive")),
                item("more", "boolean"),
                item(
                    "detail",
                    "string",
                    enableWhen=[{"question": "more", "operator": "=", "answerBoolean": True}],
                ),
                item("card", "attachment"),
            ],
        ),
        item("meds", "group", repeats=True, item=[item("drug", "string")]),
        review,
        item("later", "group", item=[item("note", "string")]),
    )


ATTEST = item("correct", "boolean", required=True, extension=marked("attestation"))
FLOW = _flow(
    review=item(
        "check", "group", item=[item("intro", "display", extension=marked("review")), ATTEST]
    )
)
UPLOAD = {"upload": "u", "size": 3, "sha256": "a" * 64, "media_type": "image/png"}


@pytest.fixture
def play() -> Play:
    """A session whose first steps are filled in, and which is at the attestation."""
    play = Play(FLOW)
    play.enter("name", "Ada")
    play.enter("ssn", "123-45-6789")
    play.patient("BEGIN_UPLOAD", field_id="card", **UPLOAD)
    play.host("NAVIGATE", step_id="meds")
    play.enter("meds[0].drug", "Aspirin")
    play.enter("meds[1].drug", "Insulin")
    play.host("NAVIGATE", step_id="check")
    return play


def test_the_step_shows_all_answers_of_the_steps_before(play: Play) -> None:
    """In order, by step; a sensitive one masked, a document by its status, nothing unanswered."""
    assert play.patient_view.review == (
        ReviewLine(field_id="name", step_id="who", value="Ada"),
        ReviewLine(field_id="ssn", step_id="who", value=Masked(length=11)),
        ReviewLine(field_id="card", step_id="who", document=DocumentStatus.RECEIVING),
        ReviewLine(field_id="meds[0].drug", step_id="meds", value="Aspirin"),
        ReviewLine(field_id="meds[1].drug", step_id="meds", value="Insulin"),
    )
    assert play.patient_view.fields == {}


def test_no_other_step_shows_them(play: Play) -> None:
    """The patient's screen holds the answers of one step, but where they are to be checked."""
    play.host("NAVIGATE", step_id="meds")
    assert play.patient_view.review is None


def test_what_is_off_is_not_shown(play: Play) -> None:
    """An answer counts as long as its question is on."""
    play.host("NAVIGATE", step_id="who")
    play.enter("more", True)
    play.enter("detail", "much")
    play.host("NAVIGATE", step_id="check")
    shown = {line.field_id: line.value for line in play.patient_view.review or ()}
    assert shown["detail"] == "much"
    play.enter("more", False)
    shown = {line.field_id: line.value for line in play.patient_view.review or ()}
    assert "detail" not in shown
    assert shown["more"] is False


def test_a_step_that_was_never_shown_has_nothing_to_check(play: Play) -> None:
    """One that was shown after it does."""
    play.enter("correct", True)
    play.host("NAVIGATE", step_id="later")
    play.enter("note", "soon")
    play.host("NAVIGATE", step_id="check")
    steps = {line.step_id for line in play.patient_view.review or ()}
    assert steps == {"who", "meds", "later"}


def test_the_last_view_of_a_session_holds_no_review(play: Play) -> None:
    """What a screen may have seen for a moment does not stay on the broker."""
    play.enter("correct", True)
    assert isinstance(play.host("COMPLETE"), f.Completed)
    assert play.patient_view.review is None


@pytest.mark.parametrize(
    "review",
    [
        item("check", "group", extension=marked("review"), item=[item("note2", "string")]),
        item("check", "display", extension=marked("review")),
    ],
)
def test_a_group_or_a_loose_text_may_ask_for_it(review: dict[str, object]) -> None:
    """Wherever the form says so."""
    play = Play(_flow(review=review))
    play.enter("name", "Ada")
    play.host("NAVIGATE", step_id="check")
    assert [line.field_id for line in play.patient_view.review or ()] == ["name"]


def test_on_a_question_it_is_ignored_with_a_note() -> None:
    """So is an attestation that is no yes-or-no question."""
    flow = flow_of(
        item("a", "string", extension=marked("review")),
        item("b", "string", extension=marked("attestation")),
    )
    assert not flow.items["a"].review
    assert not flow.items["b"].attestation
    assert [note.message for note in flow.notes] == [
        "only a group or a display item shows answers; ignored",
        "only a boolean can be an attestation; ignored",
    ]


def test_a_no_keeps_the_session_from_completing(play: Play) -> None:
    """Both screens say so in a sentence; a yes completes it."""
    sentence = "The answer is No. Please change what is not right first."
    assert isinstance(play.enter("correct", False), f.FieldEntered)
    assert play.patient_view.fields["correct"].error == sentence
    assert play.staff_view.missing_reason == f"Text of correct: {sentence}"
    assert play.staff_view.blocked["COMPLETE"] == f"Text of correct: {sentence}"
    assert play.host("COMPLETE") is Code.SESSION_INCOMPLETE
    assert play.host("NAVIGATE", step_id="later") is Code.STEP_INCOMPLETE
    play.enter("correct", True)
    assert isinstance(play.host("COMPLETE"), f.Completed)


def test_the_patient_asks_to_change_a_step_and_staff_open_it(play: Play) -> None:
    """Both screens know which, until it is opened."""
    asked = play.patient("ASK_FOR_HELP", step_id="who")
    assert asked == f.HelpAsked(step_id="who")
    for shown in (play.patient_view, play.staff_view):
        assert (shown.help_requested, shown.help_step) == (True, "who")
    play.host("NAVIGATE", step_id="meds")
    assert play.staff_view.help_step == "who", "not yet"
    play.host("NAVIGATE", step_id="who")
    for shown in (play.patient_view, play.staff_view):
        assert (shown.help_requested, shown.help_step) == (False, None)


def test_a_wish_is_answered_as_a_call_is(play: Play) -> None:
    """A plain call after it forgets nothing; the answer ends both."""
    play.patient("ASK_FOR_HELP", step_id="meds")
    play.patient("ASK_FOR_HELP")
    assert play.staff_view.help_step == "meds"
    play.host("ANSWER_HELP")
    assert (play.staff_view.help_requested, play.staff_view.help_step) == (False, None)


@pytest.mark.parametrize("step_id", ["later", "nowhere"])
def test_a_step_that_was_not_shown_cannot_be_asked_for(play: Play, step_id: str) -> None:
    """There is nothing of the patient's on it."""
    assert play.patient("ASK_FOR_HELP", step_id=step_id) is Code.UNKNOWN_STEP
    assert not play.staff_view.help_requested


@pytest.mark.parametrize(
    "change",
    [
        lambda play: play.enter("name", "Grace"),
        lambda play: play.patient("CLEAR_FIELD", field_id="name"),
        lambda play: play.patient("CLEAR_FIELD", field_id="meds[0]"),
        lambda play: play.patient("CLEAR_FIELD", field_id="card"),
        lambda play: play.patient("BEGIN_UPLOAD", field_id="card", **(UPLOAD | {"upload": "v"})),
    ],
)
def test_a_change_takes_the_attestation_back(play: Play, change) -> None:
    """It was given for other answers; both screens say so, and it is asked again."""
    play.enter("correct", True)
    change(play)
    shown = play.patient_view.fields["correct"]
    assert (shown.value, shown.correction) == (None, LAPSED)
    assert play.staff_view.fields["correct"].correction == LAPSED
    assert play.host("COMPLETE") is Code.SESSION_INCOMPLETE
    play.host("NAVIGATE", step_id="who")
    play.enter("name", "Grace")
    play.host("NAVIGATE", step_id="check")
    play.enter("correct", True)
    assert play.patient_view.fields["correct"].correction is None
    assert isinstance(play.host("COMPLETE"), f.Completed)


@pytest.mark.parametrize(("field_id", "value"), [("name", "Ada"), ("note", "soon")])
def test_what_it_does_not_cover_leaves_it(play: Play, field_id: str, value: str) -> None:
    """The same answer again, and an answer of a later step."""
    play.enter("correct", True)
    play.host("NAVIGATE", step_id="later")
    play.enter(field_id, value)
    assert play.session.state.answers["correct"] is True
    assert isinstance(play.host("COMPLETE"), f.Completed)
