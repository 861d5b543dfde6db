"""Routes messages between a client and the box: views and answers in, commands and requests out."""

import logging
from asyncio import TimerHandle
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from clients.sdk.credential import Credential
from clients.sdk.errors import Closed, Refused
from clients.sdk.flow_cache import FlowCache, FlowOrders
from clients.sdk.journal import Journal, journals
from clients.sdk.network.connection import Message
from clients.sdk.network.loop import NetworkLoop
from clients.sdk.network.reconnect import Link
from clients.sdk.notifications import Connectivity, Departed, DocumentPart, Notifier
from clients.sdk.outbox import RESEND_AFTER
from clients.sdk.pending import Pending
from clients.sdk.requests import Asking, new_id, settle
from clients.sdk.session import SessionState, Settled, V
from schemas import topics
from schemas.topics import CommandTopic, FlowTopic, RequestTopic, Topic, UploadTopic
from schemas.wire.by_type import ByType
from schemas.wire.commands import Command
from schemas.wire.devices import Assignment, ControllerStatus, Lobby
from schemas.wire.rejections import Rejection
from schemas.wire.requests import Answer, Request, Sync

if TYPE_CHECKING:
    from schemas.questionnaire.load import Flow

_log = logging.getLogger(__name__)

_REPLY: ByType[Answer | Rejection] = ByType(Answer | Rejection)


