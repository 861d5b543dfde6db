"""What staff are told of how the patient screen shows the form."""

from schemas.base import Role
from session_controller.engine import events as f
from session_controller.service.lobby import lobby_line
from tests.engine.play import PATIENT, Play, flow_of, item

_FORM = (item("who", "group", item=[item("name", "string"), item("card", "attachment")]),)


def test_staff_see_the_language_and_the_text_size() -> None:
    """As the patient chose them last; nothing until then."""
    play = Play(flow_of(*_FORM))
    assert play.staff_view.patient_screen is None
    play.patient("REPORT_SCREEN", language="es", text_percent=125)
    shown = play.staff_view.patient_screen
    assert shown is not None
    assert (shown.language, shown.text_percent) == ("es", 125)
    play.patient("REPORT_SCREEN")
    shown = play.staff_view.patient_screen
    assert shown is not None
    assert (shown.language, shown.text_percent) == (None, 100)


def test_another_patient_screen_reports_anew() -> None:
    """What the former one had chosen is not said of it."""
    play = Play(flow_of(*_FORM))
    play.patient("REPORT_SCREEN", language="es", text_percent=125)
    play.happen(f.DeviceJoined(device=PATIENT, role=Role.PATIENT, online=True))
    assert play.staff_view.patient_screen is None


def test_the_lobby_says_since_when_nobody_answers_and_where() -> None:
    """The screen, and since when it is there, idle, and on this step."""
    play = Play(flow_of(*_FORM))
    play.patient("REPORT_IDLE", idle=True)
    line = lobby_line(play.session.state, play.session.flow)
    assert line.patient_device == PATIENT
    assert line.idle_since == play.session.state.updated_at
    assert line.step_since is not None
    assert line.patient_since is not None
    play.patient("REPORT_IDLE", idle=False)
    assert lobby_line(play.session.state, play.session.flow).idle_since is None


def test_a_correction_says_in_whose_words_it_is() -> None:
    """Ready-made by its code; staff's own with their language; both screens can tell."""
    play = Play(flow_of(*_FORM))
    asked = {"field_id": "name", "message": "Please check this."}
    play.host("REQUEST_CORRECTION", **asked, message_code="check", language="en")
    field = play.patient_view.fields["name"]
    assert (field.correction_code, field.correction_language) == ("check", "en")
    play.host("REQUEST_CORRECTION", **asked, language="es")
    field = play.patient_view.fields["name"]
    assert (field.correction_code, field.correction_language) == (None, "es")
    assert play.staff_view.fields["name"].correction_language == "es"
