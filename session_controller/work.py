"""One batch of work: what is to be committed together, and what is to be said afterwards.

Handlers read through it (`session`, `device`), record facts, and say things; nothing is visible
outside until the commit has returned. Where the commit fails, the whole of it is dropped.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import attrgetter

from schemas.base import Versioned
from schemas.deliveries import AddDestination, DeliverNow, RemoveDestination
from schemas.devices import Assignment
from schemas.questionnaire import Flow
from schemas.rejections import RejectionCode
from schemas.seals import ExportFormat, Paper
from schemas.topics import AssignmentTopic, StateTopic, Topic
from schemas.views import SessionStatus
from session_controller.acts import Act
from session_controller.batch import Batch
from session_controller.delivery.deliveries import queued
from session_controller.engine.context import StoredUpload
from session_controller.engine.evolve import evolve
from session_controller.engine.facts import Event, Fact
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session
from session_controller.engine.state import Document, SessionState
from session_controller.link import Message
from session_controller.records import Code, Device, LoggedAct
from session_controller.world import Granted, World

_followed = attrgetter("participants", "status", "code", "documents")
"""What of a session matters to anyone beyond its own views."""


FindUpload = Callable[[str, str], StoredUpload | None]
"""From a session and an upload to what a look at its bytes showed, once."""


@dataclass(frozen=True, slots=True)
class Look:
    """A document that is to be looked at, and the types that the form takes."""

    session: str
    document: Document
    allowed: tuple[str, ...]


@dataclass(slots=True)
class Held:
    """Messages of one screen that wait; for the look that they begin, or one that is under way."""

    look: Look | None
    messages: list[Message] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """Somebody asked for a session's record, or for a document of it."""

    device: str
    request_id: str
    session: str
    format: ExportFormat
    field_id: str | None
    paper: Paper
    at: datetime


@dataclass(frozen=True, slots=True)
class PostalOrder:
    """Somebody asked for a change of the destinations, or to deliver now."""

    device: str
    request: AddDestination | RemoveDestination | DeliverNow


