"""Application messages, and their acknowledgements to the publisher."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from .codec import encode_ack, encode_publish_head


class Message:
    """An application message with its encodings, shared by all its receivers.

    It is encoded at most once at QoS 0 and once at QoS 1 and 2. `qos` and `retain` apply to its
    delivery; a receiver's granted QoS may be lower (3.8.4).
    """

    __slots__ = ("_head", "_packet", "payload", "publisher", "qos", "retain", "size", "topic")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        publisher: tuple[str, str] = ("", ""),
        *,
        retain: bool = False,
        packet: bytes | None = None,
        head: bytes | None = None,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.publisher = publisher
        self.size = len(topic) + len(payload)
        self.qos = qos
        self.retain = retain
        self._packet = packet
        self._head = head

    def packet(self) -> bytes:
        """Return the whole packet at QoS 0."""
        packet = self._packet
        if packet is None:
            head = encode_publish_head(self.topic, len(self.payload))
            packet = self._packet = b"%c%b%b" % (0x30 | self.retain, head, self.payload)
        return packet

    def clear_packet(self) -> None:
        """Delete the cached packet, which contains the payload a second time."""
        self._packet = None

    def as_retained(self) -> Message:
        """Return the message with RETAIN set, as for a new subscription (3.3.1-8)."""
        if self.retain:
            return self
        topic, payload, qos, publisher = self.topic, self.payload, self.qos, self.publisher
        return Message(topic, payload, qos, publisher, retain=True, head=self._head)

    def head_with_id(self, qos: int, packet_id: int, *, dup: bool = False) -> bytes:
        """Return the packet at QoS 1 or 2 up to its payload; `dup` sets DUP (3.3.1-1)."""
        head = self._head
        if head is None:
            head = self._head = encode_publish_head(self.topic, 2 + len(self.payload))
        first = 0x30 | qos << 1 | self.retain | dup << 3
        return b"%c%b%b" % (first, head, packet_id.to_bytes(2, "big"))


class Acknowledger(Protocol):
    """The connection on which an acknowledgement is sent."""

    def send_ready(self) -> None:
        """Send the acknowledgements at the front of the queue that are ready."""


class Acknowledgement:
    """A PUBACK or PUBREC that the host program defers, or that is queued behind such a one."""

    __slots__ = ("_inbound", "_pending", "_queued", "connection", "packet", "packet_id")

    def __init__(
        self,
        connection: Acknowledger,
        inbound: dict[int, Acknowledgement | None],
        header: bytes,
        packet_id: int,
    ) -> None:
        self.connection = connection
        self.packet = encode_ack(header, packet_id)
        self.packet_id = packet_id
        self._inbound = inbound
        self._pending = 0
        self._queued = False

    @property
    def ready(self) -> bool:
        """Whether no handler defers it any longer."""
        return self._pending == 0

    def defer(self) -> Callable[[], None]:
        """Defer it until the returned function is called; calling that again does nothing."""
        self._pending += 1
        released = False

        def release() -> None:
            nonlocal released
            if not released:
                released = True
                self._release()

        return release

    def queued(self) -> None:
        """Record that it is in the queue of its connection."""
        self._queued = True

    def _release(self) -> None:
        self._pending -= 1
        if self._pending or not self._queued:
            return
        if self._inbound.get(self.packet_id) is self:
            self._inbound[self.packet_id] = None
        self.connection.send_ready()
