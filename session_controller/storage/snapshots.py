"""How far each session's stored state is behind its log: most commands write only their event.

A state is written when its session opens or ends, and after so many events that replaying them
would delay a start; the others when the box stops.
"""

from dataclasses import dataclass, field

from session_controller.engine.state import SessionState
from session_controller.storage.transaction import Transaction

MAX_BEHIND = 16
"""Events that a start replays per session, 50 µs each: half a second for 500 sessions."""


@dataclass(slots=True)
class Snapshots:
    """The sessions whose stored state is outdated."""

    _behind: dict[str, tuple[int, SessionState]] = field(default_factory=dict)
    """The number of events their stored state is behind, and the newest state."""
    _coming: dict[str, tuple[int, SessionState]] = field(default_factory=dict)
    """The same for the transaction being written."""

    def due(self, transaction: Transaction) -> list[SessionState]:
        """Return the states to write with a transaction."""
        events = dict.fromkeys(transaction.states, 0)
        for event in transaction.events:
            events[event.session] += (
                1 if event.revision > 1 else MAX_BEHIND
            )  # the first event opens the session
        due = []
        self._coming = {}
        for name, state in transaction.states.items():
            known = self._behind.get(name)
            behind = events[name] + (known[0] if known else 0)
            if behind >= MAX_BEHIND or state.status.ended:
                behind = 0
                due.append(state)
            self._coming[name] = behind, state
        return due

    def stored(self) -> None:
        """Record that the transaction is on disk."""
        self._behind |= self._coming
        for name, (behind, _) in self._coming.items():
            if not behind:
                del self._behind[name]
        self._coming = {}

    def behind(self) -> list[SessionState]:
        """Return the newest state of each session that is behind."""
        return [state for _, state in self._behind.values()]
