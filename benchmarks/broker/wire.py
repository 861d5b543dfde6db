"""A small, fast MQTT client for load: fixed-size messages, each numbered and checked."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import cast

PAYLOAD = 256
USER, PASSWORD = "bench", "bench"


def text(value: str) -> bytes:
    """Encode an MQTT string."""
    return struct.pack("!H", len(value)) + value.encode()


def packet(first: int, body: bytes) -> bytes:
    """Build a packet."""
    length, encoded = len(body), bytearray()
    while length > 0x7F:
        encoded.append(length & 0x7F | 0x80)
        length >>= 7
    encoded.append(length)
    return bytes((first,)) + bytes(encoded) + body


def connect_packet(client_id: str) -> bytes:
    """Build a CONNECT with the benchmark's credentials."""
    return packet(0x10, b"\0\4MQTT\4\xc2\0\0" + text(client_id) + text(USER) + text(PASSWORD))


class Publisher:
    """Builds numbered messages for one topic."""

    def __init__(self, topic: str, qos: int, *, retain: bool = False) -> None:
        behind = (2 if qos else 0) + PAYLOAD
        whole = packet(0x30 | qos << 1 | retain, text(topic) + bytes(behind))
        self.head = whole[: len(whole) - behind]
        self.qos = qos
        self.filler = bytes(PAYLOAD - 8)
        self.sent = 0

    def take(self, count: int) -> bytes:
        """Return the next `count` messages as bytes."""
        start = self.sent
        self.sent += count
        parts = []
        for number in range(start, start + count):
            identifier = struct.pack("!H", number % 65_000 + 1) if self.qos else b""
            parts.append(self.head + identifier + struct.pack("!Q", number) + self.filler)
        return b"".join(parts)


class Client(asyncio.Protocol):
    """One connection; passes complete packets to its handlers."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.on_messages: Callable[[list[int]], None] | None = None
        self.on_acks: Callable[[int], None] | None = None
        self.received = 0
        self.out_of_order = 0
        self._expected = 0
        self._tail = b""
        self._answers: asyncio.Queue[int] = asyncio.Queue()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Disable Nagle's algorithm."""
        self.transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Parse the packets."""
        data = self._tail + data
        position, end = 0, len(data)
        numbers: list[int] = []
        acks = bytearray()
        published = 0
        while end - position >= 2:
            length, body = data[position + 1], position + 2
            if length > 0x7F:
                if end - position < 3:
                    break
                length, body = length & 0x7F | data[body] << 7, body + 1
            stop = body + length
            if stop > end:
                break
            first = data[position]
            if first >> 4 == 3:
                numbers.append(int.from_bytes(data[stop - PAYLOAD : stop - PAYLOAD + 8], "big"))
                if first & 0x06:
                    acks += b"\x40\2" + data[stop - PAYLOAD - 2 : stop - PAYLOAD]
            elif first >> 4 == 4:
                published += 1
            else:
                self._answers.put_nowait(first >> 4)
            position = stop
        self._tail = data[position:]
        if acks:
            self.transport.write(bytes(acks))
        self._count(numbers, published)

    def _count(self, numbers: list[int], published: int) -> None:
        for number in numbers:
            self.out_of_order += number != self._expected
            self._expected = number + 1
        self.received += len(numbers)
        if numbers and self.on_messages:
            self.on_messages(numbers)
        if published and self.on_acks:
            self.on_acks(published)

    async def answer(self, kind: int) -> None:
        """Wait for a CONNACK (2) or SUBACK (9)."""
        async with asyncio.timeout(60):
            while await self._answers.get() != kind:
                pass

    async def subscribe(self, *filters: str, qos: int = 0) -> None:
        """Subscribe and wait for the SUBACK."""
        body = b"".join(text(each) + bytes((qos,)) for each in filters)
        self.transport.write(packet(0x82, b"\0\1" + body))
        await self.answer(9)


async def connect(port: int, client_id: str) -> Client:
    """Connect and wait for the CONNACK."""
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(Client, "127.0.0.1", port)
    client.transport.write(connect_packet(client_id))
    await client.answer(2)
    return client
