"""Views are written without being made into models: what is written must be a valid view."""

import json

import pytest

from schemas.wire.views import FacilityView, PatientView
from session_controller.engine.events import PresenceChanged
from session_controller.engine.view import view, written_views
from tests.engine.play import HOST, PATIENT
from tests.engine.test_moves import FLOW, Play, at_step, signing


@pytest.mark.parametrize("ended", [False, True])
def test_what_is_written_is_a_valid_view(ended: bool) -> None:
    """What is published, read back and validated strictly, is written the same again."""
    play = Play(FLOW)
    play.enter("ssn", "123456789")
    play.enter("smokes", True)
    play.enter("packs", 2)
    play.host("REQUEST_CORRECTION", field_id="packs", message="really?")
    play.enter("packs", 1)
    at_step(play, "card")
    upload = {"upload": "u", "size": 3, "sha256": "a" * 64, "media_type": "image/png"}
    play.patient("BEGIN_UPLOAD", field_id="photo", **upload)
    play.host("REVIEW_DOCUMENT", field_id="photo", accepted=False, reason="x")
    play.host("NAVIGATE", step_id="who")
    signing(play)
    if ended:
        play.host("CANCEL", reason="enough")
    for kind, device in ((FacilityView, HOST), (PatientView, PATIENT)):
        written = written_views(play.session, [device], epoch=1, code="WDJB-MJHT")
        ((_, shown),) = written
        again = kind.model_validate_json(shown)
        assert json.loads(again.to_json()) == json.loads(shown)
        assert again == view(play.session, device, epoch=1, code="WDJB-MJHT")


def test_what_a_view_remembers_follows_the_answers() -> None:
    """A value entered after a view was made stands in the next one."""
    play = Play(FLOW)
    assert play.patient_view.fields == {}
    play.enter("name", "Ada")
    assert play.patient_view.fields["name"].value == "Ada"
    assert play.staff_view.fields["name"].value == "Ada"
    play.host("HIGHLIGHT_FIELD", field_id="name")
    play.enter("name", "Bea")
    assert play.patient_view.fields["name"].value == "Bea"
    play.patient("CLEAR_FIELD", field_id="name")
    assert play.patient_view.fields == {}


def test_what_is_written_once_is_written_again_when_it_changes() -> None:
    """A view that is written part by part says what a view says, after every event of a history."""
    play = Play(FLOW)  # which compares both after each event, for every device
    play.enter("name", "Ada")
    play.host("HIGHLIGHT_FIELD", field_id="name")
    at_step(play, "card")
    play.host("PAUSE")
    play.host("RESUME")
    play.happen(PresenceChanged(device=PATIENT, online=False))
    assert play.staff_view.fields["name"].value == "Ada"
