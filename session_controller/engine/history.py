"""From the log to the state: a session's beginning, and its replay to any revision."""

from collections.abc import Iterable
from datetime import datetime
from itertools import chain

from schemas.questionnaire import Flow
from session_controller.answers import initial_answers
from session_controller.engine.evolve import evolve
from session_controller.engine.facts import Event, SessionOpened
from session_controller.engine.forms import BrokenLogError
from session_controller.engine.session import Session
from session_controller.engine.state import SessionState


def before_the_first(flow: Flow, session: str, opened: SessionOpened, at: datetime) -> Session:
    """Give a session at revision 0, just before the fact that opens it."""
    state = SessionState(
        session=session,
        flow_ref=opened.flow_ref,
        label=opened.label,
        opened_at=at,
        updated_at=at,
        check_words=opened.check_words,
        answers=initial_answers(flow),
    )
    return Session.of(flow, state)


def replay(flow: Flow, events: Iterable[Event]) -> Session:
    """Rebuild a session from its events, in order; stop the events early for an earlier state.

    Raises `BrokenLogError` where the first event does not open the session.
    """
    rest = iter(events)
    first = next(rest, None)
    if first is None or not isinstance(first.fact, SessionOpened):
        raise BrokenLogError("the log does not begin with the opening of the session")
    return _after(before_the_first(flow, first.session, first.fact, first.at), chain([first], rest))


def carry_on(flow: Flow, state: SessionState, events: Iterable[Event]) -> SessionState:
    """Give the state after further events, in order. Raises `BrokenLogError`."""
    return _after(Session.of(flow, state), events).state


def _after(session: Session, events: Iterable[Event]) -> Session:
    for event in events:
        session = evolve(session, event)
    return session
