"""What the service knows in memory: all of it is in the database too, or follows from it."""

from collections import Counter
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Protocol

from pydantic_core import from_json

from schemas.base import Role
from schemas.questionnaire.model import Flow
from schemas.wire.destinations import Destinations
from schemas.wire.devices import PairingGrant
from schemas.wire.staff import DeskState
from session_controller.engine.limits import Limit
from session_controller.engine.session import Session
from session_controller.engine.timers import IdleSince, Now
from session_controller.errors import StoreDamagedError
from session_controller.forms.identity import identity_items
from session_controller.openid.settings import OpenId
from session_controller.security.codes import Codes
from session_controller.security.rate_limit import CodeRateLimit
from session_controller.service.awaiting_staff import AwaitingStaff
from session_controller.service.copy_links import CopyLinks
from session_controller.service.desks import AT_START, Desk, desk_state
from session_controller.service.export_cache import Export, ExportCache
from session_controller.settings import Settings
from session_controller.storage.entities import Code, Device, Person, StoredFlow
from session_controller.storage.store import Store

_company = attrgetter("participants", "status")


@dataclass(frozen=True, slots=True)
class Granted:
    """What a connection was granted for a code, to be said again should it have been lost."""

    grant: PairingGrant = field(repr=False)
    code_hash: str
    until_s: float
    """By the clock that does not jump."""


class ReadableExports(Protocol):
    """Exports that wait for their readers, as handlers see them."""

    def get(self, device: str, name: str, now_s: float) -> Export | None:
        """Return an export that was made for this device, or None if absent or expired."""


class ReadableCopyLinks(Protocol):
    """Links to copies for patients, as handlers see them."""

    def token(self, device: str, session: str, request_id: str) -> str:
        """Return the token of the link that a request creates."""


class ReadableRateLimit(Protocol):
    """The count of wrong codes, as handlers see it."""

    def copy(self) -> CodeRateLimit:
        """Return a copy that counts on its own."""


@dataclass(frozen=True, slots=True)
class FlowInUse:
    """A version of a flow that sessions use or may use."""

    flow: Flow
    added_at: datetime
    identity: tuple[str, ...]
    """The linkIds that say who the patient is."""

    @classmethod
    def of(cls, stored: StoredFlow) -> "FlowInUse":
        """Return a stored flow, read."""
        flow = stored.load()
        mapping = from_json(stored.mapping) if stored.mapping else None
        return cls(flow, stored.added_at, identity_items(flow, mapping))


class ReadOnlyRegistry(Protocol):
    """What handlers may know, and not change.

    What they decide goes through their unit of work, which is applied once it is on disk.
    """

    @property
    def settings(self) -> Settings:
        """What the clinic has chosen."""

    @property
    def codes(self) -> Codes:
        """What codes are derived from."""

    @property
    def epoch(self) -> int:
        """How often the database was restored."""

    @property
    def devices(self) -> Mapping[str, Device]:
        """Devices by their ids."""

    @property
    def flows(self) -> Mapping[str, Flow]:
        """Flows by flow_ref."""

    @property
    def identity(self) -> Mapping[str, tuple[str, ...]]:
        """By flow_ref, the linkIds that say who the patient is."""

    @property
    def added(self) -> Mapping[str, datetime]:
        """When each flow_ref was added."""

    @property
    def current(self) -> Mapping[str, str]:
        """The flow_ref that new sessions of a flow_id use."""

    @property
    def open_codes(self) -> Mapping[str, Code]:
        """Codes that still work, by their hashes."""

    @property
    def fresh_secrets(self) -> Mapping[str, str]:
        """Secrets made since the start, by device."""

    @property
    def granted(self) -> "Mapping[str, Granted]":
        """What connections that pair were granted, by client id."""

    @property
    def sessions(self) -> Mapping[str, Session]:
        """Sessions whose topics are retained."""

    @property
    def taking_part(self) -> Mapping[str, AbstractSet[str]]:
        """The live sessions of each device."""

    @property
    def assigned(self) -> Mapping[str, str]:
        """The open session that a patient's device is in."""

    @property
    def unattended_since(self) -> Mapping[str, float]:
        """Since when nobody answers at a patient screen, by session, in steady seconds."""

    @property
    def idle_since(self) -> Mapping[str, IdleSince]:
        """The revision of each session, and since when it is at it."""

    @property
    def clocks_compared(self) -> Now | None:
        """When the clocks were last compared, by both."""

    @property
    def exports(self) -> ReadableExports:
        """Exports that wait for their readers."""

    @property
    def copy_links(self) -> ReadableCopyLinks:
        """Links with which patients take a copy of their record along."""

    @property
    def offers_copies(self) -> bool:
        """Whether patients can take a copy of their record along."""

    @property
    def openid(self) -> OpenId | None:
        """The OpenID Connect provider of the site, if it has one."""

    @property
    def rate_limit(self) -> ReadableRateLimit:
        """The count of wrong codes."""

    @property
    def destinations(self) -> Destinations:
        """Where completed sessions are delivered to."""

    @property
    def lost_destinations(self) -> Collection[str]:
        """Destinations that have deliveries and are not configured any more."""

    @property
    def persons(self) -> Mapping[str, Person]:
        """Persons by their ids, also retired ones."""

    @property
    def desks(self) -> Mapping[str, Desk]:
        """Front-desk screens where somebody tried to sign in since the start."""

    def flow_named(self, name: str) -> Flow | None:
        """Return a flow by its id (the current one) or by an exact reference."""

    def kiosks(self) -> list[Device]:
        """Return the patient's devices that are enrolled and no guests."""


