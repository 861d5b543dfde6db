"""One application message on its way, encoded at most once for each way of sending it."""

from __future__ import annotations

from .codec import encode_publish_head


class Message:
    """An application message and its wire forms, shared by all its receivers.

    `qos` and `retain` are those under which it is handed on; each receiver's own QoS may be lower
    (3.8.4).
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
        """Give the whole packet at QoS 0."""
        packet = self._packet
        if packet is None:
            head = encode_publish_head(self.topic, len(self.payload))
            packet = self._packet = b"%c%b%b" % (0x30 | self.retain, head, self.payload)
        return packet

    def forget_packet(self) -> None:
        """Let go of the packet, which holds the payload a second time."""
        self._packet = None

    def as_retained(self) -> Message:
        """Give it as a new subscription gets it (3.3.1-8)."""
        if self.retain:
            return self
        topic, payload, qos, publisher = self.topic, self.payload, self.qos, self.publisher
        return Message(topic, payload, qos, publisher, retain=True, head=self._head)

    def head_with_id(self, qos: int, packet_id: int, *, again: bool = False) -> bytes:
        """Give the packet at QoS 1 or 2 up to its payload; `again` sets DUP (3.3.1-1)."""
        head = self._head
        if head is None:
            head = self._head = encode_publish_head(self.topic, 2 + len(self.payload))
        first = 0x30 | qos << 1 | self.retain | again << 3
        return b"%c%b%b" % (first, head, packet_id.to_bytes(2, "big"))
