"""What nobody asks for: codes close, idle sessions expire, topics of ended ones are cleared."""

from dataclasses import replace

from schemas.topics import FlowTopic
from session_controller.engine import timers
from session_controller.engine.events import ScreenLocked
from session_controller.engine.session import Session
from session_controller.engine.state import SessionState
from session_controller.service.handlers.administration import clear_topics
from session_controller.service.handlers.desks import log_off
from session_controller.service.handlers.presence import note_presence
from session_controller.service.unit_of_work import Departed, UnitOfWork


def run_timers(work: UnitOfWork) -> None:
    """Check every live session once; called every second."""
    settings, now = work.registry.settings, work.now
    work.idle_since = {}
    work.unattended_since = {}
    _drop_flows(work)
    log_off(work)
    for name in work.registry.sessions:
        session = work.session(name)
        if session is None:
            continue
        if session.state.status.ended:
            if timers.topics_are_due(session.state, now.at, settings.retention_of_topics):
                _clear(work, session)
            continue
        known = work.registry.idle_since.get(name)
        idle = timers.idle_since(session.state, known, now, settings.idle_limit)
        work.idle_since[name] = idle
        fact = timers.due(session.state, idle, now, settings.idle_limit) or _lock(work, session)
        if fact is not None:
            work.record(session, fact)


def _drop_flows(work: UnitOfWork) -> None:
    """Forget versions of flows that neither a new session nor a live one would use."""
    registry = work.registry
    live = {**registry.sessions, **work.sessions}.values()
    used = {session.state.flow_ref for session in live} | set(registry.current.values())
    for flow_ref in registry.flows.keys() - used:
        work.unused_flows.append(flow_ref)
        work.said.append((FlowTopic(flow_ref), None))


def _lock(work: UnitOfWork, session: Session) -> ScreenLocked | None:
    name = session.state.session
    if not (session.state.idle or _is_closed(work, session.state)):
        return None
    since_s = work.registry.unattended_since.get(name, work.steady_s)
    if session.state.locked:  # once the staff show it again, the time begins anew
        since_s = work.steady_s
    work.unattended_since[name] = since_s
    limit = work.registry.settings.screen_lock
    return timers.lock_is_due(session.state, work.steady_s - since_s, limit)


def _is_closed(work: UnitOfWork, state: SessionState) -> bool:
    """Return whether a kiosk is away: another person may be at it when it comes back.

    A guest's phone is the patient's own, and may be in their pocket for a while.
    """
    screen = state.participants.get(state.patient) if state.patient else None
    device = work.device(state.patient) if state.patient else None
    return not (screen is None or screen.online or device is None or device.guest_of)


def follow_clock_jumps(work: UnitOfWork) -> None:
    """Where the clock jumped, move what expires with it: ten minutes stay ten minutes.

    Called first in every batch, so that none is decided between a jump and the next timer.
    """
    before, work.clocks_compared = work.registry.clocks_compared, work.now
    if before is None:
        return
    jump = work.now.jump_since(before)
    if not jump:
        return
    for code in work.registry.open_codes.values():
        work.put_code(replace(code, expires_at=code.expires_at + jump))
    for person in work.registry.persons.values():
        if person.locked_until is not None:
            work.put_person(replace(person, locked_until=person.locked_until + jump))
    for session in work.registry.sessions.values():
        moved = timers.moved_code(session.state, jump)
        if moved is not None:
            work.record(session, moved)


def _clear(work: UnitOfWork, session: Session) -> None:
    clear_topics(work, session.state)
    work.transaction.cleared[session.state.session] = work.at


def everyone_left(work: UnitOfWork) -> None:
    """Note that nobody is connected: the broker has only just started."""
    for device in work.registry.devices.values():
        if device.online:
            work.departed[device.device] = Departed(reason="box_stopped")
            note_presence(work, device, online=False, connection=device.connection, seen=False)
