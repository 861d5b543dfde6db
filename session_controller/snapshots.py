"""How far each session's stored state is behind its log: most commands write their event alone.

A state is written with what opens or ends its session, and once so many events stand behind it
that to take them up would delay a start; all others when the box stops.
"""

from dataclasses import dataclass, field

from session_controller.batch import Batch
from session_controller.engine.state import SessionState

MAX_BEHIND = 16
"""Events that a start takes up for a session, 50 µs each: half a second for 500 of them."""


@dataclass(slots=True)
class Snapshots:
    """The sessions whose stored state is not the newest."""

    _behind: dict[str, tuple[int, SessionState]] = field(default_factory=dict)
    """How many events their state is behind, and the newest state."""
    _coming: dict[str, tuple[int, SessionState]] = field(default_factory=dict)
    """The same of the batch that is being written."""

    def due(self, batch: Batch) -> list[SessionState]:
        """Give the states that are to be written with a batch."""
        events = dict.fromkeys(batch.states, 0)
        for event in batch.events:
            events[event.session] += 1 if event.revision > 1 else MAX_BEHIND  # the first opens it
        due = []
        self._coming = {}
        for name, state in batch.states.items():
            known = self._behind.get(name)
            behind = events[name] + (known[0] if known else 0)
            if behind >= MAX_BEHIND or state.status.ended:
                behind = 0
                due.append(state)
            self._coming[name] = behind, state
        return due

    def stored(self) -> None:
        """Take note that the batch is on disk."""
        self._behind |= self._coming
        for name, (behind, _) in self._coming.items():
            if not behind:
                del self._behind[name]
        self._coming = {}

    def behind(self) -> list[SessionState]:
        """Give the newest states of all that are behind."""
        return [state for _, state in self._behind.values()]
