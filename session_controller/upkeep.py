"""What nobody asks for: codes close, idle sessions expire, topics of ended ones are cleared.

The box's clock may jump (a battery that is empty, the first answer of a time server). How long a
session was idle is therefore counted by a clock that does not, and codes move with the jump.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from session_controller.admin import clear_topics
from session_controller.engine.facts import CodeClosed, CodeIssued, Expired
from session_controller.engine.session import Session
from session_controller.presence import note_presence
from session_controller.work import Work

_JUMP = timedelta(seconds=2)
"""Less is the ordinary slewing of a clock."""
_CARRIED = 0.95
"""Of the idle limit, at most, is taken over from before a start: who was away while the box was off
has some minutes left, also where it was the clock and not the night that passed."""


def look_after(work: Work) -> None:
    """Look at every live session once; called every second."""
    settings = work.world.settings
    work.world.exports.expire(work.steady_s)
    for session in list(work.world.sessions.values()):
        state = session.state
        if state.status.ended:
            if work.at >= state.updated_at + settings.retention_of_topics:
                _clear(work, session)
        elif _idle(work, session) >= settings.idle_limit:
            work.record(work.session(state.session) or session, Expired())
        elif state.code and work.at >= _deadline(work, session):
            work.record(work.session(state.session) or session, CodeClosed())
    expired = [c for c in work.world.open_codes.values() if not c.is_open(work.at)]
    for code in expired:
        if code.code_hash not in work.batch.codes:
            del work.world.open_codes[code.code_hash]
    gone = work.world.untouched.keys() - work.world.sessions.keys()
    for name in gone:
        del work.world.untouched[name]


def _idle(work: Work, session: Session) -> timedelta:
    """Give how long nobody touched a session, as far as this process can tell."""
    state, world = session.state, work.world
    revision, since_s = world.untouched.get(state.session, (None, 0.0))
    if revision != state.revision:
        limit = world.settings.idle_limit
        fresh = revision is not None
        before = timedelta(0) if fresh else min(work.at - state.updated_at, limit * _CARRIED)
        since_s = work.steady_s - max(before, timedelta(0)).total_seconds()
        world.untouched[state.session] = (state.revision, since_s)
    return timedelta(seconds=work.steady_s - since_s)


def follow_the_clock(work: Work) -> None:
    """Where the clock jumped, move what expires with it: ten minutes stay ten minutes.

    Called first in every batch, so that none is decided between a jump and the next upkeep.
    """
    world = work.world
    last, work.looked = world.last_look, (work.at, work.steady_s)
    if last is None:
        return
    jump = (work.at - last[0]) - timedelta(seconds=work.steady_s - last[1])
    if abs(jump) < _JUMP:
        return
    for code in list(world.open_codes.values()):
        work.put_code(replace(code, expires_at=code.expires_at + jump))
    for session in list(world.sessions.values()):
        shown = session.state.code
        if shown is not None and not session.state.status.ended:
            moved = CodeIssued(serial=shown.serial, expires_at=shown.expires_at + jump)
            work.record(session, moved)


def _deadline(work: Work, session: Session) -> datetime:
    newest = work.session(session.state.session) or session
    code = newest.state.code
    return code.expires_at if code else work.at


def _clear(work: Work, session: Session) -> None:
    clear_topics(work, session.state)
    work.batch.cleared[session.state.session] = work.at


def everyone_left(work: Work) -> None:
    """Note that nobody is connected: the broker has only just started."""
    for device in list(work.world.devices.values()):
        if device.online:
            note_presence(work, device, online=False, connection=device.connection)
