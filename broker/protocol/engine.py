"""The state shared by the connections of one broker: sessions, routing, rules and counters."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from broker.access.identity import Authenticate, Identity
from broker.access.rules import NOTHING, Access, Rules
from broker.access.throttle import Throttle
from broker.monitoring.counters import Counters, Level
from broker.monitoring.observer import Observer
from broker.monitoring.reports import Reports
from broker.packets.errors import Reason
from broker.routing.router import Router
from broker.settings import BrokerSettings

from .peer import Peer
from .plugins import Plugins
from .session import Session
from .transport import Hold

DRAIN_POLL_SECONDS = 0.01
"""Polling interval while stopping: transports do not notify when their buffers are empty."""


class Engine:
    """The protocol engine below the listeners. It runs in one event loop."""

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
        self.connections: set[Peer] = set()
        self.congested: set[Peer] = set()
        self.throttle = Throttle(self.limits.failures_per_address, self.limits.failure_seconds)
        self.rules: dict[str, Rules] = dict(rules)
        self.loop: asyncio.AbstractEventLoop
        self.now: Callable[[], float]
        self.authenticate = authenticate
        self.plugins: Plugins | None = None
        self._per_address: Counter[str] = Counter()
        self._dirty: list[Peer] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._deciding: list[set[str]] = []

    def bind_loop(self, loop: asyncio.AbstractEventLoop) -> None:
        """Set the event loop that the engine runs in."""
        self.loop = loop
        self.now = loop.time

    # ---- connections

    def add_connection(self, connection: Peer) -> bool:
        """Register a new connection. Return False if there are too many."""
        self.connections.add(connection)
        self._per_address[connection.address] += 1
        self.counters.connections_accepted += 1
        return (
            len(self.connections) <= self.limits.connections
            and self._per_address[connection.address] <= self.limits.connections_per_address
        )

    def remove_connection(self, connection: Peer) -> None:
        """Remove a connection whose transport has closed."""
        if connection in self.connections:
            self.connections.discard(connection)
            self.congested.discard(connection)
            self._per_address[connection.address] -= 1
            if not self._per_address[connection.address]:
                del self._per_address[connection.address]

    # ---- sessions

    def open_session(
        self, client_id: str, identity: Identity, *, clean: bool
    ) -> tuple[Session, bool]:
        """Return the session for a CONNECT, and whether it was present before (3.1.2.4).

        An existing connection of this client is closed first (3.1.4-2).
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
        """Delete a session and all its subscriptions."""
        for topic_filter in session.subscriptions:
            self.router.subscriptions.remove(topic_filter, session)
        session.subscriptions = {}
        if self.sessions.get(session.client_id) is session:
            del self.sessions[session.client_id]

    def revoke(self, user: str) -> None:
        """Close the connections of a user, delete its sessions and refuse its pending CONNECTs."""
        for revoked in self._deciding:
            revoked.add(user)
        for session in [s for s in self.sessions.values() if s.identity.user == user]:
            # The session goes first: what is routed from now on must not reach it.
            self.drop_session(session)
            if session.connection is not None:
                session.connection.close(Reason.REVOKED)

    @contextmanager
    def revocations(self) -> Iterator[set[str]]:
        """Collect the users that are revoked while a CONNECT is pending."""
        revoked: set[str] = set()
        self._deciding.append(revoked)
        try:
            yield revoked
        finally:
            self._deciding = [each for each in self._deciding if each is not revoked]

    # ---- rules

    def access(self, identity: Identity, client_id: str) -> Access:
        """Return the rules for one client; an undefined role may do nothing."""
        return Access(self.rules.get(identity.role, NOTHING), identity.user, client_id)

    def set_rules(self, role: str, rules: Rules) -> None:
        """Replace the rules of a role; subscriptions that they no longer allow end at once."""
        self.rules[role] = rules
        for session in self.sessions.values():
            if session.identity.role != role:
                continue
            session.access = self.access(session.identity, session.client_id)
            if session.connection is not None:
                session.connection.clear_topics()
            for topic_filter in list(session.subscriptions):
                if not session.access.may_subscribe(topic_filter):
                    del session.subscriptions[topic_filter]
                    self.router.subscriptions.remove(topic_filter, session)
        self.router.rules_changed()

    # ---- the loop

    def start_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Start a task that is cancelled when the broker stops."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def flush_soon(self, connection: Peer) -> None:
        """Schedule a flush of a connection for the end of this turn of the event loop."""
        if not self._dirty:
            self.loop.call_soon(self.flush)
        self._dirty.append(connection)

    def flush(self) -> None:
        """Write the pending output of all connections."""
        dirty, self._dirty = self._dirty, []
        for connection in dirty:
            connection.flush()

    def run_housekeeping(self) -> None:
        """Check for stalled clients, expired sessions and old failures; called every second."""
        now = self.now()
        for connection in list(self.congested):
            connection.check_stalled()
        gone = now - self.limits.session_expiry_seconds
        for session in [s for s in self.sessions.values() if s.connection is None]:
            if session.left_at < gone:
                self.counters.sessions_expired += 1
                self.drop_session(session)
        self.throttle.delete_expired(now)

    def gauges(self) -> Counters:
        """Return the counters, with up-to-date gauges."""
        counters = self.counters
        counters.connections = len(self.connections)
        counters.sessions = len(self.sessions)
        counters.subscriptions = self.router.subscriptions.count
        counters.retained_messages = self.router.retained.count
        counters.retained_bytes = self.router.retained.bytes
        return counters

    def levels(self) -> tuple[Level, ...]:
        """Return how near the broker is to its limits; the longest queue stands for all."""
        limits, counters = self.limits, self.gauges()
        ended, sessions = counters.ended, self.sessions.values()
        messages = max((each.queued[0] for each in sessions), default=0)
        size = max((each.queued[1] for each in sessions), default=0)
        found: dict[str, tuple[int | None, int]] = {
            "packet_bytes": (None, ended[Reason.TOO_LARGE]),
            "connect_seconds": (None, ended[Reason.CONNECT_TIMEOUT]),
            "connections": (counters.connections, ended[Reason.TOO_MANY_CONNECTIONS]),
            "connections_per_address": (max(self._per_address.values(), default=0), 0),
            "failures_per_address": (None, ended[Reason.TOO_MANY_FAILURES]),
            "sessions": (counters.sessions, ended[Reason.TOO_MANY_SESSIONS]),
            "queue_messages": (messages, counters.dropped_queue_full),
            "queue_bytes": (size, 0),
            "output_bytes": (None, counters.dropped_qos0),
            "stalled_seconds": (None, ended[Reason.SLOW_CONSUMER]),
            "unreleased": (None, ended[Reason.LIMIT]),
            "subscriptions": (
                max((len(each.subscriptions) for each in sessions), default=0),
                counters.subscribe_at_limit,
            ),
            "retained_messages": (counters.retained_messages, counters.dropped_retained_full),
            "retained_bytes": (counters.retained_bytes, 0),
        }
        return tuple(
            Level(name, level, int(getattr(limits, name)), refused)
            for name, (level, refused) in found.items()
        )

    async def drain(self) -> None:
        """Stop reading, and wait until everything read is acknowledged and all output is sent."""
        for connection in list(self.connections):
            connection.hold(Hold.STOP)
        deadline = self.now() + self.settings.stop_seconds
        while any(each.busy for each in self.connections) and self.now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_POLL_SECONDS)

    async def close_all(self) -> None:
        """Close every connection without its will, after its output was sent."""
        for connection in list(self.connections):
            connection.close(Reason.SHUTDOWN)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        deadline = self.now() + self.settings.stop_seconds
        while self.connections and self.now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_POLL_SECONDS)
        for connection in list(self.connections):
            connection.abort()

    def clear(self) -> None:
        """Delete all sessions and retained messages."""
        for session in list(self.sessions.values()):
            self.drop_session(session)
        self.router.clear_retained()