class Exchange(Generic[V]):
    """The network side of a client. `link` is attached before anything is sent."""

    link: Link

    def __init__(
        self,
        loop: NetworkLoop,
        board: Notifier,
        credential: Credential,
        view_type: type[V],
        *,
        shelf: FlowCache,
        folder: Path | None = None,
    ) -> None:
        self._loop = loop
        self._notifier = board
        self._me = credential
        self._view_type: type[V] = view_type
        self._flows = FlowOrders(shelf)
        self._folder = folder
        self._sides: dict[str, SessionState[V]] = {}
        self._asking = Asking()
        self._syncing: dict[str, SessionState[V]] = {}
        self._check: TimerHandle | None = None
        self.unreadable = 0
        """Number of messages that could not be parsed."""
        for session, journal in journals(folder).items() if folder else ():
            self._sides[session] = SessionState(session, journal)

    # Called by users, from any thread

    def side(self, session: str) -> SessionState[V]:
        """Return the state of a session, created if absent."""
        with self._notifier.changed:
            found = self._sides.get(session)
            if found is None:
                journal = Journal(self._folder, session) if self._folder else None
                found = self._sides[session] = SessionState(session, journal)
            return found

    def undecided(self, session: str | None) -> int:
        """Return the number of undecided commands, of one session or of all."""
        with self._notifier.changed:
            return sum(s.undecided for s in self._sides.values() if session in (None, s.session))

    def send(self, session: str, command: Command) -> Pending[V]:
        """Queue a command."""
        pending: Pending[V] = Pending(self._loop)
        with self._notifier.changed:
            if self._notifier.closed:
                raise Closed("the client is closed")
            side = self.side(session)
            replaced = side.put(command, pending)
        self._give(replaced)
        self._loop.run(self._pump, side)
        return pending

    def ask(self, request: Request) -> Pending[Any]:
        """Send a request now, and again after each reconnect, until it is answered."""
        pending: Pending[Any] = Pending(self._loop)
        with self._notifier.changed:
            if self._notifier.closed:
                raise Closed("the client is closed")
            self._asking.put(request, pending)
        self._loop.run(self._publish_request, request)
        return pending

    def forget(self, request: Request) -> None:
        """Stop resending a request."""
        with self._notifier.changed:
            self._asking.forget(request.request_id)

    def want_flow(self, flow_ref: str) -> "Pending[Flow]":
        """Subscribe to a retained flow, unless it is cached."""
        pending: Pending[Flow] = Pending(self._loop)
        if not self._flows.here(flow_ref, pending):
            self._loop.run(self.link.subscribe, FlowTopic(flow_ref).under(self._me.site))
        return pending

    def send_chunk(self, topic: UploadTopic, data: bytes, done: Callable[[], None]) -> None:
        """Publish bytes of a document (network thread only); dropped while offline."""
        self.link.publish(Message(topic.under(self._me.site), data), done)

    def close(self) -> None:
        """Fail all pending commands and requests."""
        with self._notifier.changed:
            self._asking.close()
            waiting: list[Pending[Any]] = [
                *(pending for side in self._sides.values() for pending in side.close()),
                *self._flows.waiting(),
            ]
        self._notifier.close()
        for pending in waiting:
            pending.fail(Closed("the client was closed; the command may or may not be decided"))

    # Outgoing, in the network thread

    def _publish(self, topic: Topic, payload: bytes) -> None:
        self.link.publish(Message(topic.under(self._me.site), payload))

    def _publish_request(self, request: Request) -> None:
        self._publish(RequestTopic(self._me.device), request.to_json())

    def _pump(self, side: SessionState[V]) -> None:
        """Publish the commands that a session's outbox has to send now."""
        if not self.link.online:
            return
        with self._notifier.changed:
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
        """Resend commands that were sent but not answered in time."""
        self._check = None
        self._each_side(self._pump)

    def _each_side(self, action: Callable[[SessionState[V]], object]) -> None:
        with self._notifier.changed:
            sides = list(self._sides.values())
        for side in sides:
            action(side)

    # Incoming, in the network thread

    def link_up(self) -> None:
        """Resend what is not answered: requests, then each session's commands in order."""
        with self._notifier.changed:
            requests = list(self._asking.unanswered())
        for request in requests:
            self._publish_request(request)
        self._each_side(self._pump)
        self._notifier.pin(Connectivity(online=True))

    def link_down(self) -> None:
        """Record that answers may be lost."""
        self._lose()
        self._notifier.pin(Connectivity(online=False))

    def _lose(self) -> None:
        self._syncing.clear()
        with self._notifier.changed:
            for side in self._sides.values():
                side.outbox.lost()

    def link_received(self, message: Message) -> None:
        """Dispatch a message; one that cannot be parsed is counted and dropped."""
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
                self._notifier.tell(DocumentPart(session, upload, int(offset), payload))
            case topics.ControllerStatusTopic() if payload:
                self._controller_is(ControllerStatus.model_validate_json(payload))
            case topics.LobbyTopic() if payload:
                self._notifier.pin(Lobby.model_validate_json(payload))
            case topics.AssignmentTopic():
                self._notifier.pin(
                    Assignment.model_validate_json(payload) if payload else Assignment(session=None)
                )

    def _seen(self, session: str, view: V) -> None:
        side = self.side(session)
        with self._notifier.changed:
            news, settled = side.see(view)
            self._notifier.changed.notify_all()
        self._give(settled)
        if news:
            self._notifier.tell(view)
        self._pump(side)

    def _departed(self, session: str) -> None:
        with self._notifier.changed:
            side = self._sides.get(session)
            settled = side.leave() if side else []
            self._notifier.changed.notify_all()
        self._give(settled)
        if side:
            self._notifier.tell(Departed(session))

    def _rejected(self, session: str, rejection: Rejection) -> None:
        side = self.side(session)
        with self._notifier.changed:
            settled = side.hear(rejection)
        self._give(settled)
        self._notifier.tell(rejection)
        self._pump(side)

    def _answered(self, answer: Answer | Rejection) -> None:
        side = self._syncing.pop(answer.request_id or "", None)
        if side is not None:
            with self._notifier.changed:
                side.outbox.synced()
            self._pump(side)
            return
        with self._notifier.changed:
            pending = self._asking.take(answer)
        if pending is not None:
            settle(pending, answer)

    def _controller_is(self, status: ControllerStatus) -> None:
        before = self._notifier.newest(ControllerStatus)
        restarted = before is not None and before.started_at != status.started_at
        self._notifier.pin(status)
        if status.online and restarted:
            # What the old controller had received may be lost with it, although the broker stayed.
            self._lose()
            self.link_up()

    def _give(self, settled: Settled[V]) -> None:
        for pending, outcome in settled:
            if isinstance(outcome, Refused):
                pending.fail(outcome)
            else:
                pending.settle(outcome)


def filters_of(credential: Credential, kinds: Iterable[type[Topic]]) -> set[str]:
    """Return the narrowest topic filters for what a device reads."""
    return {kind.rule(credential.site, device=credential.device) for kind in kinds}
