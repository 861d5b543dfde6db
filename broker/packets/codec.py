"""Encoding and decoding of packets (MQTT 3.1.1, chapters 2 and 3). No sockets, no state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from .errors import Violation
from .topics import decode_utf8


class PacketType(IntEnum):
    """Control packet types (2.2.1)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class ReturnCode(IntEnum):
    """Return codes of CONNACK (3.2.2.3)."""

    ACCEPTED = 0
    UNACCEPTABLE_PROTOCOL = 1
    IDENTIFIER_REJECTED = 2
    SERVER_UNAVAILABLE = 3
    BAD_CREDENTIALS = 4
    NOT_AUTHORIZED = 5


SUBSCRIBE_REFUSED = 0x80
PUBACK, PUBREC, PUBREL, PUBCOMP = b"\x40\x02", b"\x50\x02", b"\x62\x02", b"\x70\x02"
UNSUBACK = b"\xb0\x02"
"""Fixed headers of packets whose body is a packet identifier (3.4 to 3.7, 3.11)."""
PINGRESP = b"\xd0\x00"
MQTT_3_1_1 = 4
MAX_QOS = 2
MAX_LENGTH_BYTES = 4
"""A remaining length has at most four bytes (2.2.3)."""


class ProtocolVersion(Violation):
    """A CONNECT of a version other than 3.1.1; answered with return code 1 (3.1.2-2)."""


