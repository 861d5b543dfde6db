"""What the database holds at the end: the log, the stored states, who has which role."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from schemas.base import Role
from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import Flow
from session_controller.engine.events import CommandRefused, Event, SessionOpened
from session_controller.engine.evolve import evolve
from session_controller.engine.history import before_the_first
from session_controller.engine.session import Session
from session_controller.engine.state import SessionState
from session_controller.engine.view import view
from session_controller.integrity.data_folder import reading
from session_controller.storage.reader import Reader


@dataclass(frozen=True)
class SessionLog:
    """One session's events and stored state, and every state in between, replayed."""

    flow: Flow
    state: SessionState
    events: tuple[Event, ...]

    @cached_property
    def sessions(self) -> list[Session]:
        """The session after each event; it is asked for once the log is known to be in order."""
        first = self.events[0]
        assert isinstance(first.fact, SessionOpened)
        blank = before_the_first(self.flow, first.session, first.fact, first.at)
        return list(accumulate(self.events, evolve, initial=blank))[1:]

    @cached_property
    def at_revision(self) -> Mapping[int, list[Session]]:
        """The states of each revision: several where commands were refused there."""
        found: dict[int, list[Session]] = {}
        for session in self.sessions:
            found.setdefault(session.state.revision, []).append(session)
        return found

    def answers(self) -> Iterator[Event]:
        """Return the events that answer a command."""
        return (event for event in self.events if event.seq is not None)

    def accepted(self) -> Iterator[Event]:
        """Return the events that a command caused."""
        return (e for e in self.answers() if not isinstance(e.fact, CommandRefused))


@dataclass(frozen=True)
class Log:
    """All sessions of a database."""

    sessions: Mapping[str, SessionLog]
    roles: Mapping[str, Role]
    epoch: int

    @classmethod
    def of(cls, store: Reader) -> "Log":
        """Read it out of a store."""
        flows = {s.flow_ref: load_flow(s.canonical, fallback_id=s.flow_id) for s in store.flows()}
        sessions = {
            state.session: SessionLog(
                flows[state.flow_ref], state, tuple(store.events(state.session))
            )
            for state in store.states()
        }
        return cls(sessions, {d.device: d.role for d in store.devices()}, store.epoch)

    @classmethod
    def read(cls, data: Path) -> "Log":
        """Read the database of a data folder whose box does not run."""
        with reading(data / "handrail.sqlite") as store:
            return cls.of(store)


def shown(session: Session, device: str, epoch: int) -> dict[str, Any] | None:
    """Write the view that a device has to have of a session, as it goes over the wire."""
    found = view(session, device, epoch=epoch)
    return found.model_dump(mode="json") if found else None
