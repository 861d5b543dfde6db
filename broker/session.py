"""A client's session (3.1.2.4): its subscriptions and the QoS 1 and 2 flows towards it (4.3, 4.4).

It outlives its connection when the client asked for that.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .codec import PUBREL, encode_ack
from .counters import Counters
from .errors import Reason
from .identity import Identity
from .message import Message
from .reports import Reports
from .rules import Access
from .settings import Limits

if TYPE_CHECKING:
    from .connection import Connection
    from .publishing import Acknowledgement

MAX_PACKET_ID = 65_535


class Session:
    """What the broker holds for one client id."""

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
        self.connection: Connection | None = None
        self.left_at = 0.0
        self.subscriptions: dict[str, int] = {}
        self.inflight: dict[int, tuple[Message, int]] = {}
        """Sent and not acknowledged, by packet id, in the order sent (4.6.0-1)."""
        self.releasing: dict[int, None] = {}
        """QoS 2 messages whose PUBREL was sent, in the order of their PUBRECs (4.6.0-4)."""
        self.inbound: dict[int, Acknowledgement | None] = {}
        """Received QoS 2 packet ids that are not released; the value while a host defers."""
        self.queue: deque[tuple[Message, int]] | None = None  # made when first needed: it is large
        self._held_bytes = 0
        self._queued = 0
        self._last_id = 0
        self._limits = limits
        self._counters = counters
        self._reports = reports

    def deliver(self, message: Message, granted: int) -> None:
        """Send at the lower of both QoS (3.8.4), or keep what cannot be sent yet."""
        qos = message.qos if message.qos < granted else granted  # noqa: FURB136 - min() is slow
        connection = self.connection
        if qos == 0:
            if connection is None:  # 3.1.2.4: QoS 0 need not be kept
                return
            if connection.congested:
                self._counters.dropped_qos0 += 1
                self._reports.once(self.client_id, "reads too slowly, QoS 0 dropped")
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

    def _send(self, connection: Connection, message: Message, qos: int) -> None:
        packet_id = self._free_id()
        self.inflight[packet_id] = (message, qos)
        connection.send(message.head_with_id(qos, packet_id), message.payload)
        self._counters.messages_sent += 1

    def _free_id(self) -> int:
        """Give a packet id that is not in use (2.3.1-4)."""
        packet_id = self._last_id % MAX_PACKET_ID + 1
        while packet_id in self.inflight or packet_id in self.releasing:
            packet_id = packet_id % MAX_PACKET_ID + 1
        self._last_id = packet_id
        return packet_id

    def deliver_retained(self, message: Message, granted: int) -> None:
        """Send a retained message for a SUBSCRIBE, or keep it, at QoS 0 too, until it can be sent.

        These do not count against the queue's limits: they wait here as references to what the
        broker keeps anyway, and a subscriber must not fail for what others have retained.
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
        """Drop the newest; a connected client that is too slow to take what it has is let go."""
        self._counters.dropped_queue_full += 1
        if self.connection is not None:
            self.connection.close_soon(Reason.SLOW_CONSUMER)
        self._reports.once(self.client_id, "queue full, messages dropped")

    def pump(self) -> None:
        """Send what waits, as far as the window and the client's reading allow."""
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
        """Send again, in order and with DUP, what was not acknowledged (4.4.0-1); then the rest."""
        connection = self.connection
        if connection is None:
            return
        for packet_id, (message, qos) in self.inflight.items():
            connection.send(message.head_with_id(qos, packet_id, again=True), message.payload)
        for packet_id in self.releasing:
            connection.send(encode_ack(PUBREL, packet_id))
        self.pump()

    def acknowledged(self, packet_id: int) -> None:
        """Take a PUBACK (4.3.2). One that fits nothing is ignored: it may answer a resent copy."""
        self._settle(packet_id, 1)

    def received(self, packet_id: int) -> None:
        """Take a PUBREC, answer PUBREL (4.3.3)."""
        if self._settle(packet_id, 2):
            self.releasing[packet_id] = None
        if self.connection is not None:
            self.connection.send(encode_ack(PUBREL, packet_id))

    def completed(self, packet_id: int) -> None:
        """Take a PUBCOMP (4.3.3)."""
        self.releasing.pop(packet_id, None)
        if self.queue:
            self.pump()

    def _settle(self, packet_id: int, qos: int) -> bool:
        entry = self.inflight.get(packet_id)
        if entry is None or entry[1] != qos:
            return False
        del self.inflight[packet_id]
        if not entry[0].retain:
            self._held_bytes -= entry[0].size
        if self.queue and qos == 1:
            self.pump()
        return True

    def waiting(self) -> int:
        """Count the messages that are kept for the client."""
        return len(self.inflight) + len(self.queue or ())
