"""What the connections of one broker share: sessions, routing, rules, counters, limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .counters import Counters
from .errors import Reason
from .failures import Failures
from .gate import Gate
from .identity import Authenticate, Identity
from .observer import Observer
from .reports import Reports
from .routing import Router
from .rules import NOTHING, Access, Rules
from .session import Session
from .settings import BrokerSettings

if TYPE_CHECKING:
    from .connection import Connection

DRAIN_POLL_SECONDS = 0.01
"""Transports do not say when their buffers are empty, so a stopping broker looks."""
NO_WILL_AFTER = (Reason.DISCONNECT, Reason.SHUTDOWN)


class Engine:
    """The protocol engine below the listeners. Everything happens in one event loop."""

    def __init__(
        self,
        settings: BrokerSettings,
        authenticate: Authenticate,
        rules: Mapping[str, Rules],
        observer: Observer,
    ) -> None:
        self.settings = settings
        self.limits = settings.limits
        self.small_packet = min(self.limits.connect_bytes, self.limits.packet_bytes)
        self.counters = Counters()
        self.reports = Reports(observer, self.counters)
        self.router = Router(settings.limits, self.counters, self.reports)
        self.sessions: dict[str, Session] = {}
        self.connections: set[Connection] = set()
        self.congested: set[Connection] = set()
        self.failures = Failures(self.limits.failures_per_address, self.limits.failure_seconds)
        self.rules: dict[str, Rules] = dict(rules)
        self.loop: asyncio.AbstractEventLoop
        self.now: Callable[[], float]
        self.authenticate = authenticate
        self.gate: Gate | None = None
        self._per_address: Counter[str] = Counter()
        self._dirty: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._deciding: list[set[str]] = []

    def bind_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the event loop that everything will run in."""
        self.loop = loop
        self.now = loop.time

    # ---- connections

    def enter(self, connection: Connection) -> bool:
        """Count a new connection in; close it at once when there are too many."""
        self.connections.add(connection)
        self._per_address[connection.address] += 1
        self.counters.connections_accepted += 1
        if (
            len(self.connections) > self.limits.connections
            or self._per_address[connection.address] > self.limits.connections_per_address
        ):
            connection.close(Reason.TOO_MANY_CONNECTIONS)
            return False
        return True

    def gone(self, connection: Connection) -> None:
        """Count out a connection whose stream has ended."""
        if connection in self.connections:
            self.connections.discard(connection)
            self.congested.discard(connection)
            self._per_address[connection.address] -= 1
            if not self._per_address[connection.address]:
                del self._per_address[connection.address]

    def leave(self, connection: Connection, reason: Reason) -> None:
        """Settle what a closing connection leaves: session, observer, will, in this order."""
        self.congested.discard(connection)
        session, client = connection.session, connection.client
        if session is None or client is None:
            self.reports.refused(connection.address, connection.claimed_id, reason)
            return
        if session.connection is connection:
            session.connection = None
            session.left_at = self.now()
            if session.clean:
                self.drop_session(session)
        self.reports.disconnected(client, reason)
        if connection.will is not None and reason not in NO_WILL_AFTER:
            self._publish_will(connection, session)

    def _publish_will(self, connection: Connection, session: Session) -> None:
        """Publish a will (3.1.2-8), if the rules of this moment still allow it."""
        will, connection.will = connection.will, None
        if will is None:
            return
        if not self.access(session.identity, session.client_id).may_publish(will.topic):
            self.counters.wills_denied += 1
            return
        self.counters.wills_published += 1
        self.router.publish(
            self.router.topic(will.topic),
            will.payload,
            qos=will.qos,
            retain=will.retain,
            publisher=connection.publisher,
        )

    # ---- sessions

    def open_session(
        self, client_id: str, identity: Identity, *, clean: bool
    ) -> tuple[Session, bool]:
        """Give the session that CONNECT asks for, and whether it was there before (3.1.2.4).

        An older connection of this client is closed first and counts for nothing more (3.1.4-2).
        """
        known = self.sessions.get(client_id)
        if known is not None and known.connection is not None:
            known.connection.close(Reason.TAKEN_OVER)
            known = self.sessions.get(client_id)
        if known is not None and clean:
            self.drop_session(known)
            known = None
        if known is not None:
            known.identity = identity
            known.access = self.access(identity, client_id)
            return known, True
        access = self.access(identity, client_id)
        session = Session(
            client_id,
            identity,
            access,
            limits=self.limits,
            counters=self.counters,
            reports=self.reports,
        )
        session.clean = clean
        self.sessions[client_id] = session
        return session, False

    def drop_session(self, session: Session) -> None:
        """Forget a session and all its subscriptions."""
        for topic_filter in session.subscriptions:
            self.router.subscriptions.remove(topic_filter, session)
        session.subscriptions = {}
        if self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]

    def revoke(self, user: str) -> None:
        """End a user's connections and sessions now, and refuse its CONNECTs under way."""
        for revoked in self._deciding:
            revoked.add(user)
        for session in [s for s in self.sessions.values() if s.identity.user == user]:
            # The queue goes first: what is routed from here on must not reach it any more.
            self.drop_session(session)
            if session.connection is not None:
                session.connection.close(Reason.REVOKED)

    @contextmanager
    def revocations(self) -> Iterator[set[str]]:
        """Collect the users that are revoked while a CONNECT is being decided."""
        revoked: set[str] = set()
        self._deciding.append(revoked)
        try:
            yield revoked
        finally:
            self._deciding = [each for each in self._deciding if each is not revoked]

    # ---- rules

    def access(self, identity: Identity, client_id: str) -> Access:
        """Give the rules for one client; a role that nobody defined may do nothing."""
        return Access(self.rules.get(identity.role, NOTHING), identity.user, client_id)

    def set_rules(self, role: str, rules: Rules) -> None:
        """Change a role's rules; what they no longer allow ends at once."""
        self.rules[role] = rules
        for session in self.sessions.values():
            if session.identity.role != role:
                continue
            session.access = self.access(session.identity, session.client_id)
            if session.connection is not None:
                session.connection.topics.clear()
            for topic_filter in list(session.subscriptions):
                if not session.access.may_subscribe(topic_filter):
                    del session.subscriptions[topic_filter]
                    self.router.subscriptions.remove(topic_filter, session)
        self.router.rules_changed()

    # ---- the loop

    def start_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine that ends with the broker at the latest."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def flush_soon(self, connection: Connection) -> None:
        """Have a connection's output written when this loop turn's packets are handled."""
        if not self._dirty:
            self.loop.call_soon(self.flush)
        self._dirty.append(connection)

    def flush(self) -> None:
        """Have everything written that was sent."""
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()

    def tidy(self) -> None:
        """Do what is due once a second: stalled clients, expired sessions, old failures."""
        now = self.now()
        for connection in list(self.congested):
            connection.check_stalled()
        gone = now - self.limits.session_expiry_seconds
        for session in [s for s in self.sessions.values() if s.connection is None]:
            if session.left_at < gone:
                self.counters.sessions_expired += 1
                self.drop_session(session)
        self.failures.forget_old(now)

    def gauges(self) -> Counters:
        """Bring the gauges among the counters up to date."""
        counters = self.counters
        counters.connections = len(self.connections)
        counters.sessions = len(self.sessions)
        counters.subscriptions = self.router.subscriptions.count
        counters.retained_messages = self.router.retained.count
        counters.retained_bytes = self.router.retained.bytes
        return counters

    async def drain(self) -> None:
        """Read nothing more, and wait until what was read is settled and answered."""
        for connection in list(self.connections):
            connection.hold_for_stop()
        deadline = self.now() + self.settings.stop_seconds
        while any(each.busy for each in self.connections) and self.now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_POLL_SECONDS)

    async def close_all(self) -> None:
        """End every connection without its will, after its output was handed over."""
        for connection in list(self.connections):
            connection.close(Reason.SHUTDOWN)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        deadline = self.now() + self.settings.stop_seconds
        while self.connections and self.now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_POLL_SECONDS)
        for connection in list(self.connections):
            connection.transport.abort()

    def forget(self) -> None:
        """Drop all sessions and retained messages."""
        for session in list(self.sessions.values()):
            self.drop_session(session)
        self.router.forget_retained()
