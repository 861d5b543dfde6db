"""A broker on free loopback ports, and a raw MQTT peer that can also break the rules."""
# ruff: noqa: D102, D103 - small helpers that say by their names what they do

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from broker import Broker, BrokerSettings, Credentials, Identity, Limits, Listener, Observer, Rules
from broker.packets.codec import encode_length, encode_text, remaining_length

DEADLINE = 15.0
EVERYTHING = Rules(publish=("#",), subscribe=("#", "$SYS/#"))


async def anyone(credentials: Credentials) -> Identity | None:
    """Accept everyone: the user is the user name, the role is `all`."""
    return Identity(credentials.username or "anonymous", "all")


async def by_password(credentials: Credentials) -> Identity | None:
    """Accept the password `secret`; the role is the user name up to its `-`."""
    if credentials.password != b"secret" or credentials.username is None:
        return None
    return Identity(credentials.username, credentials.username.split("-")[0])


@asynccontextmanager
async def running(
    *,
    limits: Limits | None = None,
    rules: Mapping[str, Rules] | None = None,
    authenticate: Any = anyone,
    observer: Observer | None = None,
    settings: Mapping[str, Any] | None = None,
    **listeners: Listener,
) -> AsyncIterator[Broker]:
    """Run a broker for the length of a test."""
    config = BrokerSettings(
        listeners=listeners or {"mqtt": Listener()},
        limits=limits or Limits(),
        **{"sys_seconds": 0, "stop_seconds": 1.0, **(settings or {})},
    )
    broker = Broker(
        config,
        authenticate=authenticate,
        rules={"all": EVERYTHING} if rules is None else rules,
        observer=observer,
    )
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()
        while OPENED:
            await OPENED.pop().drop()


@dataclass(frozen=True)
class Packet:
    """One control packet that came."""

    first: int
    body: bytes

    @property
    def kind(self) -> int:
        return self.first >> 4

    @property
    def qos(self) -> int:
        return self.first >> 1 & 3

    @property
    def retain(self) -> bool:
        return bool(self.first & 1)

    @property
    def dup(self) -> bool:
        return bool(self.first & 8)

    @property
    def topic(self) -> str:
        return self.body[2 : 2 + int.from_bytes(self.body[:2], "big")].decode()

    @property
    def packet_id(self) -> int:
        start = 2 + int.from_bytes(self.body[:2], "big") if self.kind == 3 else 0
        return int.from_bytes(self.body[start : start + 2], "big")

    @property
    def payload(self) -> bytes:
        return self.body[2 + int.from_bytes(self.body[:2], "big") + (2 if self.qos else 0) :]


def packet(first: int, *parts: bytes) -> bytes:
    """Build a control packet."""
    body = b"".join(parts)
    return bytes((first,)) + encode_length(len(body)) + body


def number(value: int) -> bytes:
    return value.to_bytes(2, "big")


def connect_packet(
    client_id: str = "peer",
    *,
    user: str | None = None,
    password: bytes | None = None,
    clean: bool = True,
    keepalive: int = 0,
    will: tuple[str, bytes] | None = None,
    will_qos: int = 0,
    will_retain: bool = False,
) -> bytes:
    """Build a CONNECT."""
    flags = clean << 1 | (user is not None) << 7 | (password is not None) << 6
    parts = [encode_text(client_id)]
    if will is not None:
        flags |= 0x04 | will_qos << 3 | will_retain << 5
        parts += [encode_text(will[0]), number(len(will[1])), will[1]]
    if user is not None:
        parts.append(encode_text(user))
    if password is not None:
        parts += [number(len(password)), password]
    return packet(0x10, b"\0\4MQTT\4", bytes((flags,)), number(keepalive), *parts)


def publish_packet(
    topic: str,
    payload: bytes = b"",
    *,
    qos: int = 0,
    packet_id: int = 1,
    retain: bool = False,
    dup: bool = False,
) -> bytes:
    """Build a PUBLISH."""
    first = 0x30 | qos << 1 | retain | dup << 3
    return packet(first, encode_text(topic), number(packet_id) if qos else b"", payload)


def subscribe_packet(*filters: tuple[str, int], packet_id: int = 1) -> bytes:
    """Build a SUBSCRIBE."""
    parts = (encode_text(topic) + bytes((qos,)) for topic, qos in filters)
    return packet(0x82, number(packet_id), *parts)


def unsubscribe_packet(*filters: str, packet_id: int = 1) -> bytes:
    """Build an UNSUBSCRIBE."""
    return packet(0xA2, number(packet_id), *(encode_text(each) for each in filters))


def ack(first: int, packet_id: int) -> bytes:
    """Build PUBACK (0x40), PUBREC (0x50), PUBREL (0x62) or PUBCOMP (0x70)."""
    return packet(first, number(packet_id))