@dataclass(slots=True)
class Registry:
    """Devices, flows, codes, and the sessions whose topics are retained."""

    settings: Settings
    codes: Codes
    epoch: int
    started_at: datetime
    devices: dict[str, Device] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)
    """By flow_ref."""
    identity: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By flow_ref, the linkIds that say who the patient is."""
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
    unattended_since: dict[str, float] = field(default_factory=dict)
    """Since when nobody answers at a patient screen, by session, in steady seconds."""
    idle_since: dict[str, IdleSince] = field(default_factory=dict)
    """Since when each session is at its revision, by the clock that does not jump."""
    clocks_compared: Now | None = None
    """When the clocks were last compared, by both."""
    exports: ExportCache = field(default_factory=ExportCache)
    copy_links: CopyLinks = field(default_factory=CopyLinks)
    serves_phones: bool = False
    """Whether a patient's phone can open the page of a link to a copy."""
    rate_limit: CodeRateLimit = field(default_factory=CodeRateLimit)
    destinations: Destinations = field(default_factory=Destinations)
    """Where completed sessions are delivered to."""
    lost_destinations: Collection[str] = ()
    """Destinations that have deliveries and are not configured any more."""
    persons: dict[str, Person] = field(default_factory=dict)
    desks: dict[str, Desk] = field(default_factory=dict)
    """Who is signed in where, and wrong PINs."""
    openid: OpenId | None = None
    """The OpenID Connect provider of the site, if it has one."""
    awaiting_staff: AwaitingStaff = field(default_factory=AwaitingStaff)
    stuck: int = 0
    """The number of deliveries that facility IT has to look at."""
    refused: Counter[Limit] = field(default_factory=Counter)
    """What was refused at a limit of the box since the start, by limit."""

    @classmethod
    def load(cls, store: Store, settings: Settings, codes: Codes, at: datetime) -> "Registry":
        """Return a registry with everything that the database holds.

        Raises `StoreDamagedError` if it lacks the form of a session.
        """
        registry = cls(settings, codes, epoch=store.epoch, started_at=at)
        registry.devices = {device.device: device for device in store.devices()}
        registry.persons = {person.person: person for person in store.persons()}
        live, newest = store.live_states(), store.newest_flows()
        for ref in {*newest, *(state.flow_ref for state in live)}:
            if (stored := store.find_flow(ref)) is None:
                raise StoreDamagedError(f"the form {ref} is missing, which a session uses")
            registry.use_flow(FlowInUse.of(stored))
            if ref in newest:
                registry.current[stored.flow_id] = ref
        registry.open_codes = {code.code_hash: code for code in store.open_codes(at)}
        registry.awaiting_staff = AwaitingStaff.load(store)
        for state in live:
            registry.put(Session.of(registry.flows[state.flow_ref], state))
        return registry

    def add_flow(self, used: FlowInUse) -> None:
        """Make a flow the one that new sessions use; open ones keep theirs."""
        self.use_flow(used)
        self.current[used.flow.flow_id] = used.flow.flow_ref

    def use_flow(self, used: FlowInUse) -> None:
        """Keep a version of a flow for the sessions that use it."""
        ref = used.flow.flow_ref
        self.flows[ref] = used.flow
        self.identity[ref] = used.identity
        self.added[ref] = used.added_at

    def drop_flow(self, flow_ref: str) -> None:
        """Forget a version of a flow that no live session uses."""
        for known in (self.flows, self.identity, self.added):
            known.pop(flow_ref, None)

    def put(self, session: Session) -> None:
        """Store a session's newest state, and index who takes part in it."""
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
        """Remove a session whose topics are cleared, and its guests."""
        self._forget_devices(self.sessions.pop(session, None))
        for guest in [d.device for d in self.devices.values() if d.guest_of == session]:
            del self.devices[guest]

    def flow_named(self, name: str) -> Flow | None:
        """Find a flow by its id (the current one) or by an exact reference."""
        return self.flows.get(self.current.get(name, name))

    def open_sessions(self) -> list[Session]:
        """Return the sessions that have not ended, oldest first."""
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

    @property
    def offers_copies(self) -> bool:
        """Whether patients can take a copy of their record along."""
        return self.serves_phones and self.settings.patient_copies

    @property
    def has_persons(self) -> bool:
        """Whether front-desk screens require that somebody signs in."""
        return any(person.retired_at is None for person in self.persons.values())

    def is_signed_out(self, device: str) -> bool:
        """Whether a screen is a front desk's that must show no patient data now."""
        known = self.devices.get(device)
        if known is None or known.role is not Role.FACILITY or not self.has_persons:
            return False
        signed_in = self.desks.get(device, AT_START).signed_in
        return signed_in is None or not signed_in.shows_patients

    def person_at(self, device: str) -> str | None:
        """Return the name of whoever is signed in at a front-desk screen, or None."""
        signed_in = self.desks.get(device, AT_START).signed_in
        return signed_in.name if signed_in else None

    def desk_state(self, device: str) -> DeskState | None:
        """Return who is signed in at a front-desk screen; None if nobody has to be."""
        known = self.devices.get(device)
        if known is None or known.role is not Role.FACILITY or not self.has_persons:
            return None
        signed_in = self.desks.get(device, AT_START).signed_in
        return desk_state(signed_in, self.settings)

    def staff_online(self) -> list[Device]:
        """Return the facility devices that are online."""
        return [d for d in self.devices.values() if d.online and d.role.leads and not d.revoked_at]

    def kiosks(self) -> list[Device]:
        """Return the enrolled patient screens; guests are not among them."""
        return [
            d
            for d in self.devices.values()
            if d.role is Role.PATIENT and d.guest_of is None and not d.revoked_at
        ]
