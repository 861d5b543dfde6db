"""'I'm done here', and the help that the patient asks for, from the call to its end."""

from datetime import timedelta

import pytest

from schemas.questionnaire.model import Flow
from schemas.wire.rejections import RejectionCode as Code
from session_controller.engine import events as f

from .play import HOST, PATIENT, Play, flow_of, item

SELF_PACED = {"url": "urn:handrail:fhir:self-paced", "valueBoolean": True}


def _flow(*, self_paced: bool = False) -> Flow:
    marked = [SELF_PACED] if self_paced else []
    signature = {"url": "http://hl7.org/fhir/StructureDefinition/questionnaire-signatureRequired"}
    consent = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
    return flow_of(
        item(
            "who",
            "group",
            extension=marked,
            item=[item("name", "string", required=True), item("nick", "string")],
        ),
        item(
            "child",
            "group",
            item=[item("school", "string")],
            enableWhen=[{"question": "nick", "operator": "=", "answerString": "kid"}],
        ),
        item(
            "agree",
            "group",
            extension=marked,
            item=[
                item("terms", "display", extension=[consent]),
                item(
                    "sign",
                    "string",
                    required=True,
                    extension=[{**signature, "valueCodeableConcept": {"text": "s"}}],
                ),
            ],
        ),
        item("end", "group", extension=marked, item=[item("note", "string")]),
    )


@pytest.fixture
def play() -> Play:
    """A session of a flow that marks no step."""
    return Play(_flow())


def test_who_has_left_something_out_is_told_what(play: Play) -> None:
    """REPORT_READY is refused with what is missing, and nobody reads 'ready'."""
    assert play.patient("REPORT_READY", step_id="who") is Code.STEP_INCOMPLETE
    assert play.refusal is not None
    assert play.refusal.details == {"step_id": "who", "fields": ["name"]}
    assert play.patient_view.to_do == ("name",)
    assert play.staff_view.ready_since is None


def test_who_is_done_is_ready_since_then(play: Play) -> None:
    """Both screens and the lobby read since when; saying it again does not change that."""
    play.enter("name", "Ada")
    assert isinstance(play.patient("REPORT_READY", step_id="who"), f.ReadyReported)
    since = play.events[-1].at
    play.patient("REPORT_READY", step_id="who")
    assert play.staff_view.ready_since == play.patient_view.ready_since == since
    assert play.session.state.step_index == 0, "the session stays at its step"


def test_a_change_that_leaves_the_step_complete_leaves_it_ready(play: Play) -> None:
    """Only what makes it incomplete takes 'ready' back, staff's correction too."""
    play.enter("name", "Ada")
    play.patient("REPORT_READY", step_id="who")
    play.enter("name", "Ada Okafor")
    assert play.staff_view.ready_since
    play.host("REQUEST_CORRECTION", field_id="name", message="Please")
    assert play.staff_view.ready_since is None
    play.enter("name", "Ada")
    play.patient("REPORT_READY", step_id="who")
    play.patient("CLEAR_FIELD", field_id="name")
    assert play.staff_view.ready_since is None


def test_ready_is_of_one_step(play: Play) -> None:
    """The next step begins anew, and what was said of a step that is over is refused."""
    play.enter("name", "Ada")
    play.patient("REPORT_READY", step_id="who")
    play.host("NAVIGATE", step_id="agree")
    assert play.staff_view.ready_since is None
    assert play.patient("REPORT_READY", step_id="who") is Code.STALE_REVISION
    assert play.staff_view.ready_since is None


def test_a_signature_is_the_staffs_to_ask_for(play: Play) -> None:
    """Who has read all is ready, though staff cannot move on before the signature."""
    play.enter("name", "Ada")
    play.host("NAVIGATE", step_id="agree")
    assert play.patient("REPORT_READY", step_id="agree") is Code.STEP_INCOMPLETE
    assert play.patient_view.to_do == ("terms",)
    play.patient("REPORT_READING", field_id="terms", fraction=1)
    assert isinstance(play.patient("REPORT_READY", step_id="agree"), f.ReadyReported)
    assert play.staff_view.missing == ("sign",)


def test_a_marked_step_is_passed_when_complete() -> None:
    """The session moves to the next step that shows anything; the log says that it was passed."""
    play = Play(_flow(self_paced=True))
    assert play.patient_view.may_advance
    assert play.patient("REPORT_READY", step_id="who") is Code.STEP_INCOMPLETE
    play.enter("name", "Ada")
    assert play.patient("REPORT_READY", step_id="who") == f.StepPassed(step_index=2)
    assert play.patient_view.step_id == play.staff_view.step_id == "agree"
    assert play.staff_view.ready_since is None


