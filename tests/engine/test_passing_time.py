"""Timers: when a session expires, its code closes, and its topics are cleared."""

from datetime import timedelta

from schemas.wire.views import SessionStatus
from session_controller.engine.events import CodeClosed, Expired
from session_controller.engine.state import OpenCode
from session_controller.engine.timers import (
    IdleSince,
    Now,
    due,
    idle_since,
    moved_code,
    topics_are_due,
)

from .play import Play, flow_of, item

LIMIT = timedelta(hours=4)
STATE = Play(flow_of(item("name", "string"))).session.state
NOW = Now(STATE.updated_at, 1_000.0)


def test_a_session_expires_at_its_limit_and_not_before() -> None:
    """Counted by the clock that does not jump, from the last change on."""
    since = IdleSince(STATE.revision, NOW.steady_s)
    for seconds, expires in ((0, False), (4 * 3600 - 1, False), (4 * 3600, True)):
        later = Now(NOW.at, NOW.steady_s + seconds)
        assert isinstance(due(STATE, since, later, LIMIT), Expired) is expires


def test_every_change_starts_the_count_anew() -> None:
    """And only a change: a session at the same revision goes on being idle."""
    known = IdleSince(STATE.revision, 500.0)
    assert idle_since(STATE, known, NOW, LIMIT) == known
    changed = STATE.but(revision=STATE.revision + 1)
    assert idle_since(changed, known, NOW, LIMIT) == IdleSince(changed.revision, NOW.steady_s)


def test_some_minutes_are_left_after_a_start() -> None:
    """However long the box was off, and also if its clock stood in the past or the future."""
    for hours, carried in ((1, 3600), (100, 0.95 * 4 * 3600), (-100, 0)):
        started = Now(STATE.updated_at + timedelta(hours=hours), 10.0)
        since = idle_since(STATE, None, started, LIMIT)
        assert since.since_s == started.steady_s - carried
        assert due(STATE, since, started, LIMIT) is None


def test_a_code_closes_when_its_time_is_over() -> None:
    """At the moment that was shown."""
    code = OpenCode(serial=1, expires_at=NOW.at + timedelta(minutes=10))
    state, since = STATE.but(code=code), IdleSince(STATE.revision, NOW.steady_s)
    before = Now(code.expires_at - timedelta(milliseconds=1), NOW.steady_s)
    assert due(state, since, before, LIMIT) is None
    assert isinstance(due(state, since, Now(code.expires_at, 0.0), LIMIT), CodeClosed)
    assert due(STATE, since, Now(code.expires_at, 0.0), LIMIT) is None


def test_a_jump_of_the_clock_moves_codes_and_slewing_does_not() -> None:
    """Ten minutes stay ten minutes."""
    for seconds, jump in ((1.9, 0), (2, 2), (-7200, -7200)):
        later = Now(NOW.at + timedelta(seconds=60 + seconds), NOW.steady_s + 60)
        assert later.jump_since(NOW) == timedelta(seconds=jump)
    code = OpenCode(serial=3, expires_at=NOW.at)
    moved = moved_code(STATE.but(code=code), timedelta(hours=1))
    assert moved is not None
    assert (moved.serial, moved.expires_at) == (3, NOW.at + timedelta(hours=1))
    assert moved_code(STATE, timedelta(hours=1)) is None
    ended = STATE.but(code=code, status=SessionStatus.CANCELLED)
    assert moved_code(ended, timedelta(hours=1)) is None


def test_topics_of_ended_sessions_are_cleared_after_their_time() -> None:
    """Never those of a session that goes on."""
    hour = timedelta(hours=1)
    ended = STATE.but(status=SessionStatus.COMPLETED)
    assert not topics_are_due(ended, STATE.updated_at + hour - timedelta(seconds=1), hour)
    assert topics_are_due(ended, STATE.updated_at + hour, hour)
    assert not topics_are_due(STATE, STATE.updated_at + 100 * hour, hour)
