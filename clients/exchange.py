"""What goes between a client and the box: messages in to their place, commands and requests out."""

import logging
from asyncio import TimerHandle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Generic

from pydantic import Field, TypeAdapter

from clients.asking import Asking, new_id, settle
from clients.board import Board
from clients.connection import Message
from clients.credential import Credential
from clients.errors import Closed, Refused
from clients.journal import Journal, journals
from clients.link import Link
from clients.loop import NetworkLoop
from clients.news import Connectivity, Departed, DocumentPart
from clients.outbox import RESEND_AFTER
from clients.pending import Pending
from clients.shelf import FlowOrders, FlowShelf
from clients.side import SessionSide, Settled, V
from schemas import topics
from schemas.commands import Command
from schemas.devices import Assignment, ControllerStatus, Lobby
from schemas.flow import Flow
from schemas.rejections import Rejection
from schemas.requests import Answer, Request, Sync
from schemas.topics import CommandTopic, FlowTopic, RequestTopic, Topic, UploadTopic

_log = logging.getLogger(__name__)

_REPLY: TypeAdapter[Answer | Rejection] = TypeAdapter(
    Annotated[Answer | Rejection, Field(discriminator="type")]
)


class Exchange(Generic[V]):
    """The network's half of a client. `link` is attached before anything is sent."""

    link: Link

    def __init__(
        self,
        loop: NetworkLoop,
        board: Board,
        credential: Credential,
        view_type: type[V],
        *,
        shelf: FlowShelf,
        folder: Path | None = None,
    ) -> None:
        self._loop = loop
        self._board = board
        self._me = credential
        self._view_type: type[V] = view_type
        self._flows = FlowOrders(shelf)
        self._folder = folder
        self._sides: dict[str, SessionSide[V]] = {}
        self._asking = Asking()
        self._syncing: dict[str, SessionSide[V]] = {}
        self._check: TimerHandle | None = None
        self.unreadable = 0
        """Messages that were none of the contract's."""
        for session, journal in journals(folder).items() if folder else ():
            self._sides[session] = SessionSide(session, journal)

    # What users ask for, in any thread

    def side(self, session: str) -> SessionSide[V]:
        """Give the side of a session; a new one where there is none."""
        with self._board.changed:
            found = self._sides.get(session)
            if found is None:
                journal = Journal(self._folder, session) if self._folder else None
                found = self._sides[session] = SessionSide(session, journal)
            return found

    def undecided(self, session: str | None) -> int:
        """Count the commands that are held, of one session or of all."""
        with self._board.changed:
            return sum(len(s.outbox) for s in self._sides.values() if session in (None, s.session))

    def send(self, session: str, command: Command) -> Pending[V]:
        """Queue a command."""
        pending: Pending[V] = Pending(self._loop)
        with self._board.changed:
            if self._board.closed:
                raise Closed("the client is closed")
            side = self.side(session)
            side.put(command, pending)
        self._loop.run(self._pump, side)
        return pending

    def ask(self, request: Request) -> Pending[Any]:
        """Send a request now, and again after each reconnect, until it is answered."""
        pending: Pending[Any] = Pending(self._loop)
        with self._board.changed:
            if self._board.closed:
                raise Closed("the client is closed")
            self._asking.put(request, pending)
        self._loop.run(self._publish_request, request)
        return pending

    def forget(self, request: Request) -> None:
        """Ask no more."""
        with self._board.changed:
            self._asking.forget(request.request_id)

    def want_flow(self, flow_ref: str) -> Pending[Flow]:
        """Have the broker send a retained flow, unless it is here."""
        pending: Pending[Flow] = Pending(self._loop)
        if not self._flows.here(flow_ref, pending):
            self._loop.run(self.link.subscribe, FlowTopic(flow_ref).under(self._me.site))
        return pending

    def send_chunk(self, topic: UploadTopic, data: bytes, done: Callable[[], None]) -> None:
        """Publish bytes of a document (in the network's thread); lost while offline."""
        self.link.publish(Message(topic.under(self._me.site), data), done)

    def close(self) -> None:
        """Tell everyone who waits that nothing will come any more."""
        with self._board.changed:
            self._asking.close()
            waiting: list[Pending[Any]] = [
                *(pending for side in self._sides.values() for pending in side.close()),
                *self._flows.waiting(),
            ]
        self._board.close()
        for pending in waiting:
            pending.fail(Closed("the client was closed; the command may or may not be decided"))

    # Out, in the network's thread

    def _publish(self, topic: Topic, payload: bytes) -> None:
        self.link.publish(Message(topic.under(self._me.site), payload))

    def _publish_request(self, request: Request) -> None:
        self._publish(RequestTopic(self._me.device), request.to_json())

    def _pump(self, side: SessionSide[V]) -> None:
        """Publish what a session's outbox has to send now."""
        if not self.link.online:
            return
        with self._board.changed:
            commands = side.take(self._loop.now)
            sync = side.outbox.wants_sync
            if sync:
                side.outbox.sync_sent()
        for command in commands:
            self._publish(CommandTopic(side.session, self._me.device), command.to_json())
        if sync:
            request = Sync(request_id=new_id(), session=side.session)
            self._syncing[request.request_id] = side
            self._publish_request(request)
        if self._check is None and len(side.outbox):
            self._check = self._loop.later(RESEND_AFTER, self._overdue)

    def _overdue(self) -> None:
        """Look after what was sent and not answered."""
        self._check = None
        self._each_side(self._pump)

    def _each_side(self, action: Callable[[SessionSide[V]], object]) -> None:
        with self._board.changed:
            sides = list(self._sides.values())
        for side in sides:
            action(side)

    # In, in the network's thread

    def link_up(self) -> None:
        """Send again what is not answered: requests, then each session's commands in order."""
        with self._board.changed:
            requests = list(self._asking.unanswered())
        for request in requests:
            self._publish_request(request)
        self._each_side(self._pump)
        self._board.pin(Connectivity(online=True))

    def link_down(self) -> None:
        """Note that answers may be lost."""
        self._lose()
        self._board.pin(Connectivity(online=False))

    def _lose(self) -> None:
        self._syncing.clear()
        with self._board.changed:
            for side in self._sides.values():
                side.outbox.lost()

    def link_received(self, message: Message) -> None:
        """Bring a message to its place; what cannot be read is counted and dropped."""
        topic = topics.parse(self._me.site, message.topic)
        try:
            self._route(topic, message.payload)
        except ValueError as error:
            # Without its text, which may repeat the payload.
            self.unreadable += 1
            _log.warning("%s could not be read: %s", type(topic).__name__, type(error).__name__)

    def _route(self, topic: Any, payload: bytes) -> None:
        match topic:
            case topics.StateTopic(session=session) if not payload:
                self._departed(session)
            case topics.StateTopic(session=session):
                self._seen(session, self._view_type.model_validate_json(payload))
            case topics.RejectionTopic(session=session):
                self._rejected(session, Rejection.model_validate_json(payload))
            case topics.InboxTopic():
                self._answered(_REPLY.validate_json(payload))
            case topics.FlowTopic(flow_ref=flow_ref) if payload:
                self.link.unsubscribe(topic.under(self._me.site))
                self._flows.came(flow_ref, payload)
            case topics.DocumentTopic(session=session, upload=upload, offset=offset):
                self._board.tell(DocumentPart(session, upload, int(offset), payload))
            case topics.ControllerStatusTopic() if payload:
                self._controller_is(ControllerStatus.model_validate_json(payload))
            case topics.LobbyTopic() if payload:
                self._board.pin(Lobby.model_validate_json(payload))
            case topics.AssignmentTopic():
                self._board.pin(
                    Assignment.model_validate_json(payload) if payload else Assignment(session=None)
                )

    def _seen(self, session: str, view: V) -> None:
        side = self.side(session)
        with self._board.changed:
            news, settled = side.see(view)
            self._board.changed.notify_all()
        self._give(settled)
        if news:
            self._board.tell(view)
        self._pump(side)

    def _departed(self, session: str) -> None:
        with self._board.changed:
            side = self._sides.get(session)
            settled = side.leave() if side else []
            self._board.changed.notify_all()
        self._give(settled)
        if side:
            self._board.tell(Departed(session))

    def _rejected(self, session: str, rejection: Rejection) -> None:
        side = self.side(session)
        with self._board.changed:
            settled = side.hear(rejection)
        self._give(settled)
        self._board.tell(rejection)
        self._pump(side)

    def _answered(self, answer: Answer | Rejection) -> None:
        side = self._syncing.pop(answer.request_id or "", None)
        if side is not None:
            # A refusal says as much: no older answer can still come.
            with self._board.changed:
                settled = side.synced()
            self._give(settled)
            self._pump(side)
            return
        with self._board.changed:
            pending = self._asking.take(answer)
        if pending is not None:
            settle(pending, answer)

    def _controller_is(self, status: ControllerStatus) -> None:
        before = self._board.newest(ControllerStatus)
        restarted = before is not None and before.started_at != status.started_at
        self._board.pin(status)
        if status.online and restarted:
            # What went to the old one may be lost with it, although the broker stood.
            self._lose()
            self.link_up()

    def _give(self, settled: Settled[V]) -> None:
        for pending, outcome in settled:
            if isinstance(outcome, Refused):
                pending.fail(outcome)
            else:
                pending.settle(outcome)


def filters_of(credential: Credential, kinds: Iterable[type[Topic]]) -> set[str]:
    """Give the narrowest filters for what a device reads."""
    return {kind.rule(credential.site, device=credential.device) for kind in kinds}
