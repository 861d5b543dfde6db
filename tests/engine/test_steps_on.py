"""A step that shows nothing is no step: not counted, titled, opened on or entered."""

from typing import Any

from schemas.wire.rejections import RejectionCode
from session_controller.service.lobby import lobby_line
from tests.engine.play import Play, flow_of, item

HIDDEN = {
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-hidden",
            "valueBoolean": True,
        }
    ]
}


def _on(question: str) -> dict[str, Any]:
    return {
        "enableWhen": [{"question": question, "operator": "=", "answerBoolean": True}],
    }


FORM = (
    item("internal", "group", item=[item("set", "string")], **HIDDEN),
    item("id", "string", **HIDDEN),
    item("ever", "boolean"),
    item("more", "group", item=[item("many", "integer", required=True)], **_on("ever")),
    item("last", "group", item=[item("else", "string")]),
    item("never", "group", item=[item("gone", "string", **HIDDEN)]),
)


def _where(play: Play) -> tuple[str, int, int]:
    seen = {(v.step_id, v.step_index, v.steps_total) for v in (play.staff_view, play.patient_view)}
    (where,) = seen
    line = lobby_line(play.session.state, play.session.flow, play.session.steps_on)
    assert (line.step_id, line.step_index, line.steps_total) == where
    return where


def test_a_session_opens_on_the_first_step_that_shows_anything() -> None:
    """Hidden steps before it are not counted, and were not shown."""
    play = Play(flow_of(*FORM))
    assert _where(play) == ("id", 0, 2)
    assert list(play.staff_view.steps) == ["id", "last"]
    assert list(play.session.state.shown_steps) == ["id"]


def test_a_step_appears_with_the_answer_that_switches_it_on() -> None:
    """Both screens count it from then on."""
    play = Play(flow_of(*FORM))
    play.patient("ENTER_FIELD", field_id="ever", value=True)
    assert _where(play) == ("id", 0, 3)
    assert list(play.staff_view.steps) == ["id", "more", "last"]


def test_next_and_back_pass_what_is_empty() -> None:
    """A client that names the step beside is taken beyond it, on the way that it went."""
    play = Play(flow_of(*FORM))
    play.host("NAVIGATE", step_id="more")
    assert _where(play) == ("last", 1, 2)
    play.host("NAVIGATE", step_id="more")
    assert _where(play) == ("id", 0, 2)


def test_where_nothing_is_beyond_it_says_so() -> None:
    """The last steps are off: the session stays where it is."""
    play = Play(flow_of(*FORM))
    play.host("NAVIGATE", step_id="last")
    assert play.host("NAVIGATE", step_id="never") is RejectionCode.UNKNOWN_STEP
    play.host("NAVIGATE", step_id="id")
    assert play.host("NAVIGATE", step_id="internal") is RejectionCode.UNKNOWN_STEP
    play.host("NAVIGATE", step_id="last")
    assert _where(play) == ("last", 1, 2)


def test_the_current_step_is_one_although_it_was_emptied() -> None:
    """A late answer to an earlier step takes what is on the screen away, not the screen."""
    play = Play(flow_of(*FORM))
    play.patient("ENTER_FIELD", field_id="ever", value=True)
    play.host("NAVIGATE", step_id="more")
    play.patient("ENTER_FIELD", field_id="ever", value=False)
    assert _where(play) == ("more", 1, 3)
    play.host("NAVIGATE", step_id="last")
    assert _where(play) == ("last", 1, 2)


def test_a_step_of_loose_items_is_named_by_the_first_that_is_shown() -> None:
    """Not by a hidden one; and not by one that is switched off."""
    play = Play(flow_of(*FORM))
    assert play.session.title_of(1) == "Text of ever"
    assert play.session.flow.steps[1].title == "Text of ever"
    off = Play(flow_of(item("q", "boolean", **_on("r")), item("r", "boolean")))
    assert off.session.title_of(0) == "Text of r"
    off.patient("ENTER_FIELD", field_id="r", value=True)
    assert off.session.title_of(0) == "Text of q"