@dataclass(frozen=True, slots=True)
class Will:
    """The message to publish when the connection ends without DISCONNECT (3.1.2.5)."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


@dataclass(frozen=True, slots=True)
class Connect:
    """A well-formed CONNECT (3.1); the topic of its will is not yet validated."""

    client_id: str
    clean_session: bool
    keepalive: int
    will: Will | None
    username: str | None
    password: bytes | None


class Reader:
    """Reader of the fields of one packet's body; a short or overlong body is a violation."""

    __slots__ = ("_data", "_position")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes. Raises Violation if there are fewer."""
        end = self._position + count
        if end > len(self._data):
            raise Violation("packet is shorter than its fields")
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def uint16(self) -> int:
        """Return the next big-endian 16-bit integer (1.5.2)."""
        return int.from_bytes(self.take(2), "big")

    def binary(self) -> bytes:
        """Return the next bytes that are prefixed with a two-byte length."""
        return self.take(self.uint16())

    def text(self) -> str:
        """Return the next UTF-8 string (1.5.3)."""
        return decode_utf8(self.binary())

    def packet_id(self) -> int:
        """Return the next packet identifier, which must not be 0 (2.3.1-1)."""
        number = self.uint16()
        if number == 0:
            raise Violation("2.3.1-1: packet identifier 0")
        return number

    @property
    def done(self) -> bool:
        """Whether the whole body was read."""
        return self._position == len(self._data)

    def finish(self) -> None:
        """Raise Violation if bytes are left: an overlong body could smuggle packets."""
        if not self.done:
            raise Violation("packet is longer than its fields")


def remaining_length(data: bytes, position: int) -> tuple[int, int] | None:
    """Decode the remaining length at `position` (2.2.3).

    Return the length and the position of the body, or None if bytes are missing.
    """
    behind = position + 1
    if behind < len(data) and data[position] > 0x7F > data[behind]:  # noqa: PLR2004 - usually two bytes
        return data[position] & 0x7F | data[behind] << 7, position + 2
    length = 0
    for index in range(MAX_LENGTH_BYTES):
        if position + index >= len(data):
            return None
        byte = data[position + index]
        length |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the continuation bit
            return length, position + index + 1
    raise Violation("2.2.3: remaining length of more than four bytes")


def encode_length(length: int) -> bytes:
    """Encode a remaining length (2.2.3)."""
    if length < 0x80:  # noqa: PLR2004 - fits one byte
        return bytes((length,))
    if length < 0x4000:  # noqa: PLR2004 - fits two, as most do
        return bytes((length & 0x7F | 0x80, length >> 7))
    encoded = bytearray()
    while length > 0x7F:  # noqa: PLR2004 - seven bits a byte
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes(encoded)


def encode_text(text: str) -> bytes:
    """Encode a string, prefixed with its length (1.5.3)."""
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def decode_connect(body: bytes) -> Connect:
    """Decode the body of a CONNECT (3.1).

    Raises ProtocolVersion for an unsupported version, Violation for any other fault.
    """
    reader = Reader(body)
    if reader.binary() not in (b"MQTT", b"MQIsdp"):
        raise Violation("3.1.2-1: protocol name")
    if reader.byte() != MQTT_3_1_1:
        raise ProtocolVersion("3.1.2-2: protocol level")
    if not body.startswith(b"\x00\x04MQTT"):
        raise Violation("3.1.2-1: protocol name")
    flags = reader.byte()
    _check_connect_flags(flags)
    keepalive = reader.uint16()
    client_id = reader.text()
    will = _decode_will(reader, flags) if flags & 0x04 else None
    username = reader.text() if flags & 0x80 else None
    password = reader.binary() if flags & 0x40 else None
    reader.finish()
    return Connect(client_id, bool(flags & 0x02), keepalive, will, username, password)


def _check_connect_flags(flags: int) -> None:
    if flags & 0x01:
        raise Violation("3.1.2-3: reserved flag")
    if flags & 0x04 and flags & 0x18 == 0x18:  # noqa: PLR2004 - both QoS bits
        raise Violation("3.1.2-14: will QoS 3")
    if not flags & 0x04 and flags & 0x38:
        raise Violation("3.1.2-11: will QoS or retain without a will")
    if flags & 0x40 and not flags & 0x80:
        raise Violation("3.1.2-22: password without a user name")


def _decode_will(reader: Reader, flags: int) -> Will:
    topic = reader.text()
    payload = reader.binary()
    return Will(topic, payload, flags >> 3 & 3, bool(flags & 0x20))


def decode_subscribe(body: bytes) -> tuple[int, list[tuple[str, int]]]:
    """Return the packet id of a SUBSCRIBE and its filters with their QoS (3.8)."""
    reader = Reader(body)
    packet_id = reader.packet_id()
    wanted = []
    while not reader.done:
        topic_filter = reader.text()
        qos = reader.byte()
        if qos > MAX_QOS:
            raise Violation("3.8.3-4: requested QoS")
        wanted.append((topic_filter, qos))
    if not wanted:
        raise Violation("3.8.3-3: SUBSCRIBE without a filter")
    return packet_id, wanted


def decode_unsubscribe(body: bytes) -> tuple[int, list[str]]:
    """Return the packet id of an UNSUBSCRIBE and its filters (3.10)."""
    reader = Reader(body)
    packet_id = reader.packet_id()
    filters = []
    while not reader.done:
        filters.append(reader.text())
    if not filters:
        raise Violation("3.10.3-2: UNSUBSCRIBE without a filter")
    return packet_id, filters


def decode_packet_id(body: bytes) -> int:
    """Return the packet id of a PUBACK, PUBREC, PUBREL or PUBCOMP (3.4 to 3.7)."""
    if len(body) != 2:  # noqa: PLR2004 - a packet id
        raise Violation("2.3.1: the body must be a packet identifier")
    packet_id = body[0] << 8 | body[1]
    if packet_id == 0:
        raise Violation("2.3.1-1: packet identifier 0")
    return packet_id


def encode_connack(*, session_present: bool, code: ReturnCode) -> bytes:
    """Encode a CONNACK (3.2)."""
    return bytes((0x20, 2, session_present, code))


def encode_ack(header: bytes, packet_id: int) -> bytes:
    """Encode PUBACK, PUBREC, PUBREL, PUBCOMP or UNSUBACK from its fixed header."""
    return header + packet_id.to_bytes(2, "big")


def encode_suback(packet_id: int, codes: list[int]) -> bytes:
    """Encode a SUBACK, one code per filter in the order of the SUBSCRIBE (3.9.3-1)."""
    length = encode_length(2 + len(codes))
    return b"\x90" + length + packet_id.to_bytes(2, "big") + bytes(codes)


def encode_publish_head(topic: str, length_behind: int) -> bytes:
    """Encode the remaining length and topic of a PUBLISH, without its first byte (3.3).

    `length_behind` is the length of what follows: the packet id, if there is one, and the payload.
    """
    raw = encode_text(topic)
    return encode_length(len(raw) + length_behind) + raw
