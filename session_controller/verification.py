"""Whether a database is whole: SQLite's own checks, and every state rebuilt from its log.

`python -m session_controller.verification FILE` does it in a process of its own, so that a box
that serves is not held up; it prints what is wrong, a line each, and exits with 1.
"""

import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.flow import load_flow
from schemas.questionnaire import Flow
from session_controller.engine.facts import CommandRefused, Event
from session_controller.engine.forms import BrokenLogError
from session_controller.engine.history import replay
from session_controller.engine.state import SessionState
from session_controller.store import Store, StoreError

_MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found in a database."""

    sessions: int
    events: int
    epoch: int
    faults: tuple[str, ...]
    """What is wrong, in words that name sessions and no values."""


def verify(path: Path) -> Verified:
    """Check a database file that nobody writes to. Changes nothing; raises nothing."""
    try:
        with Store.reading(path) as store:
            return _verify(store)
    except (StoreError, sqlite3.Error, ValueError) as error:
        return Verified(0, 0, 0, (f"cannot be read: {type(error).__name__}",))


def _verify(store: Store) -> Verified:
    faults = list(store.damage())
    if faults:
        return Verified(0, 0, 0, tuple(faults[:_MAX_FAULTS]))
    flows = {s.flow_ref: load_flow(s.canonical, fallback_id=s.flow_id) for s in store.flows()}
    states, count = store.states(ended=True), 0
    for state in states:
        events = list(store.events(state.session))
        count += len(events)
        faults += log_faults(flows.get(state.flow_ref), state, events)
    return Verified(len(states), count, store.epoch, tuple(faults[:_MAX_FAULTS]))


def log_faults(flow: Flow | None, state: SessionState, events: list[Event]) -> Iterator[str]:
    """Say where a session's log and its stored state disagree."""
    if flow is None:
        yield f"{state.session}: its flow is missing"
        return
    expected = 0
    for event in events:
        expected += not isinstance(event.fact, CommandRefused)
        if event.revision != expected:
            yield f"{state.session}: revision {event.revision} where {expected} is due"
            return
    try:
        rebuilt = replay(flow, events).state
    except (BrokenLogError, KeyError, ValueError) as error:
        yield f"{state.session}: the log cannot be replayed ({type(error).__name__})"
        return
    if rebuilt != state:
        yield f"{state.session}: the stored state is not what the log gives"


def main() -> int:
    """Verify the file that the command line names."""
    verified = verify(Path(sys.argv[1]))
    for fault in verified.faults:
        sys.stdout.write(f"{fault}\n")
    return 1 if verified.faults else 0


if __name__ == "__main__":
    sys.exit(main())
