"""What one transaction writes."""

from dataclasses import dataclass, field
from datetime import datetime

from session_controller.delivery.deliveries import Delivery
from session_controller.engine.facts import Event
from session_controller.engine.state import SessionState
from session_controller.records import Chunk, Code, Device, LoggedAct, StoredAnswer, StoredFlow


@dataclass(slots=True)
class Batch:
    """All that one transaction writes. A later entry of a key takes the place of an earlier."""

    events: list[Event] = field(default_factory=list)
    acts: list[LoggedAct] = field(default_factory=list)
    states: dict[str, SessionState] = field(default_factory=dict)
    cleared: dict[str, datetime] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    dropped_uploads: list[tuple[str, str]] = field(default_factory=list)
    dropped_documents: list[tuple[str, str]] = field(default_factory=list)
    """Sessions, and the names of files that are no document of theirs any more."""
    answers: list[StoredAnswer] = field(default_factory=list)
    flows: list[StoredFlow] = field(default_factory=list)
    queued: list[Delivery] = field(default_factory=list)
    """Deliveries of sessions that have just completed."""
    deliveries: list[Delivery] = field(default_factory=list)
    """How deliveries that are known stand now."""
    dropped_destinations: list[str] = field(default_factory=list)
    purged: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)
