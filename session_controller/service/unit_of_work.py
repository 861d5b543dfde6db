"""One batch of work: what is to be committed together, and what is to be said afterwards.

Handlers read through it (`session`, `device`), record facts, and say things; nothing is visible
outside, and the registry stays as it was, until the commit has returned. Where the commit fails,
the whole of it is dropped, and the messages may be handled again.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from schemas.base import Versioned
from schemas.topics import AssignmentTopic, StateTopic, Topic
from schemas.wire.deliveries import (
    AddDestination,
    DeliverNow,
    RemoveDestination,
    TryDestination,
)
from schemas.wire.devices import Assignment
from schemas.wire.purging import PreviewPurge
from schemas.wire.rejections import RejectionCode
from session_controller.audit.events import BoxEvent
from session_controller.engine.calculating import calculated
from session_controller.engine.context import StoredUpload
from session_controller.engine.effects import NO_EFFECTS, effects
from session_controller.engine.events import CommandRefused, Event, Fact, UploadProgressed
from session_controller.engine.evolve import evolve
from session_controller.engine.limits import Limit
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session
from session_controller.engine.state import Document, SessionState
from session_controller.engine.timers import IdleSince, Now
from session_controller.export.order import ExportOrder
from session_controller.security.rate_limit import CodeRateLimit
from session_controller.service.copy_links import CopyLink
from session_controller.service.desks import AT_START, Desk, NewPin, PinCheck, ProviderOrder
from session_controller.service.inbox import (
    Received,
    ReceivedChunk,
    ReceivedClaim,
    ReceivedRequest,
)
from session_controller.service.registry import FlowInUse, Granted, ReadOnlyRegistry, Registry
from session_controller.storage.deliveries import queued
from session_controller.storage.entities import Code, Device, LoggedBoxEvent, Person
from session_controller.storage.transaction import Transaction
from session_controller.transport.link import Heard

LastHeard = Callable[[str], Heard | None]
"""From a client id to where and when its connection was last heard; None if it is away."""
FindUpload = Callable[[str, str], StoredUpload | None]
"""From a session and an upload to what a look at its bytes showed, once."""


@dataclass(frozen=True, slots=True)
class InspectionOrder:
    """A document that is to be looked at, and the types that the form takes."""

    session: str
    document: Document
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ArrivalOrder:
    """A document that was said to be complete before all of its bytes were here."""

    session: str
    upload: str


@dataclass(slots=True)
class Held:
    """Messages of one screen that wait; for the look that they begin, or one that is under way."""

    look: InspectionOrder | ArrivalOrder | None
    messages: list[Received] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DeliveryOrder:
    """Somebody asked for a change or a trial of the destinations, or to deliver now."""

    device: str
    request: AddDestination | RemoveDestination | TryDestination | DeliverNow
    person: str | None
    """Who asked, for the log."""


@dataclass(frozen=True, slots=True)
class PurgeOrder:
    """A purge of many sessions, in batches."""

    device: str | None
    """Who asked, or None for the box itself."""
    person: str | None
    request_id: str
    sessions: tuple[str, ...]
    given_up: AbstractSet[str]
    """The sessions that are purged though they are not delivered."""


@dataclass(frozen=True, slots=True)
class PreviewOrder:
    """Somebody asked what a purge would delete."""

    device: str
    request: PreviewPurge
    at: datetime


class Asked(NamedTuple):
    """A request that is answered later: from which device, by whom, and which."""

    device: str
    person: str | None
    request_id: str


@dataclass(frozen=True, slots=True)
class Departed:
    """How a connection ended, as the embedded broker saw."""

    address: str | None = None
    reason: str | None = None


_CALCULATION_S = 0.1
"""For all expressions of a form that one answer leads to, in seconds."""


def _clock() -> Callable[[], bool]:
    """Start the time of a calculation; return a function that says whether it is over."""
    until = time.monotonic() + _CALCULATION_S
    return lambda: time.monotonic() > until


@dataclass(slots=True)
class UnitOfWork:
    """A batch in the making."""

    registry: ReadOnlyRegistry
    at: datetime
    """The box's time, for what is recorded: it may jump."""
    steady_s: float = 0.0
    """Seconds of a clock that does not, for what takes time."""
    find_upload: FindUpload = lambda *_: None
    last_heard: LastHeard = lambda _: None
    transaction: Transaction = field(default_factory=Transaction)
    sessions: dict[str, Session] = field(default_factory=dict)
    added: dict[str, FlowInUse] = field(default_factory=dict)
    """Flows that this batch adds."""
    reused: dict[str, FlowInUse] = field(default_factory=dict)
    """Earlier versions of flows that a session of this batch uses again."""
    unused_flows: list[str] = field(default_factory=list)
    """Versions of flows that no session uses any more."""
    refreshed: dict[tuple[str, str], None] = field(default_factory=dict)
    """Sessions and devices whose view is published though it did not change."""
    said: list[tuple[Topic, Versioned | bytes | None]] = field(default_factory=list)
    """What is published after the commit, in order; None clears a retained topic."""
    fresh_secrets: dict[str, str] = field(default_factory=dict)
    """Secrets that this batch makes, by device."""
    later: list[tuple[float, ReceivedRequest | ReceivedClaim | ReceivedChunk]] = field(
        default_factory=list
    )
    """Messages to be handled in so many seconds; not acknowledged before."""
    idle_since: dict[str, IdleSince] | None = None
    """Since when each open session is idle; None if the timers did not run."""
    unattended_since: dict[str, float] = field(default_factory=dict)
    """Since when nobody answers at a patient screen, by session, as the timers found it."""
    departed: dict[str, Departed] = field(default_factory=dict)
    """How the connections of devices ended that this batch notes as offline."""
    ignored: int = 0
    """Messages that were of no use."""
    at_limit: Counter[Limit] = field(default_factory=Counter)
    """What was refused at a limit of the box, by limit."""
    dropped: dict[str, float] = field(default_factory=dict)
    """Clients whose connection is to be closed, in how many seconds."""
    backups: list[Asked] = field(default_factory=list)
    """Who asked for a backup."""
    statuses: list[Asked] = field(default_factory=list)
    """Who asked how the box is doing."""
    alert_tests: list[Asked] = field(default_factory=list)
    """Who asked for a test of the alerts."""
    granted: dict[str, Granted] = field(default_factory=dict)
    """What connections that pair were granted, by client id."""
    clocks_compared: Now | None = None
    """Both clocks, once it was checked whether they agree."""
    purges: list[PurgeOrder] = field(default_factory=list)
    """Who asked for a purge of more sessions than one batch deletes."""
    previews: list[PreviewOrder] = field(default_factory=list)
    """Who asked what a purge would delete."""
    scrub_later: bool = False
    """Whether what this batch purges is scrubbed by the job that purges it."""
    rotations: list[Asked] = field(default_factory=list)
    """Who asked for another key of the box."""
    receipts: list[Asked] = field(default_factory=list)
    """Who asked for the log to be signed."""
    exports: list[ExportOrder] = field(default_factory=list)
    copy_links: list[CopyLink] = field(default_factory=list)
    """Links to copies for patients that this batch creates."""
    copies_taken: list[asyncio.Future[None]] = field(default_factory=list)
    """Who waits until the log says that a copy was handed out."""
    delivery_orders: list[DeliveryOrder] = field(default_factory=list)
    """Who asked for what about deliveries that takes longer."""
    awaiting_staff: dict[str, SessionState] = field(default_factory=dict)
    """Completed sessions whose delivery this batch holds: their patient is not identified."""
    stuck: int | None = None
    """The number of deliveries that facility IT has to look at, if it changed."""
    held: dict[tuple[str, str], Held] = field(default_factory=dict)
    """By session and device: what is not handled in this batch, nor acknowledged after it."""
    users: dict[str, str] = field(default_factory=dict)
    """By admin device, `os:` and the user of the operating system who asks."""
    desks: dict[str, Desk] = field(default_factory=dict)
    """Front-desk screens as this batch leaves them."""
    desks_changed: dict[str, None] = field(default_factory=dict)
    """Front-desk screens whose lobby is published at once: somebody signed in or out."""
    pins: list[PinCheck | NewPin] = field(default_factory=list)
    """PINs that are to be checked or hashed."""
    held_for_pins: dict[tuple[str, str], list[ReceivedRequest]] = field(default_factory=dict)
    """By device and id: requests that wait for that; not acknowledged before."""
    pins_concluded: list[tuple[str, str]] = field(default_factory=list)
    """Requests that this batch decides by the result."""
    at_provider: list[ProviderOrder] = field(default_factory=list)
    """What the OpenID Connect provider is to be asked."""
    _rate_limit: CodeRateLimit | None = None

    @property
    def rate_limit(self) -> CodeRateLimit:
        """The count of wrong codes, as this batch leaves it."""
        if self._rate_limit is None:
            self._rate_limit = self.registry.rate_limit.copy()
        return self._rate_limit

    def fresh_secret(self, device: str) -> str | None:
        """Return a device's secret if it was made since the start, or None."""
        return self.fresh_secrets.get(device) or self.registry.fresh_secrets.get(device)

    @property
    def now(self) -> Now:
        """The time by both clocks."""
        return Now(self.at, self.steady_s)

    def who(self, device: str | None) -> str | None:
        """Return who acts at a device now, for the log, or None if nobody is known."""
        if device is None:
            return None
        signed_in = self.desk(device).signed_in
        return signed_in.who if signed_in else self.users.get(device)

    # --- reading through -------------------------------------------------------------------

    def session(self, session: str) -> Session | None:
        """Return a live session as this batch leaves it, or None."""
        return self.sessions.get(session) or self.registry.sessions.get(session)

    def device(self, device: str) -> Device | None:
        """Return a device as this batch leaves it, or None."""
        if device in self.transaction.forgotten_devices:
            return None
        return self.transaction.devices.get(device) or self.registry.devices.get(device)

    def person(self, person: str) -> Person | None:
        """Return a person as this batch leaves them, or None."""
        return self.transaction.persons.get(person) or self.registry.persons.get(person)

    @property
    def persons(self) -> Mapping[str, Person]:
        """Return the persons as this batch leaves them, also retired ones."""
        return {**self.registry.persons, **self.transaction.persons}

    @property
    def has_persons(self) -> bool:
        """Return whether front-desk screens require that somebody signs in."""
        return any(person.retired_at is None for person in self.persons.values())

    def desk(self, device: str) -> Desk:
        """Return a front-desk screen as this batch leaves it."""
        return self.desks.get(device) or self.registry.desks.get(device, AT_START)

    def identity(self, flow_ref: str) -> tuple[str, ...]:
        """Return the linkIds of a flow that say who the patient is."""
        fresh = self.added.get(flow_ref) or self.reused.get(flow_ref)
        return fresh.identity if fresh else self.registry.identity.get(flow_ref, ())

    def code(self, shown: str) -> Code | None:
        """Find a code that still works by what a person typed."""
        key = self.registry.codes.hash_of(shown)
        code = self.transaction.codes.get(key) or self.registry.open_codes.get(key)
        return code if code and code.is_open(self.at) else None

    def open_sessions(self) -> list[Session]:
        """Return the sessions that have not ended, as this batch leaves them."""
        return [
            s
            for s in {**self.registry.sessions, **self.sessions}.values()
            if not s.state.status.ended
        ]

    def sessions_of(self, device: str) -> list[Session]:
        """Return the live sessions that a device takes part in, as this batch leaves them."""
        names = self.registry.taking_part.get(device, set()) | self.sessions.keys()
        found = (self.session(name) for name in sorted(names))
        return [s for s in found if s is not None and device in s.state.participants]

    def assigned_to(self, device: str) -> str | None:
        """Return the open session that a patient device is in, or None."""
        for name, session in self.sessions.items():
            if session.state.patient == device and not session.state.status.ended:
                return name
        known = self.registry.assigned.get(device)
        return None if known in self.sessions else known

    # --- recording -------------------------------------------------------------------------

    def record(
        self,
        session: Session,
        fact: Fact,
        *,
        device: str | None = None,
        seq: int | None = None,
        command_id: str | None = None,
    ) -> Session:
        """Make a fact true: in the log, in the state, and in the views to be published."""
        before = session.state
        refused = isinstance(fact, CommandRefused)
        revision = before.revision + (not refused)
        who = self.who(device)
        event = Event(before.session, revision, self.at, fact, device, seq, command_id, who)
        after = evolve(session, event)
        self.transaction.events.append(event)
        self.transaction.states[before.session] = after.state
        self.sessions[before.session] = after
        if not isinstance(fact, CommandRefused):
            self._follow(session, after)
        elif fact.field_id is not None:  # staff see that an entry was not taken
            for participant in after.state.participants:
                self.refreshed[before.session, participant] = None
        elif device:
            self.refreshed[before.session, device] = None
        results = calculated(session, after, fact, _clock)
        return after if results is None else self.record(after, results)

    def record_late(self, session: Session, fact: Fact, *, device: str) -> None:
        """Make a fact of an ended session true; its topics may be cleared already."""
        name = session.state.session
        if self.session(name) is not None:
            self.record(session, fact, device=device)
            return
        revision, who = session.state.revision + 1, self.who(device)
        event = Event(name, revision, self.at, fact, device, person=who)
        self.transaction.events.append(event)
        self.transaction.states[name] = evolve(session, event).state

    def _follow(self, before: Session, after: Session) -> None:
        """Carry out what follows from a change."""
        follows = effects(before.state, after.state)
        if follows is NO_EFFECTS:
            return
        session = after.state.session
        for device in follows.left:
            self.said.append((StateTopic(session, device), None))
        if follows.released:
            self.say(AssignmentTopic(follows.released), Assignment(session=None))
            self._end_guest(follows.released)
        if follows.assigned:
            self.say(AssignmentTopic(follows.assigned), self._assignment(after))
        if follows.closed_code is not None:
            self.close_code(session, follows.closed_code)
        if follows.completed and not after.state.test:
            self.queue(session)
        for upload in follows.dropped_uploads:
            self._drop_chunks(session, upload)
        self.transaction.dropped_documents += [(session, file) for file in follows.dropped_files]

    def let_go(
        self, session: Session, upload: str, refusal: Refusal, looked: StoredUpload | None
    ) -> None:
        """Forget the bytes of a document that is refused: its part, and the file made of it.

        One that is only not whole yet goes on, or begins again if its part is lost. Else the state
        stays as it is, as after any refusal: who begins the same upload again starts it over.
        """
        name, found = session.state.session, session.upload(upload)
        if refusal.code is RejectionCode.UPLOAD_CORRUPT:
            self._drop_chunks(name, upload)
        elif found and looked is not None and looked.size < found[1].received:
            self.restart_upload(name, found[0])
        if looked is not None and looked.document is not None:
            self.transaction.dropped_documents.append((name, looked.document.file))

    def restart_upload(self, session: str, field_id: str) -> None:
        """Record that no byte of a document is there, though some had arrived."""
        found = self.session(session)
        if found is not None:
            self.record(found, UploadProgressed(field_id=field_id, received=0))

    def queue(self, session: str) -> None:
        """Queue a completed session for delivery, unless it is queued or delivered already.

        A destination that was lost with its configuration is still owed what completes.
        """
        known = [each.name for each in self.registry.destinations.destinations]
        for name in (*known, *self.registry.lost_destinations):
            self.transaction.queued.append(queued(session, name, self.at))

    def count(self, refusal: Refusal) -> None:
        """Count a refusal if a limit of the box is its reason."""
        if refusal.limit is not None:
            self.at_limit[refusal.limit] += 1

    def note(
        self,
        act: BoxEvent,
        *,
        device: str | None = None,
        session: str | None = None,
        person: str | None = None,
    ) -> None:
        """Write an act of the box into the log; by default, of the person who is at the device."""
        who = person or self.who(device)
        self.transaction.box_events.append(LoggedBoxEvent(self.at, act, device, session, who))

    def asked(self, device: str, request_id: str) -> Asked:
        """Return who makes a request now, for when it is answered later."""
        return Asked(device, self.who(device), request_id)

    def note_act(self, device: str) -> None:
        """Note that somebody at a front-desk screen did something."""
        desk = self.desk(device)
        if desk.signed_in is not None:
            signed_in = replace(desk.signed_in, acted_s=self.steady_s)
            self.desks[device] = replace(desk, signed_in=signed_in)

    def show_desk_again(self, device: str) -> None:
        """Publish what a front-desk screen shows: somebody signed in or out."""
        self.desks_changed[device] = None
        for session in self.sessions_of(device):
            self.refresh(session.state.session, device)
            patient = session.state.patient
            if patient is not None and session.state.host == device:
                self.refresh(session.state.session, patient)  # which reads who is there

    def put_person(self, person: Person) -> None:
        """Keep a person."""
        self.transaction.persons[person.person] = person

    def _assignment(self, session: Session) -> Assignment:
        state = session.state
        return Assignment(session=state.session, flow_ref=state.flow_ref, joined_at=self.at)

    def _end_guest(self, device: str) -> None:
        """End a guest's credential; its connection goes a little later, once it saw the end."""
        guest = self.device(device)
        if guest and guest.guest_of:
            self.put_device(replace(guest, revoked_at=self.at))
            self.dropped[device] = self.registry.settings.guest_grace.total_seconds()

    def close_code(self, subject: str, serial: int) -> None:
        """End a code of a session or a device before its time."""
        key = self.registry.codes.hash_of(self.registry.codes.code_of(subject, serial))
        code = self.transaction.codes.get(key) or self.registry.open_codes.get(key)
        if code and code.spent_at is None:
            self.put_code(replace(code, spent_at=self.at))

    def _drop_chunks(self, session: str, upload: str) -> None:
        """Forget the bytes of a document that was taken back, replaced, or begun anew."""
        self.transaction.chunks = [
            c for c in self.transaction.chunks if (c.session, c.upload) != (session, upload)
        ]
        self.transaction.dropped_uploads.append((session, upload))

    def put_device(self, device: Device) -> None:
        """Keep a device."""
        self.transaction.devices[device.device] = device

    def forget_device(self, device: str) -> None:
        """Delete a device that was enrolled for a rehearsal."""
        self.transaction.devices.pop(device, None)
        self.transaction.forgotten_devices.append(device)

    def put_code(self, code: Code) -> None:
        """Keep a code."""
        self.transaction.codes[code.code_hash] = code

    def refresh(self, session: str, device: str) -> None:
        """Publish a device's view again."""
        self.refreshed[session, device] = None

    def say(self, topic: Topic, payload: Versioned | bytes) -> None:
        """Publish after the commit."""
        self.said.append((topic, payload))

    # --- done ------------------------------------------------------------------------------

    def apply(self, registry: Registry) -> None:
        """Apply everything to the registry, once it is on disk."""
        registry.clocks_compared = self.clocks_compared or registry.clocks_compared
        registry.devices.update(self.transaction.devices)
        registry.persons.update(self.transaction.persons)
        registry.desks.update(self.desks)
        for name in self.transaction.forgotten_devices:
            registry.devices.pop(name, None)
        registry.fresh_secrets.update(self.fresh_secrets)
        registry.refused.update(self.at_limit)
        registry.rate_limit = self._rate_limit or registry.rate_limit
        if self.granted:
            known = {**registry.granted, **self.granted}
            registry.granted = {k: g for k, g in known.items() if g.until_s > self.steady_s}
        self._apply_codes(registry)
        for added in self.added.values():
            registry.add_flow(added)
        for reused in self.reused.values():
            registry.use_flow(reused)
        for session in self.sessions.values():
            registry.put(session)
        for name in (*self.transaction.cleared, *self.transaction.purged):
            registry.forget(name)
        for flow_ref in self.unused_flows:
            registry.drop_flow(flow_ref)
        self._apply_exports(registry)
        self._apply_deliveries(registry)
        if self.idle_since is not None:
            registry.idle_since = self.idle_since
            registry.unattended_since = self.unattended_since

    def _apply_exports(self, registry: Registry) -> None:
        for link in self.copy_links:
            registry.copy_links.put(link)
        for name in self.transaction.purged:
            registry.exports.forget(name)
            registry.copy_links.forget(name)
        if self.idle_since is not None:
            registry.exports.expire(self.steady_s)
            registry.copy_links.expire(self.steady_s)

    def _apply_deliveries(self, registry: Registry) -> None:
        registry.stuck = registry.stuck if self.stuck is None else self.stuck
        for delivery in self.transaction.deliveries:
            registry.awaiting_staff.follow(delivery, self.awaiting_staff.get(delivery.session))
        for name in self.transaction.purged:
            registry.awaiting_staff.forget(name)
        for destination in self.transaction.dropped_destinations:
            registry.awaiting_staff.drop(destination)

    def _apply_codes(self, registry: Registry) -> None:
        for code in self.transaction.codes.values():
            if code.is_open(self.at):
                registry.open_codes[code.code_hash] = code
            else:
                registry.open_codes.pop(code.code_hash, None)
        if self.idle_since is not None:
            registry.open_codes = {
                k: c for k, c in registry.open_codes.items() if c.is_open(self.at)
            }