@dataclass(slots=True)
class Work:
    """A batch in the making."""

    world: World
    at: datetime
    """The box's time, for what is recorded: it may jump."""
    steady_s: float = 0.0
    """Seconds of a clock that does not, for what takes time."""
    find_upload: FindUpload = lambda *_: None
    batch: Batch = field(default_factory=Batch)
    sessions: dict[str, Session] = field(default_factory=dict)
    added: dict[str, Flow] = field(default_factory=dict)
    """Flows that this batch adds."""
    refreshed: dict[tuple[str, str], None] = field(default_factory=dict)
    """Sessions and devices whose view is published though it did not change."""
    said: list[tuple[Topic, Versioned | bytes | None]] = field(default_factory=list)
    """What is published after the commit, in order; None clears a retained topic."""
    excuses: list[tuple[Topic, dict[str, str | int | None]]] = field(default_factory=list)
    """Who is told when the commit fails: the topic, and what was sent."""
    dropped: dict[str, float] = field(default_factory=dict)
    """Clients whose connection is to be closed, in how many seconds."""
    backups: list[tuple[str, str]] = field(default_factory=list)
    """Who asked for a backup: the device and its request."""
    granted: dict[str, Granted] = field(default_factory=dict)
    """What connections that pair were granted, by client id."""
    looked: tuple[datetime, float] | None = None
    """Both clocks, once it was seen whether they agree; known to the world after the commit."""
    rotations: list[tuple[str, str]] = field(default_factory=list)
    """Who asked for another key of the box."""
    receipts: list[tuple[str, str]] = field(default_factory=list)
    """Who asked for the log to be signed."""
    exports: list[ExportOrder] = field(default_factory=list)
    postal: list[PostalOrder] = field(default_factory=list)
    """Who asked for what about deliveries that takes longer."""
    held: dict[tuple[str, str], Held] = field(default_factory=dict)
    """By session and device: what is not handled in this batch, nor acknowledged after it."""

    # --- reading through -------------------------------------------------------------------

    def session(self, session: str) -> Session | None:
        """Give a live session as this batch leaves it."""
        return self.sessions.get(session) or self.world.sessions.get(session)

    def device(self, device: str) -> Device | None:
        """Give a device as this batch leaves it."""
        return self.batch.devices.get(device) or self.world.devices.get(device)

    def code(self, shown: str) -> Code | None:
        """Find a code that still works by what a person typed."""
        key = self.world.codes.hash_of(shown)
        code = self.batch.codes.get(key) or self.world.open_codes.get(key)
        return code if code and code.is_open(self.at) else None

    def open_sessions(self) -> list[Session]:
        """Give the sessions that have not ended, as this batch leaves them."""
        return [
            s for s in {**self.world.sessions, **self.sessions}.values() if not s.state.status.ended
        ]

    def sessions_of(self, device: str) -> list[Session]:
        """Give the live sessions that a device takes part in, as this batch leaves them."""
        names = self.world.taking_part.get(device, set()) | self.sessions.keys()
        found = (self.session(name) for name in sorted(names))
        return [s for s in found if s is not None and device in s.state.participants]

    def assigned_to(self, device: str) -> str | None:
        """Give the open session that a patient's device is in, as this batch leaves it."""
        for name, session in self.sessions.items():
            if session.state.patient == device and not session.state.status.ended:
                return name
        known = self.world.assigned.get(device)
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
        refused = fact.type == "CommandRefused"
        revision = before.revision + (not refused)
        event = Event(before.session, revision, self.at, fact, device, seq, command_id)
        after = evolve(session, event)
        self.batch.events.append(event)
        self.batch.states[before.session] = after.state
        self.sessions[before.session] = after
        if refused and device:
            self.refreshed[before.session, device] = None
        elif not refused:
            self._follow(session, after)
        return after

    def _follow(self, before: Session, after: Session) -> None:
        """Say what a change means for those who came, went, or are done."""
        if _followed(before.state) == _followed(after.state):
            return
        gone = before.state.participants.keys() - after.state.participants.keys()
        for device in gone:
            self.said.append((StateTopic(after.state.session, device), None))
        patient, ended = after.state.patient, after.state.status.ended
        if before.state.patient and (ended or patient != before.state.patient):
            self.say(AssignmentTopic(before.state.patient), Assignment(session=None))
            self._end_guest(before.state.patient)
        if patient and patient != before.state.patient and not ended:
            self.say(AssignmentTopic(patient), self._assignment(after))
        old, new = before.state.code, after.state.code
        if old and (new is None or new.serial != old.serial):
            self._close_code(before.state.session, old.serial)
        if after.state.status is SessionStatus.COMPLETED is not before.state.status:
            self.queue(after.state.session)
        if ended and not before.state.status.ended:
            self._end_uploads(after.state)
        if before.state.documents is not after.state.documents:
            self._follow_documents(before.state, after.state)

    def _follow_documents(self, before: SessionState, after: SessionState) -> None:
        """Let go of bytes that are no document's any more, or that are kept as a file now."""
        now = {document.upload: document for document in after.documents.values()}
        for old in before.documents.values():
            new = now.get(old.upload)
            finished = new is not None and new.stored is not None and old.stored is None
            if new is None or new.received < old.received or finished:
                self._drop_chunks(before.session, old.upload)
            if old.stored and (new is None or new.stored is None):
                self.batch.dropped_documents.append((before.session, old.stored.file))

    def _end_uploads(self, state: SessionState) -> None:
        """Forget what has arrived of documents that will never be whole."""
        for document in state.documents.values():
            if document.stored is None:
                self._drop_chunks(state.session, document.upload)

    def let_go(
        self, session: str, upload: str, refusal: Refusal, looked: StoredUpload | None
    ) -> None:
        """Forget the bytes of a document that is refused: its parts, and the file made of them.

        One that is only not whole yet goes on. The state stays as it is, as after any refusal:
        who begins the same upload again starts it over.
        """
        if refusal.code is RejectionCode.UPLOAD_CORRUPT:
            self._drop_chunks(session, upload)
        if looked is not None and looked.document is not None:
            self.batch.dropped_documents.append((session, looked.document.file))

    def queue(self, session: str) -> None:
        """Have a completed session delivered; where it is or was already, nothing changes."""
        for destination in self.world.destinations.destinations:
            self.batch.queued.append(queued(session, destination.name, self.at))

    def note(self, act: Act, *, device: str | None = None, session: str | None = None) -> None:
        """Write an act of the box into the log."""
        self.batch.acts.append(LoggedAct(self.at, act, device, session))

    def _assignment(self, session: Session) -> Assignment:
        state = session.state
        return Assignment(session=state.session, flow_ref=state.flow_ref, joined_at=self.at)

    def _end_guest(self, device: str) -> None:
        """End a guest's credential; its connection goes a little later, once it saw the end."""
        guest = self.device(device)
        if guest and guest.guest_of:
            self.put_device(replace(guest, revoked_at=self.at))
            self.dropped[device] = self.world.settings.guest_grace.total_seconds()

    def _close_code(self, session: str, serial: int) -> None:
        key = self.world.codes.hash_of(self.world.codes.code_of(session, serial))
        code = self.batch.codes.get(key) or self.world.open_codes.get(key)
        if code and code.spent_at is None:
            self.put_code(replace(code, spent_at=self.at))

    def _drop_chunks(self, session: str, upload: str) -> None:
        """Forget the bytes of a document that was taken back, replaced, or begun anew."""
        self.batch.chunks = [
            c for c in self.batch.chunks if (c.session, c.upload) != (session, upload)
        ]
        self.batch.dropped_uploads.append((session, upload))

    def put_device(self, device: Device) -> None:
        """Keep a device."""
        self.batch.devices[device.device] = device

    def put_code(self, code: Code) -> None:
        """Keep a code."""
        self.batch.codes[code.code_hash] = code

    def refresh(self, session: str, device: str) -> None:
        """Publish a device's view again."""
        self.refreshed[session, device] = None

    def say(self, topic: Topic, payload: Versioned | bytes) -> None:
        """Publish after the commit."""
        self.said.append((topic, payload))

    def excuse(self, topic: Topic, **ids: str | int | None) -> None:
        """Say so to the sender, instead of all the rest, where the commit fails."""
        self.excuses.append((topic, ids))

    # --- done ------------------------------------------------------------------------------

    def settle(self) -> None:
        """Take everything up into the world, once it is on disk."""
        world = self.world
        world.last_look = self.looked or world.last_look
        world.devices.update(self.batch.devices)
        if self.granted:
            known = {**world.granted, **self.granted}
            world.granted = {k: g for k, g in known.items() if g.until_s > self.steady_s}
        for code in self.batch.codes.values():
            if code.is_open(self.at):
                world.open_codes[code.code_hash] = code
            else:
                world.open_codes.pop(code.code_hash, None)
        for flow in self.added.values():
            world.add_flow(flow, self.at)
        for session in self.sessions.values():
            world.put(session)
        for name in (*self.batch.cleared, *self.batch.purged):
            world.forget(name)
        for name in self.batch.purged:
            world.exports.forget(name)
