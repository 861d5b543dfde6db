"""The completed sessions whose delivery is held until staff say who the patient is."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.wire.devices import HeldLine
from session_controller.engine.state import SessionState
from session_controller.storage.deliveries import Delivery, DeliveryStatus
from session_controller.storage.store import Store

_SHOWN = 100
"""Each change of the lobby sends all of them to each staff screen."""


@dataclass(slots=True)
class AwaitingStaff:
    """Follows the deliveries as they are stored."""

    _lines: dict[str, HeldLine] = field(default_factory=dict)

    @classmethod
    def load(cls, store: Store) -> "AwaitingStaff":
        """Return what the database holds."""
        made = cls()
        for delivery in store.held_deliveries():
            state = store.state(delivery.session)
            if state is not None:
                made.follow(delivery, state)
        return made

    @property
    def lines(self) -> tuple[HeldLine, ...]:
        """The sessions, the oldest first."""
        oldest = sorted(self._lines.values(), key=lambda line: (line.completed_at, line.session))
        return tuple(oldest[:_SHOWN])

    def follow(self, delivery: Delivery, state: SessionState | None = None) -> None:
        """Note how a delivery stands; one that is held comes with the state of its session."""
        if delivery.status is not DeliveryStatus.HELD:
            self._remove(delivery.session, delivery.destination)
        elif state is not None:
            known = self._lines.get(delivery.session)
            destinations = {delivery.destination, *(known.destinations if known else ())}
            self._lines[delivery.session] = _line(delivery, state, destinations)

    def forget(self, session: str) -> None:
        """Forget a session that was purged."""
        self._lines.pop(session, None)

    def drop(self, destination: str) -> None:
        """Forget a destination that was removed."""
        for session in list(self._lines):
            self._remove(session, destination)

    def _remove(self, session: str, destination: str) -> None:
        line = self._lines.get(session)
        if line is None:
            return
        left = tuple(name for name in line.destinations if name != destination)
        if left:
            self._lines[session] = line.model_copy(update={"destinations": left})
        else:
            del self._lines[session]


def _line(delivery: Delivery, state: SessionState, destinations: Iterable[str]) -> HeldLine:
    outcome = delivery.outcome if isinstance(delivery.outcome, dict) else {}
    missing = outcome.get("missing")
    return HeldLine(
        session=state.session,
        label=state.label,
        flow_ref=state.flow_ref,
        completed_at=state.updated_at,
        destinations=tuple(sorted(destinations)),
        missing=tuple(map(str, missing)) if isinstance(missing, list) else (),
    )
