"""A client's session (3.1.2.4): its subscriptions and the QoS 1 and 2 flows towards it (4.3, 4.4).

It survives its connection unless the client asked for a clean session.
"""

from __future__ import annotations

from collections import deque

from broker.access.identity import Identity
from broker.access.rules import Access
from broker.monitoring.counters import Counters
from broker.monitoring.reports import Reports
from broker.packets.codec import PUBREL, encode_ack
from broker.packets.errors import Reason
from broker.packets.message import Acknowledgement, Message
from broker.settings import Limits

from .peer import Peer

MAX_PACKET_ID = 65_535


class Session:
    """The state that the broker keeps for one client id."""

    __slots__ = (
        "_counters",
        "_held_bytes",
        "_last_id",
        "_limits",
        "_queued",
        "_reports",
        "access",
        "clean",
        "client_id",
        "connection",
        "identity",
        "inbound",
        "inflight",
        "left_at",
        "publisher",
        "queue",
        "releasing",
        "subscriptions",
    )

    def __init__(
        self,
        client_id: str,
        identity: Identity,
        access: Access,
        *,
        limits: Limits,
        counters: Counters,
        reports: Reports,
    ) -> None:
        self.client_id = client_id
        self.identity = identity
        self.access = access
        self.publisher = (client_id, identity.user)
        self.clean = True
        self.connection: Peer | None = None
        self.left_at = 0.0
        self.subscriptions: dict[str, int] = {}
        self.inflight: dict[int, tuple[Message, int]] = {}
        """Messages sent but not acknowledged, by packet id, in the order sent (4.6.0-1)."""
        self.releasing: dict[int, None] = {}
        """QoS 2 packet ids whose PUBREL was sent, in the order of their PUBRECs (4.6.0-4)."""
        self.inbound: dict[int, Acknowledgement | None] = {}
        """Received QoS 2 packet ids without PUBREL, with the acknowledgement if deferred."""
        self.queue: deque[tuple[Message, int]] | None = None  # a deque is large: on demand
        self._held_bytes = 0
        self._queued = 0
        self._last_id = 0
        self._limits = limits
        self._counters = counters
        self._reports = reports

    def deliver(self, message: Message, granted: int) -> None:
        """Send a message at the lower of both QoS (3.8.4), or queue it."""
        qos = message.qos if message.qos < granted else granted  # noqa: FURB136 - min() is slow
        connection = self.connection
        if qos == 0:
            if connection is None:  # 3.1.2.4: QoS 0 need not be queued
                return
            if connection.congested:
                self._counters.dropped_qos0 += 1
                self._reports.warn_once(self.client_id, "reads too slowly, QoS 0 messages dropped")
                return
            connection.send(message.packet())
            self._counters.messages_sent += 1
        elif (
            connection is not None
            and not connection.congested
            and not self.queue
            and self._window_open()
            and self._held_bytes + message.size <= self._limits.queue_bytes
        ):
            self._held_bytes += message.size
            self._send(connection, message, qos)
        else:
            self._enqueue(message, qos)

    def _send(self, connection: Peer, message: Message, qos: int) -> None:
        packet_id = self._free_id()
        self.inflight[packet_id] = (message, qos)
        connection.send(message.head_with_id(qos, packet_id), message.payload)
        self._counters.messages_sent += 1

    def _free_id(self) -> int:
        """Return a packet id that is not in use (2.3.1-4)."""
        packet_id = self._last_id % MAX_PACKET_ID + 1
        while packet_id in self.inflight or packet_id in self.releasing:
            packet_id = packet_id % MAX_PACKET_ID + 1
        self._last_id = packet_id
        return packet_id

    def deliver_retained(self, message: Message, granted: int) -> None:
        """Send a retained message for a SUBSCRIBE, or queue it, at QoS 0 as well.

        It does not count against the limits of the queue: it is a reference to what the broker
        stores anyway, and a subscriber must not fail because others have retained much.
        """
        qos = min(message.qos, granted)
        connection = self.connection
        if connection is not None and not self.queue and not connection.congested:
            if qos == 0:
                connection.send(message.packet())
                return
            if self._window_open():
                self._send(connection, message, qos)
                return
        queue = self._queue()
        if len(queue) >= self._limits.queue_messages + self._limits.retained_messages:
            self._overflow()
            return
        queue.append((message, qos))

    def _queue(self) -> deque[tuple[Message, int]]:
        if self.queue is None:
            self.queue = deque()
        return self.queue

    def _window_open(self) -> bool:
        return len(self.inflight) + len(self.releasing) < self._limits.inflight

    def _enqueue(self, message: Message, qos: int) -> None:
        if (
            self._queued >= self._limits.queue_messages
            or self._held_bytes + message.size > self._limits.queue_bytes
        ):
            self._overflow()
            return
        self._queue().append((message, qos))
        self._queued += 1
        self._held_bytes += message.size

    def _overflow(self) -> None:
        """Drop the newest message; disconnect a client that reads too slowly."""
        self._counters.dropped_queue_full += 1
        if self.connection is not None:
            self.connection.close_soon(Reason.SLOW_CONSUMER)
        self._reports.warn_once(self.client_id, "queue full, messages dropped")

    def send_queued(self) -> None:
        """Send queued messages, as far as the window and the output limit allow."""
        queue, connection = self.queue, self.connection
        if connection is None:
            return
        while queue and not connection.congested:
            message, qos = queue[0]
            if qos and not self._window_open():
                return
            queue.popleft()
            self._queued -= not message.retain
            if qos:
                self._send(connection, message, qos)
            else:
                connection.send(message.packet())
        if not queue:
            self.queue = None

    def resume(self) -> None:
        """Resend unacknowledged packets in order with DUP (4.4.0-1), then send queued messages."""
        connection = self.connection
        if connection is None:
            return
        for packet_id, (message, qos) in self.inflight.items():
            connection.send(message.head_with_id(qos, packet_id, dup=True), message.payload)
        for packet_id in self.releasing:
            connection.send(encode_ack(PUBREL, packet_id))
        self.send_queued()

    def receive_puback(self, packet_id: int) -> None:
        """Handle a PUBACK (4.3.2). An unknown one is ignored: it may answer a resent copy."""
        self._remove_inflight(packet_id, 1)

    def receive_pubrec(self, packet_id: int) -> None:
        """Handle a PUBREC: answer with PUBREL (4.3.3)."""
        if self._remove_inflight(packet_id, 2):
            self.releasing[packet_id] = None
        if self.connection is not None:
            self.connection.send(encode_ack(PUBREL, packet_id))

    def receive_pubcomp(self, packet_id: int) -> None:
        """Handle a PUBCOMP (4.3.3)."""
        self.releasing.pop(packet_id, None)
        if self.queue:
            self.send_queued()

    def _remove_inflight(self, packet_id: int, qos: int) -> bool:
        entry = self.inflight.get(packet_id)
        if entry is None or entry[1] != qos:
            return False
        del self.inflight[packet_id]
        if not entry[0].retain:
            self._held_bytes -= entry[0].size
        if self.queue and qos == 1:
            self.send_queued()
        return True

    @property
    def queued(self) -> tuple[int, int]:
        """What counts against the limits of the queue: messages and bytes."""
        return self._queued, self._held_bytes

    def waiting(self) -> int:
        """Return the number of messages in flight and in the queue."""
        return len(self.inflight) + len(self.queue or ())
