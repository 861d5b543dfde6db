"""The base of all clients: connection, session views, exactly-once commands, requests."""

import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from pydantic import ValidationError

from clients.sdk.address import Address
from clients.sdk.credential import Credential
from clients.sdk.dispatcher import Exchange, filters_of
from clients.sdk.errors import ConnectFailed, InvalidInput, TimedOut
from clients.sdk.flow_cache import FlowCache
from clients.sdk.network.backoff import Backoff
from clients.sdk.network.connection import Login, Message
from clients.sdk.network.loop import NetworkLoop
from clients.sdk.network.reconnect import ConnectionNumbers, Link, Wiring
from clients.sdk.notifications import Connectivity, Notifier
from clients.sdk.pending import Pending
from clients.sdk.requests import new_id
from clients.sdk.session import V
from clients.sdk.trust import tls_for
from schemas import topics
from schemas.base import Wire, rfc3339
from schemas.limits import limit_of
from schemas.wire.commands import Command
from schemas.wire.devices import Presence
from schemas.wire.requests import Answer, LeaveSession, Request, SessionLeft, Sync, Synced

if TYPE_CHECKING:
    from schemas.questionnaire.load import Flow

_T = TypeVar("_T")


_W = TypeVar("_W", bound=Wire)

Progress = Callable[[int, int], None]
"""Called with how much is done, and of how much."""
DEFAULT_TIMEOUT = 10.0
_READ_BY_ALL = (
    topics.ControllerStatusTopic,
    topics.InboxTopic,
    topics.StateTopic,
    topics.RejectionTopic,
)
_KEEPALIVE = 30
"""Seconds; a shorter keepalive would interrupt uploads on a slow link."""