class Peer:
    """A raw client: bytes out, packets in, each wait with a deadline."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._early: deque[Packet] = deque()
        OPENED.append(self)

    @classmethod
    async def open(cls, broker: Broker, listener: str = "mqtt", **options: Any) -> Self:
        """Open a socket without a CONNECT."""
        host, port = broker.addresses[listener]
        return cls(*await asyncio.open_connection(host, port, **options))

    @classmethod
    async def connect(cls, broker: Broker, client_id: str = "peer", **options: Any) -> Self:
        """Connect and see the CONNECT accepted."""
        peer, connack = await cls.try_connect(broker, client_id, **options)
        assert connack is not None
        assert connack.body[1] == 0, f"return code {connack.body[1]}"
        peer.session_present = bool(connack.body[0])
        return peer

    @classmethod
    async def try_connect(
        cls, broker: Broker, client_id: str = "peer", **options: Any
    ) -> tuple[Self, Packet | None]:
        """Send a CONNECT and give what came back."""
        peer = await cls.open(broker)
        peer.send(connect_packet(client_id, **options))
        return peer, await peer.receive()

    session_present = False

    def send(self, *packets: bytes) -> None:
        self.writer.write(b"".join(packets))

    async def receive(self) -> Packet | None:
        """Return the next packet, or None at the end of the stream."""
        return self._early.popleft() if self._early else await self._receive()

    async def _receive(self) -> Packet | None:
        async with asyncio.timeout(DEADLINE):
            try:
                head = await self.reader.readexactly(2)
                while remaining_length(head, 1) is None:
                    head += await self.reader.readexactly(1)
                length, _ = remaining_length(head, 1) or (0, 0)
                return Packet(head[0], await self.reader.readexactly(length))
            except (asyncio.IncompleteReadError, ConnectionError):
                return None

    async def expect(self, kind: int) -> Packet:
        """Return the next packet, which must be of this type."""
        got = await self.receive()
        assert got is not None, "connection closed"
        assert got.kind == kind, f"kind {got.kind} instead of {kind}"
        return got

    async def subscribe(self, *filters: tuple[str, int], packet_id: int = 1) -> list[int]:
        """Subscribe and give the SUBACK's codes; retained messages come behind it."""
        self.send(subscribe_packet(*filters, packet_id=packet_id))
        suback = await self.expect(9)
        assert suback.packet_id == packet_id
        return list(suback.body[2:])

    async def publish(self, topic: str, payload: bytes = b"", **options: Any) -> None:
        """Publish and take the whole acknowledgement."""
        self.send(publish_packet(topic, payload, **options))
        qos, packet_id = options.get("qos", 0), options.get("packet_id", 1)
        if qos == 1:
            await self._answer(4, packet_id)
        elif qos == 2:
            await self._answer(5, packet_id)
            self.send(ack(0x62, packet_id))
            await self._answer(7, packet_id)

    async def _answer(self, kind: int, packet_id: int) -> None:
        """Return this answer; messages before it are kept for `receive`."""
        while (got := await self._receive()) is not None and got.kind == 3:
            self._early.append(got)
        assert got is not None, "connection closed"
        assert (got.kind, got.packet_id) == (kind, packet_id)

    async def message(self) -> Packet:
        """Return the next PUBLISH, fully acknowledged."""
        got = await self.expect(3)
        if got.qos == 1:
            self.send(ack(0x40, got.packet_id))
        elif got.qos == 2:
            self.send(ack(0x50, got.packet_id))
            await self._answer(6, got.packet_id)
            self.send(ack(0x70, got.packet_id))
        return got

    async def nothing_more(self) -> None:
        """See that the broker has nothing else for us: a ping's answer is the next thing."""
        self.send(b"\xc0\0")
        await self.expect(13)

    async def closed(self) -> None:
        """See the connection closed, whatever came before."""
        while await self.receive() is not None:
            pass
        await self.drop()

    async def drop(self) -> None:
        """Cut the connection without DISCONNECT."""
        if self in OPENED:
            OPENED.remove(self)
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    async def disconnect(self) -> None:
        """Send DISCONNECT."""
        self.send(b"\xe0\0")
        await self.closed()


OPENED: list[Peer] = []
"""Peers that `running` closes at its end."""


class Watch(Observer):
    """Notes what happens, and lets a test wait for it."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self._changed = asyncio.Event()

    def _note(self, *what: Any) -> None:
        self.seen.append(what)
        self._changed.set()

    def connected(self, client: Any) -> None:
        self._note("connected", client.client_id)

    def disconnected(self, client: Any, reason: Any) -> None:
        self._note("disconnected", client.client_id, reason)

    def refused(self, _address: str, client_id: str, reason: Any) -> None:
        self._note("refused", client_id, reason)

    def denied_publish(self, client: Any, topic: str) -> None:
        self._note("denied_publish", client.client_id, topic)

    def denied_subscribe(self, client: Any, topic_filter: str) -> None:
        self._note("denied_subscribe", client.client_id, topic_filter)

    async def until(self, *what: Any) -> None:
        """Wait until this was seen."""
        async with asyncio.timeout(DEADLINE):
            while what not in self.seen:
                self._changed.clear()
                await self._changed.wait()
