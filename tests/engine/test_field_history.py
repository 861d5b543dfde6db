"""Each value that was replaced can be read again: which, by whom, when (21 CFR 11.10(e))."""

from dataclasses import replace
from datetime import timedelta

import pytest

from session_controller.engine import events as f
from session_controller.engine.answering import BrokenLogError
from session_controller.engine.field_history import (
    BEING_TYPED,
    earlier_values,
    field_changes,
)
from tests.engine.play import PATIENT, START, Play, flow_of, item

_MEDS = item("meds", "group", repeats=True, item=[item("what", "string"), item("dose", "string")])
_BORN = item("born", "date", initial=[{"valueDate": "2000-01-01"}])
FLOW = flow_of(item("you", "group", item=[item("name", "string"), _BORN, _MEDS]))


@pytest.fixture
def play() -> Play:
    """Return a session in which the patient may enter."""
    return Play(FLOW)


def _told(play: Play) -> list[tuple[str, object, object]]:
    return [(one.field_id, one.before, one.after) for one in field_changes(FLOW, play.events)]


def test_each_change_has_both_values_its_device_and_its_time(play: Play) -> None:
    """Entered, replaced and cleared; a value of the form itself was entered by nobody."""
    play.enter("name", "Ana")
    play.enter("name", "Anna")
    play.patient("CLEAR_FIELD", field_id="name")
    play.enter("born", "1980-02-03")
    assert _told(play) == [
        ("name", None, "Ana"),
        ("name", "Ana", "Anna"),
        ("name", "Anna", None),
        ("born", "2000-01-01", "1980-02-03"),
    ]
    first, second, _, born = field_changes(FLOW, play.events)
    assert (second.entered_on, second.entered_at) == (PATIENT, first.at)
    assert (second.device, second.revision) == (PATIENT, first.revision + 1)
    assert (born.entered_on, born.entered_at) == (None, START)


def test_a_refused_entry_and_the_same_value_change_nothing(play: Play) -> None:
    """What is not taken is no earlier value; nor is what was entered twice."""
    play.enter("name", "Ana")
    play.enter("name", "Ana")
    play.enter("name", 7)
    assert _told(play) == [("name", None, "Ana")]


def test_a_removed_instance_keeps_its_values_and_renumbers_the_rest(play: Play) -> None:
    """What was entered in it is still there, marked; later ones bear their new numbers."""
    play.enter("meds[0].what", "Aspirin")
    play.enter("meds[0].dose", "100 mg")
    play.enter("meds[1].what", "Insulin")
    play.patient("CLEAR_FIELD", field_id="meds[0]")
    play.enter("meds[0].what", "Insuline")
    changes = field_changes(FLOW, play.events)
    removed = [(one.field_id, one.before, one.after) for one in changes if one.removed]
    assert removed == [
        ("meds[0].what", None, "Aspirin"),
        ("meds[0].dose", None, "100 mg"),
        ("meds[0].what", "Aspirin", None),
        ("meds[0].dose", "100 mg", None),
    ]
    kept = [(one.field_id, one.before, one.after) for one in changes if not one.removed]
    assert kept == [("meds[0].what", None, "Insulin"), ("meds[0].what", "Insulin", "Insuline")]


def test_what_is_being_typed_is_no_earlier_answer(play: Play) -> None:
    """A screen sends at each pause; what it replaces at once is left out, the rest is kept."""
    play.enter("name", "An")
    play.enter("name", "Ana")
    play.enter("born", "1980-02-03")
    changes = field_changes(FLOW, play.events)
    assert [one.before for one in earlier_values(changes)] == ["2000-01-01"]
    slow = [replace(one, at=one.at + timedelta(seconds=10)) for one in changes]
    assert [one.before for one in earlier_values(slow)] == ["An", "2000-01-01"]
    assert timedelta(seconds=10) == BEING_TYPED


def test_all_changes_lead_to_what_is_held(play: Play) -> None:
    """All changes together lead from the values of the form to those of the session."""
    play.enter("name", "Ana")
    play.enter("meds[0].what", "Aspirin")
    play.enter("name", "Bea")
    held = {"born": "2000-01-01"}
    for one in field_changes(FLOW, play.events):
        assert held.get(one.field_id) == one.before
        held[one.field_id] = one.after
    assert {k: v for k, v in held.items() if v is not None} == play.session.state.answers


def test_a_log_must_begin_with_its_opening(play: Play) -> None:
    """Nothing can be told of a part of a log; of no log, nothing."""
    assert field_changes(FLOW, []) == ()
    with pytest.raises(BrokenLogError):
        field_changes(FLOW, play.events[1:])
    assert isinstance(play.events[0].fact, f.SessionOpened)
