"""Everything that one transaction writes."""

from dataclasses import dataclass, field
from datetime import datetime

from session_controller.engine.events import Event
from session_controller.engine.state import SessionState
from session_controller.storage.deliveries import Delivery
from session_controller.storage.entities import (
    Chunk,
    Code,
    Device,
    EmergencyAccess,
    LoggedBoxEvent,
    Person,
    StoredAnswer,
    StoredFlow,
)


@dataclass(slots=True)
class Transaction:
    """Everything that one transaction writes. For equal keys, the last entry wins."""

    events: list[Event] = field(default_factory=list)
    box_events: list[LoggedBoxEvent] = field(default_factory=list)
    states: dict[str, SessionState] = field(default_factory=dict)
    cleared: dict[str, datetime] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    persons: dict[str, Person] = field(default_factory=dict)
    emergencies: dict[str, EmergencyAccess] = field(default_factory=dict)
    forgotten_devices: list[str] = field(default_factory=list)
    """Devices to delete: they were enrolled for a rehearsal."""
    codes: dict[str, Code] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    dropped_uploads: list[tuple[str, str]] = field(default_factory=list)
    dropped_documents: list[tuple[str, str]] = field(default_factory=list)
    """Session ids and names of files that are no longer documents of theirs."""
    answers: list[StoredAnswer] = field(default_factory=list)
    flows: list[StoredFlow] = field(default_factory=list)
    queued: list[Delivery] = field(default_factory=list)
    """Deliveries of sessions that have just completed."""
    deliveries: list[Delivery] = field(default_factory=list)
    """New states of known deliveries."""
    dropped_destinations: list[str] = field(default_factory=list)
    purged: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)
