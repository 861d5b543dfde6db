"""Rebuild a session from its log, up to any revision."""

from collections.abc import Iterable
from datetime import datetime
from itertools import chain

from schemas.questionnaire.model import Flow
from session_controller.engine.answering import BrokenLogError
from session_controller.engine.events import Event, SessionOpened
from session_controller.engine.evolve import evolve
from session_controller.engine.session import Session
from session_controller.engine.state import SessionState
from session_controller.forms.answers import initial_answers


def before_the_first(flow: Flow, session: str, opened: SessionOpened, at: datetime) -> Session:
    """Return a session at revision 0, just before the fact that opens it."""
    state = SessionState(
        session=session,
        flow_ref=opened.flow_ref,
        label=opened.label,
        opened_at=at,
        updated_at=at,
        check_words=opened.check_words,
        answers=initial_answers(flow),
        test=opened.test,
    )
    return Session.of(flow, state)


def replay(flow: Flow, events: Iterable[Event]) -> Session:
    """Rebuild a session from its events, in order; pass fewer events for an earlier state.

    Raises `BrokenLogError` if the first event is not `SessionOpened`.
    """
    rest = iter(events)
    first = next(rest, None)
    if first is None or not isinstance(first.fact, SessionOpened):
        raise BrokenLogError("the log does not begin with SessionOpened")
    return _after(before_the_first(flow, first.session, first.fact, first.at), chain([first], rest))


def carry_on(flow: Flow, state: SessionState, events: Iterable[Event]) -> SessionState:
    """Return the state after further events, in order. Raises `BrokenLogError`."""
    return _after(Session.of(flow, state), events).state


def _after(session: Session, events: Iterable[Event]) -> Session:
    for event in events:
        session = evolve(session, event)
    return session
