"""What the service knows in memory: all of it is in the database too, or follows from it."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter

from schemas.base import Role
from schemas.destinations import Destinations
from schemas.devices import PairingGrant
from schemas.flow import load_flow
from schemas.questionnaire import Flow
from session_controller.codes import Codes
from session_controller.engine.session import Session
from session_controller.guessing import Guard
from session_controller.kept import Kept
from session_controller.records import Code, Device
from session_controller.store import Store


@dataclass(frozen=True, slots=True)
class Settings:
    """What a clinic may choose. Times are durations."""

    site: str = "main"
    code_lifetime: timedelta = timedelta(minutes=10)
    idle_limit: timedelta = timedelta(hours=4)
    """A session that nobody touched for so long expires."""
    retention_of_topics: timedelta = timedelta(hours=1)
    """How long the last view of an ended session stays at the broker."""
    guest_grace: timedelta = timedelta(seconds=10)
    """How long a guest's connection outlives its session, to be shown the end."""
    lobby_pause: timedelta = timedelta(milliseconds=300)
    """The shortest time between two lobbies."""
    lobby_bytes_per_second: int = 2_000_000
    """What all lobbies together may take of a small box's network and time; they come less often
    where hundreds of staff's screens look at hundreds of sessions."""
    max_open_sessions: int = 2_000
    max_documents_bytes: int = 32 << 30
    """What the documents of all sessions together may take of the disk."""
    max_devices: int = 5_000


_company = attrgetter("participants", "status")


@dataclass(frozen=True, slots=True)
class Granted:
    """What a connection was granted for a code, to be said again should it have been lost."""

    grant: PairingGrant = field(repr=False)
    code_hash: str
    until_s: float
    """By the clock that does not jump."""


@dataclass(slots=True)
class World:
    """Devices, flows, codes, and the sessions whose topics are retained."""

    settings: Settings
    codes: Codes
    epoch: int
    started_at: datetime
    devices: dict[str, Device] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)
    """By flow_ref."""
    added: dict[str, datetime] = field(default_factory=dict)
    """When each flow_ref was added."""
    current: dict[str, str] = field(default_factory=dict)
    """The flow_ref that new sessions of a flow_id use."""
    open_codes: dict[str, Code] = field(default_factory=dict)
    fresh_secrets: dict[str, str] = field(default_factory=dict)
    """Secrets made since the start, for who asks twice; the database has only their hashes."""
    granted: dict[str, Granted] = field(default_factory=dict)
    """By the client id of a connection that pairs; a code's life long."""
    sessions: dict[str, Session] = field(default_factory=dict)
    taking_part: dict[str, set[str]] = field(default_factory=dict)
    """The live sessions of each device."""
    assigned: dict[str, str] = field(default_factory=dict)
    """The open session that a patient's device is in."""
    untouched: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Since when each session is at its revision, by the clock that does not jump."""
    last_look: tuple[datetime, float] | None = None
    """When somebody last looked, by both clocks."""
    exports: Kept = field(default_factory=Kept)
    guard: Guard = field(default_factory=Guard)
    destinations: Destinations = field(default_factory=Destinations)
    """Where completed sessions are delivered to."""

    @classmethod
    def load(cls, store: Store, settings: Settings, codes: Codes, at: datetime) -> "World":
        """Take everything up from the database."""
        world = cls(settings, codes, epoch=store.epoch, started_at=at)
        world.devices = {device.device: device for device in store.devices()}
        for stored in store.flows():
            flow = load_flow(stored.canonical, fallback_id=stored.flow_id, accepted=True)
            world.add_flow(flow, stored.added_at)
        world.open_codes = {code.code_hash: code for code in store.open_codes(at)}
        for state in store.live_states():
            world.put(Session.of(world.flows[state.flow_ref], state))
        return world

    def add_flow(self, flow: Flow, at: datetime) -> None:
        """Let new sessions use a flow; open ones keep theirs."""
        self.flows[flow.flow_ref] = flow
        self.added[flow.flow_ref] = at
        self.current[flow.flow_id] = flow.flow_ref

    def put(self, session: Session) -> None:
        """Take a session's newest state up, and who takes part in it."""
        state = session.state
        before = self.sessions.get(state.session)
        self.sessions[state.session] = session
        if before is not None and _company(before.state) == _company(state):
            return
        if before is None or before.state.participants.keys() != state.participants.keys():
            self._forget_devices(before)
            for device in state.participants:
                self.taking_part.setdefault(device, set()).add(state.session)
        patient = state.patient
        if patient and not state.status.ended:
            self.assigned[patient] = state.session
        elif patient and self.assigned.get(patient) == state.session:
            del self.assigned[patient]

    def _forget_devices(self, session: Session | None) -> None:
        if session is None:
            return
        name = session.state.session
        for device in session.state.participants:
            self.taking_part[device].discard(name)
            if not self.taking_part[device]:
                del self.taking_part[device]
            if self.assigned.get(device) == name:
                del self.assigned[device]

    def forget(self, session: str) -> None:
        """Let go of a session whose topics are cleared."""
        self._forget_devices(self.sessions.pop(session, None))

    def flow_named(self, name: str) -> Flow | None:
        """Find a flow by its id (the current one) or by an exact reference."""
        return self.flows.get(self.current.get(name, name))

    def open_sessions(self) -> list[Session]:
        """Give the sessions that have not ended, the oldest first."""
        found = [s for s in self.sessions.values() if not s.state.status.ended]
        return sorted(found, key=lambda s: (s.state.opened_at, s.state.session))

    def may_connect(self, device: Device) -> bool:
        """Whether a device's credential works: not revoked, and a guest's session not ended."""
        if device.revoked_at is not None or device.secret_sha256 is None:
            return False
        if device.guest_of is None:
            return True
        session = self.sessions.get(device.guest_of)
        return session is not None and not session.state.status.ended

    def staff_online(self) -> list[Device]:
        """Give the facility's devices that are connected."""
        return [d for d in self.devices.values() if d.online and d.role.leads and not d.revoked_at]

    def kiosks(self) -> list[Device]:
        """Give the patient's devices that are enrolled and no guests."""
        return [
            d
            for d in self.devices.values()
            if d.role is Role.PATIENT and d.guest_of is None and not d.revoked_at
        ]
