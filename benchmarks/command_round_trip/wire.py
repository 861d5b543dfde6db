"""The MQTT 3.1.1 packets and WebSocket frames that a screen sends and receives."""

from __future__ import annotations

import struct
from collections.abc import Iterator

CONNACK, PUBLISH, PUBACK, SUBACK = 2, 3, 4, 9
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_MASKED = 0x80
_LENGTH_16, _LENGTH_64 = 126, 127


def mqtt_text(value: str | bytes) -> bytes:
    """Encode an MQTT string."""
    encoded = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(encoded)) + encoded


def mqtt_packet(first: int, body: bytes) -> bytes:
    """Build a packet with its remaining length (MQTT 3.1.1, 2.2.3)."""
    length, head = len(body), bytearray((first,))
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    head.append(length)
    return bytes(head) + body


def mqtt_connect(device: str, secret: str, will: tuple[str, bytes] | None) -> bytes:
    """Build a CONNECT: clean session, user name, password, no keepalive, a retained will."""
    flags = 0xC2 | (0x2C if will else 0)
    said = mqtt_text(will[0]) + mqtt_text(will[1]) if will else b""
    body = b"\0\4MQTT\4" + bytes((flags,)) + b"\0\0" + mqtt_text(device) + said
    return mqtt_packet(0x10, body + mqtt_text(device) + mqtt_text(secret))


def mqtt_publish(topic: bytes, identifier: int, payload: bytes, *, retain: bool = False) -> bytes:
    """Build a PUBLISH with QoS 1; the topic as `mqtt_text` encoded it."""
    return mqtt_packet(0x32 | retain, topic + struct.pack("!H", identifier) + payload)


def mqtt_subscribe(*filters: str) -> bytes:
    """Build a SUBSCRIBE with QoS 1."""
    body = b"".join(mqtt_text(each) + b"\1" for each in filters)
    return mqtt_packet(0x82, b"\0\1" + body)


def mqtt_packets(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each complete packet: its first byte, and the start and end of its body."""
    position, end = 0, len(data)
    while position + 2 <= end:
        length, shift, body = 0, 0, position + 1
        while body < end:
            byte = data[body]
            length |= (byte & 0x7F) << shift
            body, shift = body + 1, shift + 7
            if byte < _MASKED:
                break
        else:
            return
        if body + length > end:
            return
        yield data[position], body, body + length
        position = body + length


def frame(payload: bytes, opcode: int = _TEXT) -> bytes:
    """Build a client frame; the mask is zero, so that masking costs nothing."""
    size = len(payload)
    if size < _LENGTH_16:
        head = struct.pack("!BB", 0x80 | opcode, _MASKED | size)
    else:
        head = struct.pack("!BBH", 0x80 | opcode, _MASKED | _LENGTH_16, size)
    return head + bytes(4) + payload


def pong(payload: bytes) -> bytes:
    """Answer a ping."""
    return frame(payload, _PONG)


def frames(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield each complete server frame: its opcode, and the start and end of its payload."""
    position, end = 0, len(data)
    while position + 2 <= end:
        size, body = data[position + 1], position + 2
        if size == _LENGTH_16:
            size, body = int.from_bytes(data[body : body + 2], "big"), body + 2
        elif size == _LENGTH_64:
            size, body = int.from_bytes(data[body : body + 8], "big"), body + 8
        if body + size > end:
            return
        yield data[position] & 0x0F, body, body + size
        position = body + size


def is_ping(opcode: int) -> bool:
    """Return whether a frame is a ping."""
    return opcode == _PING


def is_text(opcode: int) -> bool:
    """Return whether a frame contains a view or a rejection."""
    return opcode == _TEXT
