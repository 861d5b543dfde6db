"""One application message on its way, encoded at most once for each way of sending it."""

from __future__ import annotations

from .codec import encode_publish_head


class Message:
    """An application message and its wire forms, shared by all its receivers.

    `qos` and `retain` are those under which it is handed on; each receiver's own QoS may be lower
    (3.8.4).
    """

    __slots__ = ("_heads", "_packet", "payload", "publisher", "qos", "retain", "size", "topic")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        publisher: tuple[str, str] = ("", ""),
        packet: bytes | None = None,
        *,
        retain: bool = False,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.retain = retain
        self.publisher = publisher
        self.size = len(topic) + len(payload)
        self._packet = packet
        self._heads: dict[int, bytes] | None = None

    def packet(self) -> bytes:
        """Give the whole packet at QoS 0."""
        packet = self._packet
        if packet is None:
            topic = self.topic.encode()
            head = encode_publish_head(0x30 | self.retain, topic, len(self.payload))
            packet = self._packet = head + self.payload
        return packet

    def packet_with_id(self, qos: int, packet_id: int, *, again: bool = False) -> bytes:
        """Give the whole packet at QoS 1 or 2; `again` sets DUP (3.3.1-1)."""
        first = 0x30 | qos << 1 | self.retain | again << 3
        heads = self._heads
        if heads is None:
            heads = self._heads = {}
        head = heads.get(first)
        if head is None:
            topic = self.topic.encode()
            head = heads[first] = encode_publish_head(first, topic, 2 + len(self.payload))
        return b"%b%b%b" % (head, packet_id.to_bytes(2, "big"), self.payload)