class Client(Generic[V]):
    """A device of a site, connected for the duration of the `with`.

    Its methods may be called from any thread. Callbacks run in the network thread: they may
    send commands, but must not block.
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
        flows: FlowCache | None = None,
    ) -> None:
        """Create a client; nothing is sent before `start`.

        `outbox` is a folder that stores commands on disk until they are decided, so that a
        program that crashed sends them when it runs again. `loop` and `flows` may be shared.
        Without `tls`, the CAs of this machine are trusted, and those that `HANDRAIL_CA` names.
        """
        address = Address.parse(url)
        secured = tls_for(address, tls)
        self.credential = credential
        self._own_loop = loop is None
        self._loop = loop or NetworkLoop()
        self._notifier = Notifier(self._loop)
        self._flows = flows or FlowCache()
        folder = Path(outbox) if outbox is not None else None
        self._exchange: Exchange[V] = Exchange(
            self._loop,
            self._notifier,
            credential,
            self._view_type,
            shelf=self._flows,
            folder=folder,
        )
        login = Login(credential.device, credential.device, credential.secret)
        self._link = self._exchange.link = Link(
            self._loop,
            Wiring(address, login, keepalive, secured, backoff or Backoff()),
            self._exchange,
            filters=filters_of(credential, (*_READ_BY_ALL, *self._reads)),
            presence=self._presence,
            numbers=ConnectionNumbers(folder),
        )

    def _presence(self, online: bool, connection: int) -> Message:
        topic = topics.PresenceTopic(self.credential.device).under(self.credential.site)
        presence = Presence(
            online=online, connection=connection, software=_software() if online else None
        )
        return Message(topic, presence.to_json(), retain=True)

    # Lifecycle

    def start(self, timeout: float | None = DEFAULT_TIMEOUT) -> Self:
        """Connect, and from then on reconnect automatically.

        Raises NotAuthorized if the broker refuses, or ConnectFailed if there is no connection
        after `timeout` seconds. With None, returns at once and keeps trying.
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
        """Publish `offline`, disconnect and fail whatever is pending; may be called twice."""
        if self._notifier.closed:
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
        """Whether the client is connected."""
        state = self._notifier.newest(Connectivity)
        return state is not None and state.online

    def wait_online(self, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until the client is connected."""
        self.wait_until(Connectivity, lambda now: now.online, timeout)

    def interrupt(self) -> None:
        """Drop the connection as an unplugged cable would; the client then reconnects."""
        self._loop.run(self._link.interrupt)

    # Incoming

    def on(self, kind: type[_T], callback: Callable[[_T], object]) -> Callable[[], None]:
        """Call `callback` with each new value of a type; return a function that removes it.

        Types: `PatientView` or `FacilityView`, `Lobby`, `Assignment`, `ControllerStatus`,
        `Rejection`, `Connectivity`, `Departed`.
        """
        return self._notifier.listen(kind, callback)

    def newest(self, kind: type[_T]) -> _T | None:
        """Return the newest `Lobby`, `Assignment`, `ControllerStatus` or `Connectivity`, if any."""
        return self._notifier.newest(kind)

    def wait_until(
        self,
        kind: type[_T],
        predicate: Callable[[_T], bool] = lambda _: True,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> _T:
        """Wait until the `newest` value of a type satisfies the predicate; return it."""

        def look() -> _T | None:
            found = self._notifier.newest(kind)
            return found if found is not None and predicate(found) else None

        return self._notifier.until(look, timeout)

    def view(self, session: str) -> V | None:
        """Return the newest view of a session, or None if none has arrived."""
        return self._exchange.side(session).view

    def wait_for(
        self,
        session: str,
        predicate: Callable[[V], bool] = lambda _: True,
        timeout: float | None = DEFAULT_TIMEOUT,
    ) -> V:
        """Wait until a session's newest view satisfies the predicate; return that view."""

        def look() -> V | None:
            found = self.view(session)
            return found if found is not None and predicate(found) else None

        return self._notifier.until(look, timeout)

    def views(self, session: str, timeout: float | None = None) -> Iterator[V]:
        """Yield a session's view now and after each change.

        A slow reader receives only the newest. Ends with the session's last view, when this
        device leaves the session, and on `close`. Raises TimedOut if nothing changes for
        `timeout` seconds.
        """
        side = self._exchange.side(session)
        shown: V | None = None

        def changed() -> bool | None:
            return (side.view is not shown or side.over or self._notifier.closed) or None

        while True:
            self._notifier.until(changed, timeout)
            view, over = side.view, side.over
            if view is not shown and view is not None:
                shown = view
                yield view
            if over or self._notifier.closed:
                return

    def flow(self, flow_ref: str, timeout: float | None = DEFAULT_TIMEOUT) -> "Flow":
        """Return a flow; the first call waits for it, later ones read the cache."""
        return self.pending_flow(flow_ref).result(timeout)

    def pending_flow(self, flow_ref: str) -> "Pending[Flow]":
        """Request a flow without waiting."""
        return self._exchange.want_flow(flow_ref)

    # Outgoing

    def _command(self, session: str, kind: Callable[..., Command], **fields: Any) -> Pending[V]:
        now = rfc3339(datetime.now(UTC))
        # `seq` is a placeholder: the outbox assigns the number when the command is first sent.
        command = _built(kind, command_id=new_id(), seq=1, sent_at=now, **fields)
        return self._exchange.send(session, command)

    def pending_request(self, kind: Callable[..., Request], **fields: Any) -> Pending[Any]:
        """Send a request without waiting; the result is its answer, or raises RequestRefused."""
        return self._exchange.ask(self._built_request(kind, fields))

    def _built_request(self, kind: Callable[..., Request], fields: dict[str, Any]) -> Any:
        return _built(kind, request_id=new_id(), **fields)

    def _request(
        self,
        kind: Callable[..., Request],
        answer: type[_T],
        timeout: float,
        on_progress: Progress | None = None,
        **fields: Any,
    ) -> _T:
        request = self._built_request(kind, fields)
        try:
            found: Answer = self._exchange.ask(request).watch(on_progress).result(timeout)
        except TimedOut:
            self._exchange.forget(request)
            raise
        if not isinstance(found, answer):
            raise TypeError(f"{type(found).__name__} is not an answer to {type(request).__name__}")
        return found

    def sync(self, session: str, timeout: float = DEFAULT_TIMEOUT) -> Synced:
        """Request that this device's view of a session be published again."""
        return self._request(Sync, Synced, timeout, session=session)

    def leave_session(self, session: str, timeout: float = DEFAULT_TIMEOUT) -> SessionLeft:
        """Leave a session without ending it."""
        return self._request(LeaveSession, SessionLeft, timeout, session=session)

    def flush(self, session: str | None = None, timeout: float | None = DEFAULT_TIMEOUT) -> None:
        """Wait until every command, or every command of one session, is decided."""
        self._notifier.until(lambda: self._exchange.undecided(session) == 0 or None, timeout)


@cache
def _software() -> str:
    """Return this program's name and version, for the list of devices."""
    return f"handrail-sdk/{version('handrail')}"


_MAX_PAYLOAD = 1_000_000
"""Bytes; above the size of any valid message. A broker closes the connection on a packet that is
too large, and the outbox would send it again and again."""


def _built(kind: Callable[..., _W], **fields: Any) -> _W:
    try:
        built = kind(**fields)
    except ValidationError as error:
        # Without the cause: it repeats entered values.
        faults = error.errors(include_url=False, include_input=False)
    else:
        if len(built.to_json()) > _MAX_PAYLOAD:
            raise InvalidInput({"message": f"must be at most {_MAX_PAYLOAD:,} bytes"})
        return built
    raise InvalidInput(dict(map(_problem, faults)))


def _problem(fault: Mapping[str, Any]) -> tuple[str, str]:
    field = str(fault["loc"][0]) if fault["loc"] else "combination of values"
    return field, limit_of(fault) or "is not valid"
