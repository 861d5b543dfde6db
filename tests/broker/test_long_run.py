"""Long runs with every payload checked, over every transport and both event loops.

An earlier trial of a fast engine corrupted payloads over TLS, and over TLS only.
"""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvloop

from broker import Broker, Limits, Listener, Tls
from broker.packets.codec import remaining_length

from .certificates import Certificates
from .support import Packet, Peer, ack, connect_packet, publish_packet, running, subscribe_packet
from .websockets import WebSocketPeer

MESSAGES = 10_000
WINDOW = 40
WAYS = ("tcp", "tls", "ws", "wss")
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


@dataclass
class Link:
    """One end of a connection, whatever is below it."""

    send: Callable[[bytes], Awaitable[None]]
    read: Callable[[], Awaitable[bytes]]
    close: Callable[[], Awaitable[None]]
    tail: bytearray = field(default_factory=bytearray)

    async def packets(self) -> list[Packet]:
        """Return the packets that the next chunk completes."""
        self.tail += await self.read()
        whole = []
        while len(self.tail) > 1:
            decoded = remaining_length(bytes(self.tail[:6]), 1)
            if decoded is None or len(self.tail) < sum(decoded):
                break
            length, body = decoded
            whole.append(Packet(self.tail[0], bytes(self.tail[body : body + length])))
            del self.tail[: body + length]
        return whole


async def open_link(broker: Broker, way: str, certs: Certificates) -> Link:
    """Connect over TCP, TLS or WebSocket."""
    options: dict[str, Any] = {"ssl": certs.client_context()} if way in ("tls", "wss") else {}
    if way in ("tcp", "tls"):
        peer = await Peer.open(broker, way, **options)

        async def send(data: bytes) -> None:
            peer.send(data)
            await peer.writer.drain()

        return Link(send, lambda: peer.reader.read(30_000), peer.drop)
    web = await WebSocketPeer.open(broker, way, **options)

    async def read() -> bytes:
        data = (await web.receive()).data
        assert isinstance(data, bytes)
        return data

    return Link(web.send, read, web.close)


def payload(number: int) -> bytes:
    """Return a checksum, the number, and bytes of varying length, some large."""
    random_ = random.Random(number)
    size = random_.choice([0, 10, 300, 5_000, 70_000 if number % 20 == 0 else 1_000])
    body = number.to_bytes(4, "big") + random_.randbytes(size)
    return hashlib.sha256(body).digest() + body


async def receive_all(link: Link) -> None:
    """Receive the messages in order, acknowledge them, and check every byte of each."""
    expected = 0
    while expected < MESSAGES:
        for got in await link.packets():
            assert got.kind == 3
            if got.qos:
                await link.send(ack(0x40, got.packet_id))
            assert hashlib.sha256(got.payload[32:]).digest() == got.payload[:32]
            assert int.from_bytes(got.payload[32:36], "big") == expected
            expected += 1


async def send_all(link: Link) -> None:
    """Send the messages with so many unacknowledged ones at once."""
    acknowledged = 0
    for number in range(MESSAGES):
        packet_id = number % 60_000 + 1
        await link.send(publish_packet("t", payload(number), qos=1, packet_id=packet_id))
        while number - acknowledged >= WINDOW:
            acknowledged += len(await link.packets())
    while acknowledged < MESSAGES:
        acknowledged += len(await link.packets())


async def _answer(link: Link, kind: int) -> None:
    while not (packets := await link.packets()):
        pass
    assert [packet.kind for packet in packets] == [kind]


async def run(way: str, certs: Certificates, qos: int) -> None:
    """Send from one client to another over one kind of transport."""
    tls = Tls(certs.folder / "server.pem", certs.folder / "server.key")
    listener = Listener(
        kind="http" if way[0] == "w" else "mqtt", tls=tls if way in ("tls", "wss") else None
    )
    limits = Limits(output_bytes=64 << 20)  # at QoS 0 nothing may be dropped here
    listeners: Any = {way: listener}
    async with running(limits=limits, **listeners) as broker, asyncio.timeout(60):
        reader = await open_link(broker, way, certs)
        await reader.send(connect_packet("reader"))
        await _answer(reader, 2)
        await reader.send(subscribe_packet(("t", qos)))
        await _answer(reader, 9)
        writer = await open_link(broker, way, certs)
        await writer.send(connect_packet("writer"))
        await _answer(writer, 2)
        await asyncio.gather(receive_all(reader), send_all(writer))
        await reader.close()
        await writer.close()


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("way", WAYS)
def test_every_payload_arrives_as_it_was_sent(
    way: str, qos: int, loop: str, certs: Certificates
) -> None:
    """Thousands of messages of all sizes arrive whole, in order and unchanged."""
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(run(way, certs, qos))
