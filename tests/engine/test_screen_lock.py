"""A patient's screen at which nobody answers: the next person sees nothing of the last."""

from datetime import timedelta

import pytest

from schemas.base import Role
from schemas.wire.rejections import RejectionCode as Code
from session_controller.engine import events as f
from session_controller.engine.timers import lock_is_due
from tests.engine.play import PATIENT, Play, flow_of, item

_TEN = timedelta(minutes=10)


def _locked() -> Play:
    play = Play(flow_of(item("who", "group", item=[item("name", "string"), item("x", "string")])))
    play.enter("name", "Ada Lovelace")
    assert isinstance(play.patient("REPORT_IDLE", idle=True), f.IdleReported)
    assert play.staff_view.patient_idle
    play.happen(f.ScreenLocked())
    return play


def test_a_locked_screens_view_holds_no_values() -> None:
    """Neither values nor which fields there are; the staff see both, and that it is locked."""
    play = _locked()
    view = play.patient_view
    assert view.locked
    assert (view.fields, view.enabled, view.documents, view.reading) == ({}, (), {}, {})
    assert b"Ada" not in view.to_json()
    assert play.staff_view.locked
    assert play.staff_view.fields["name"].value == "Ada Lovelace"


def test_only_the_host_opens_it_again() -> None:
    """By showing the screen; that somebody touches it opens nothing."""
    play = _locked()
    play.patient("REPORT_IDLE", idle=False)
    assert play.patient_view.locked
    assert play.patient("COVER_SCREEN", covered=False) is Code.NOT_ALLOWED_FOR_ROLE
    play.host("COVER_SCREEN", covered=True)
    assert play.patient_view.locked
    play.host("COVER_SCREEN", covered=False)
    assert not play.patient_view.locked
    assert play.patient_view.fields["name"].value == "Ada Lovelace"
    assert not play.staff_view.patient_idle


def test_what_was_typed_before_is_still_taken() -> None:
    """A screen that was away sends it once it is back, locked or not."""
    play = _locked()
    assert isinstance(play.enter("x", "late"), f.FieldEntered)
    assert play.patient_view.fields == {}


def test_idleness_is_reported_at_any_time() -> None:
    """In a pause and under a cover too; a screen that joins anew begins attended, and open."""
    play = _locked()
    play.host("PAUSE")
    assert isinstance(play.patient("REPORT_IDLE", idle=True), f.IdleReported)
    play.host("RESUME")
    play.host("REPLACE_PATIENT_DEVICE", device=None)
    play.happen(f.DeviceJoined(device=PATIENT, role=Role.PATIENT, online=True))
    assert not play.patient_view.locked
    assert not play.staff_view.patient_idle


@pytest.mark.parametrize(("idle_s", "due"), [(599, False), (600, True), (3_600, True)])
def test_it_is_locked_after_the_sites_time(idle_s: float, due: bool) -> None:
    """Once."""
    play = Play(flow_of(item("name", "string")))
    play.patient("REPORT_IDLE", idle=True)
    assert (lock_is_due(play.session.state, idle_s, _TEN) is not None) is due
    play.happen(f.ScreenLocked())
    assert lock_is_due(play.session.state, idle_s, _TEN) is None