def test_a_marked_step_waits_for_its_signature_and_the_last_for_staff() -> None:
    """Where something is left to staff, the patient is ready instead."""
    play = Play(_flow(self_paced=True))
    play.enter("name", "Ada")
    play.patient("REPORT_READY", step_id="who")
    play.patient("REPORT_READING", field_id="terms", fraction=1)
    assert isinstance(play.patient("REPORT_READY", step_id="agree"), f.ReadyReported)
    play.host("REQUEST_SIGNATURE", field_id="sign")
    asked = play.patient_view.signature
    assert asked
    assert play.patient("REPORT_READY", step_id="agree") is Code.LOCKED_FOR_SIGNATURE
    signed = {"strokes": [[[0, 0, 0]]], "document_sha256": asked.document_sha256}
    play.patient("SUBMIT_SIGNATURE", field_id="sign", **signed)
    assert play.patient("REPORT_READY", step_id="agree") == f.StepPassed(step_index=3)
    assert play.patient_view.may_advance is None, "it is the last"
    assert isinstance(play.patient("REPORT_READY", step_id="end"), f.ReadyReported)


@pytest.mark.parametrize("marked", [False, True])
def test_staff_allow_it_for_a_session_or_forbid_it(*, marked: bool) -> None:
    """SET_SELF_PACED counts for every step; null leaves it to the flow again."""
    play = Play(_flow(self_paced=marked))
    for chosen, allowed in ((True, True), (False, None), (None, marked or None)):
        play.host("SET_SELF_PACED", self_paced=chosen)
        assert (play.staff_view.self_paced, play.staff_view.may_advance) == (chosen, allowed)
        assert play.patient_view.may_advance == allowed
    assert play.patient("SET_SELF_PACED", self_paced=True) is Code.NOT_ALLOWED_FOR_ROLE


def test_a_mark_below_the_top_is_reported() -> None:
    """Only a step can be passed."""
    flow = flow_of(item("who", "group", item=[item("name", "string", extension=[SELF_PACED])]))
    assert any("self-paced" in note.place for note in flow.notes)


def test_help_is_asked_sent_and_done(play: Play) -> None:
    """The patient reads each; who has asked again waits since the first time."""
    play.patient("ASK_FOR_HELP")
    since = play.events[-1].at
    play.patient("ASK_FOR_HELP")
    for shown in (play.patient_view, play.staff_view):
        assert shown.help
        assert (shown.help_requested, shown.help.status, shown.help.since) == (True, "asked", since)
    play.host("SEND_HELP", staff_name="Ana Molina")
    for shown in (play.patient_view, play.staff_view):
        assert shown.help
        assert (shown.help_requested, shown.help.status) == (True, "coming")
        assert (shown.help.since, shown.help.staff_name) == (since, "Ana Molina")
    play.host("ANSWER_HELP")
    for shown in (play.patient_view, play.staff_view):
        assert (shown.help_requested, shown.help) == (False, None)


def test_who_waits_for_somebody_may_call_again(play: Play) -> None:
    """Then nobody is coming until staff say so again."""
    play.patient("ASK_FOR_HELP")
    play.host("SEND_HELP")
    play.patient("ASK_FOR_HELP")
    called = play.patient_view.help
    assert called
    assert (called.status, called.since) == ("asked", play.events[-1].at)


def test_help_can_be_sent_in_a_pause_and_under_a_signature(play: Play) -> None:
    """Where the patient may call, staff may answer that somebody is coming."""
    play.host("PAUSE")
    play.patient("ASK_FOR_HELP")
    assert isinstance(play.host("SEND_HELP"), f.HelpSent)
    assert play.patient_view.help
    assert play.patient_view.help.status == "coming"


def test_help_that_nobody_asked_for_changes_nothing(play: Play) -> None:
    """A second screen, or a late click, does not tell the patient that somebody is coming."""
    play.host("SEND_HELP")
    assert play.patient_view.help is None
    assert not play.patient_view.help_requested


def test_help_ends_with_the_session(play: Play) -> None:
    """Nobody is called, coming or ready after it."""
    play.enter("name", "Ada")
    play.patient("REPORT_READY", step_id="who")
    play.patient("ASK_FOR_HELP")
    play.host("CANCEL", reason="over")
    shown = play.staff_view
    assert (shown.help_requested, shown.help, shown.ready_since) == (False, None, None)


def test_time_is_the_boxs(play: Play) -> None:
    """`since` is when the box recorded it, not what a screen says."""
    play.enter("name", "Ada")
    play.patient("REPORT_READY", step_id="who")
    ready = play.staff_view.ready_since
    assert ready == play.events[-1].at
    assert ready - play.events[0].at == timedelta(seconds=len(play.events) - 1)


def test_only_the_host_answers_and_only_the_patient_is_ready(play: Play) -> None:
    """As everywhere."""
    assert play.send("other", "SEND_HELP") is Code.NOT_THE_HOST
    assert play.send(PATIENT, "SEND_HELP") is Code.NOT_ALLOWED_FOR_ROLE
    assert play.send(HOST, "REPORT_READY", step_id="who") is Code.NOT_ALLOWED_FOR_ROLE
