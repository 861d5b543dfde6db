"""What every client does: connect, follow sessions, send commands exactly once, ask."""

import os
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import ValidationError

from clients.address import Address
from clients.asking import new_id
from clients.backoff import Backoff
from clients.board import Board
from clients.connection import Login, Message
from clients.credential import Credential
from clients.errors import ConnectFailed, TimedOut
from clients.exchange import Exchange, filters_of
from clients.link import ConnectionNumbers, Link, Wiring
from clients.loop import NetworkLoop
from clients.news import Connectivity
from clients.pending import Pending
from clients.shelf import FlowShelf
from clients.side import V
from schemas import topics
from schemas.base import Wire, rfc3339
from schemas.commands import Command
from schemas.devices import Presence
from schemas.flow import Flow
from schemas.requests import Answer, LeaveSession, Request, SessionLeft, Sync, Synced

_T = TypeVar("_T")
_W = TypeVar("_W", bound=Wire)

DEFAULT_TIMEOUT = 10.0
_READ_BY_ALL = (
    topics.ControllerStatusTopic,
    topics.InboxTopic,
    topics.StateTopic,
    topics.RejectionTopic,
)
_KEEPALIVE = 30
"""Seconds; a shorter one cuts uploads off on a slow link."""


class Client(Generic[V]):
    """A device of a site, connected for as long as its `with` lasts.

    Its methods may be called from any thread. Callbacks run in the network's thread: they may
    send commands, but must not wait for anything.
    """

    _view_type: ClassVar[Any]
    _reads: ClassVar[tuple[type[topics.Topic], ...]] = ()

    def __init__(
        self,
        url: str,
        credential: Credential,
        *,
        loop: NetworkLoop | None = None,
        keepalive: int = _KEEPALIVE,
        backoff: Backoff | None = None,
        tls: ssl.SSLContext | None = None,
        outbox: str | os.PathLike[str] | None = None,
        flows: FlowShelf | None = None,
    ) -> None:
        """Prepare a client; nothing is sent before `start`.

        `outbox` is a folder where commands are kept on disk until they are decided, so that a
        program that dies sends them when it runs again. `loop` and `flows` may be shared.
        """
        self.credential = credential
        self._own_loop = loop is None
        self._loop = loop or NetworkLoop()
        self._board = Board(self._loop)
        self._flows = flows or FlowShelf()
        folder = Path(outbox) if outbox is not None else None
        self._exchange: Exchange[V] = Exchange(
            self._loop, self._board, credential, self._view_type, shelf=self._flows, folder=folder
        )
        login = Login(credential.device, credential.device, credential.secret)
        self._link = self._exchange.link = Link(
            self._loop,
            Wiring(Address.parse(url), login, keepalive, tls, backoff or Backoff()),
            self._exchange,
            filters=filters_of(credential, (*_READ_BY_ALL, *self._reads)),
            presence=self._presence,
            numbers=ConnectionNumbers(folder),
        )

    def _presence(self, online: bool, connection: int) -> Message:
        topic = topics.PresenceTopic(self.credential.device).under(self.credential.site)
        return Message(topic, Presence(online=online, connection=connection).to_json(), retain=True)

    # Its life

    def start(self, timeout: float | None = DEFAULT_TIMEOUT) -> Self:
        """Connect, and from then on reconnect by itself.

        Raises NotAuthorized when the broker refuses, ConnectFailed when there is no connection
        after `timeout` seconds; with None it returns at once and goes on trying.
        """
        self._loop.run(self._link.start)
        if timeout is None:
            return self
        try:
            self._link.first.result(timeout)
        except TimeoutError:
            reason = self._link.last_error
            self.close()
            raise ConnectFailed(f"no connection: {reason}") from None
        except ConnectFailed:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Publish `offline`, disconnect, and end what waits; may be called twice."""
        if self._board.closed:
            return
        stopped: Future[None] = Future()
        self._exchange.close()
        self._loop.run(self._link.stop, stopped)
        if not self._loop.inside:
            stopped.result(DEFAULT_TIMEOUT)
            if self._own_loop:
                self._loop.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def online(self) -> bool:
        """Whether the connection stands now."""
        state = self._board.newest(Connectivity)
        return state is not None and state.online

    def wait_online(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until the connection stands."""
        self.wait_until(Connectivity, lambda now: now.online, timeout)

    def interrupt(self) -> None:
        """Lose the connection as a pulled plug does; it comes back by itself."""
        self._loop.run(self._link.interrupt)

    # What it is told

    def on(self, kind: type[_T], callback: Callable[[_T], object]) -> Callable[[], None]:
        """Have `callback` called with each new value of a type; the result undoes it.

        Types: `PatientView` or `FacilityView`, `Lobby`, `Assignment`, `ControllerStatus`,
        `Rejection`, `Connectivity`, `Departed`.
        """
        return self._board.listen(kind, callback)

    def newest(self, kind: type[_T]) -> _T | None:
        """Give the newest `Lobby`, `Assignment`, `ControllerStatus` or `Connectivity`."""
        return self._board.newest(kind)

    def wait_until(
        self,
        kind: type[_T],
        predicate: Callable[[_T], bool] = lambda _: True,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> _T:
        """Wait until the newest value of such a type fulfils the predicate."""

        def look() -> _T | None:
            found = self._board.newest(kind)
            return found if found is not None and predicate(found) else None

        return self._board.until(look, timeout)

    def view(self, session: str) -> V | None:
        """Give the newest view of a session, if one came."""
        return self._exchange.side(session).view

    def wait_for(
        self,
        session: str,
        predicate: Callable[[V], bool] = lambda _: True,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> V:
        """Wait until a session's newest view fulfils the predicate, and give that view."""

        def look() -> V | None:
            found = self.view(session)
            return found if found is not None and predicate(found) else None

        return self._board.until(look, timeout)

    def views(self, session: str, timeout: float | None = None) -> Iterator[V]:
        """Give a session's view now and each time that it has changed.

        A slow reader is given the newest only. It ends with the session's last view, when this
        device is out of the session, and on `close`; where nothing changes for `timeout`
        seconds it raises TimedOut.
        """
        side = self._exchange.side(session)
        shown: V | None = None

        def changed() -> bool | None:
            return (side.view is not shown or side.over or self._board.closed) or None

        while True:
            self._board.until(changed, timeout)
            view, over = side.view, side.over
            if view is not shown and view is not None:
                shown = view
                yield view
            if over or self._board.closed:
                return

    def flow(self, flow_ref: str, timeout: float | None = DEFAULT_TIMEOUT) -> Flow:
        """Give a flow, waiting for it the first time; it is kept for ever."""
        return self.pending_flow(flow_ref).result(timeout)

    def pending_flow(self, flow_ref: str) -> Pending[Flow]:
        """Ask for a flow without waiting."""
        return self._exchange.want_flow(flow_ref)

    # What it says

    def _command(self, session: str, kind: Callable[..., Command], **fields: Any) -> Pending[V]:
        now = rfc3339(datetime.now(UTC))
        # `seq` is a place holder: the outbox gives the number when the command is first sent.
        command = _built(kind, command_id=new_id(), seq=1, sent_at=now, **fields)
        return self._exchange.send(session, command)

    def pending_request(self, kind: Callable[..., Request], **fields: Any) -> Pending[Any]:
        """Send a request without waiting; the result is its answer, or RequestRefused."""
        return self._exchange.ask(_built(kind, request_id=new_id(), **fields))

    def _request(
        self, kind: Callable[..., Request], answer: type[_T], timeout: float, **fields: Any
    ) -> _T:
        request = _built(kind, request_id=new_id(), **fields)
        try:
            found: Answer = self._exchange.ask(request).result(timeout)
        except TimedOut:
            self._exchange.forget(request)
            raise
        if not isinstance(found, answer):
            raise TypeError(f"{type(found).__name__} is no answer to {type(request).__name__}")
        return found

    def sync(self, session: str, timeout: float = DEFAULT_TIMEOUT) -> Synced:
        """Have this device's view of a session published again."""
        return self._request(Sync, Synced, timeout, session=session)

    def leave_session(self, session: str, timeout: float = DEFAULT_TIMEOUT) -> SessionLeft:
        """Leave a session without ending it."""
        return self._request(LeaveSession, SessionLeft, timeout, session=session)

    def flush(self, session: str | None = None, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until every command, or every one of a session, is decided."""
        self._board.until(lambda: self._exchange.undecided(session) == 0 or None, timeout)


_MAX_PAYLOAD = 1_000_000
"""Above what any of them may hold. A broker ends the connection of who sends a packet that is too
large, and the outbox would send it again and again."""


def _built(kind: Callable[..., _W], **fields: Any) -> _W:
    try:
        built = kind(**fields)
    except ValidationError as error:
        # Without the cause: it repeats what was entered.
        wrong = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
    else:
        if len(built.to_json()) > _MAX_PAYLOAD:
            raise ValueError("larger than any command may be")
        return built
    raise ValueError(f"not as the contract says: {', '.join(wrong) or 'the combination'}")
