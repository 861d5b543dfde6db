"""A screen: one connection that sends commands and keeps the newest view of its session."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import socket
from collections.abc import Callable
from typing import Protocol, Self, cast

from . import wire

ROOT = "handrail/v1/main"
DEADLINE_S = 30.0
_REVISION = re.compile(rb'"revision": ?(\d+)')
_ACKNOWLEDGED = re.compile(rb'"acknowledged_seq": ?(\d+)')


class LoadError(Exception):
    """The server did something unexpected, such as a refusal or a closed connection."""


class View:
    """The newest view of a screen; only the parts that the job needs are parsed."""

    __slots__ = ("acknowledged", "payload", "revision")

    def __init__(self, payload: bytes = b'"revision":0,"acknowledged_seq":0') -> None:
        self.payload = payload
        self.revision = _number(_REVISION, payload)
        self.acknowledged = _number(_ACKNOWLEDGED, payload)


def _number(pattern: re.Pattern[bytes], payload: bytes) -> int:
    found = pattern.search(payload)
    if found is None:
        raise LoadError(f"not a view: {payload[:200]!r}")
    return int(found[1])


class Screen(asyncio.Protocol):
    """The common part of both kinds of screen."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.view = View()
        self.seq = 0
        self.on_view: Callable[[], None] | None = None
        self.failed: LoadError | None = None
        self._tail = b""
        self._news = asyncio.Event()
        self._closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Disable Nagle's algorithm."""
        self.transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, error: Exception | None) -> None:
        """Record a connection that the server closed."""
        if not self._closing:
            self.fail(f"the server closed a connection ({error})")

    def fail(self, why: str) -> None:
        """Fail the run with this error."""
        self.failed = self.failed or LoadError(why)
        self._news.set()
        if self.on_view:
            self.on_view()

    def show(self, payload: bytes) -> None:
        """Accept a view, unless it is older than the current one (a refusal ends the run)."""
        if b'"REJECTION"' in payload:
            self.fail(f"refused: {payload!r}")
            return
        view = View(payload)
        if (view.revision, view.acknowledged) >= (self.view.revision, self.view.acknowledged):
            self.view = view
        self._news.set()
        if self.on_view:
            self.on_view()

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until a condition holds for this screen."""
        async with asyncio.timeout(DEADLINE_S):
            while not holds():
                if self.failed:
                    raise self.failed
                self._news.clear()
                await self._news.wait()

    def send(self, command: bytes) -> None:
        """Send a command."""
        raise NotImplementedError

    def close(self) -> None:
        """End the connection."""
        self._closing = True
        self.transport.close()


class MqttScreen(Screen):
    """A screen that follows the protocol: presence, its own topics, QoS 1 everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.inbox: list[bytes] = []
        self._answers: set[int] = set()
        self._packet_id = 0
        self._commands = b""

    def data_received(self, data: bytes) -> None:
        """Parse the packets; acknowledge all of them in one write."""
        data = self._tail + data if self._tail else data
        acknowledgements, done, shown = bytearray(), 0, []
        for first, body, end in wire.mqtt_packets(data):
            done = end
            kind = first >> 4
            if kind == wire.PUBLISH:
                after = body + 2 + (data[body] << 8 | data[body + 1])
                topic = data[body + 2 : after]
                if first & 0x06:
                    acknowledgements += b"\x40\2" + data[after : after + 2]
                    after += 2
                shown.append((topic, data[after:end]))
            elif kind == wire.CONNACK and data[end - 1]:
                self.fail(f"connection refused (return code {data[end - 1]})")
            else:
                self._answers.add(kind)
                self._news.set()
        self._tail = data[done:]
        if acknowledgements:
            self.transport.write(bytes(acknowledgements))
        for topic, payload in shown:
            self._take(topic, payload)

    def _take(self, topic: bytes, payload: bytes) -> None:
        if b"/state/" in topic or b"/rejections/" in topic:
            self.show(payload)
        elif topic.endswith(b"/inbox"):
            self.inbox.append(payload)
            self._news.set()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish with QoS 1."""
        self._publish(wire.mqtt_text(topic), payload, retain=retain)

    def _publish(self, topic: bytes, payload: bytes, *, retain: bool = False) -> None:
        self._packet_id = self._packet_id % 65_535 + 1
        self.transport.write(wire.mqtt_publish(topic, self._packet_id, payload, retain=retain))

    def send(self, command: bytes) -> None:
        """Send a command on this screen's topic."""
        self._publish(self._commands, command)

    async def answer(self, kind: int) -> None:
        """Wait for a CONNACK or SUBACK."""
        await self.until(lambda: kind in self._answers)

    @classmethod
    async def open(cls, port: int, device: str, secret: str, connection: int = 1) -> Self:
        """Connect, with the presence as will."""
        loop = asyncio.get_running_loop()
        _, screen = await loop.create_connection(cls, "127.0.0.1", port)
        will = f"{ROOT}/devices/{device}/presence", _presence(connection, online=False)
        screen.transport.write(wire.mqtt_connect(device, secret, will))
        await screen.answer(wire.CONNACK)
        return screen

    async def join(self, device: str, session: str, more: tuple[str, ...] = ()) -> None:
        """Subscribe to the topics of a session's screen."""
        self._commands = wire.mqtt_text(f"{ROOT}/sessions/{session}/commands/{device}")
        filters = (
            f"{ROOT}/controller/status",
            f"{ROOT}/sessions/+/state/{device}",
            f"{ROOT}/sessions/+/rejections/{device}",
            *(f"{ROOT}/devices/{device}/{name}" for name in ("inbox", *more)),
        )
        self.transport.write(wire.mqtt_subscribe(*filters))

    def say_online(self, device: str, connection: int) -> None:
        """Publish the presence."""
        payload = _presence(connection, online=True)
        self.publish(f"{ROOT}/devices/{device}/presence", payload, retain=True)


def _presence(connection: int, *, online: bool) -> bytes:
    return b'{"v":1,"online":%s,"connection":%d}' % (b"true" if online else b"false", connection)


class WebSocketScreen(Screen):
    """A screen of the WebSocket peer: it receives a view on connect and after each change."""

    def __init__(self) -> None:
        super().__init__()
        self._upgraded = False

    def data_received(self, data: bytes) -> None:
        """Parse the frames."""
        data = self._tail + data if self._tail else data
        if not self._upgraded:
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self._tail = data
                return
            if b" 101 " not in head:
                self.fail(f"connection refused: {head[:80]!r}")
                return
            self._upgraded, data = True, rest
        done = 0
        for opcode, body, end in wire.frames(data):
            done = end
            if wire.is_text(opcode):
                self.show(data[body:end])
            elif wire.is_ping(opcode):
                self.transport.write(wire.pong(data[body:end]))
        self._tail = data[done:]

    def send(self, command: bytes) -> None:
        """Send a command."""
        self.transport.write(wire.frame(command))

    @classmethod
    async def open(cls, port: int, device: str, secret: str) -> Self:
        """Connect."""
        loop = asyncio.get_running_loop()
        _, screen = await loop.create_connection(cls, "127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET /?device={device}&secret={secret} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Connection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
        )
        screen.transport.write(request.encode())
        return screen


class Site(Protocol):
    """How the load reaches a server: address, secrets, transport."""

    async def screen(self, device: str, session: str, *, connection: int = 1) -> Screen:
        """Connect a device; return it once its view has arrived."""


class MqttSite:
    """Handrail, and the Mosquitto peer."""

    def __init__(self, port: int, secrets: dict[str, str], lobby: bool) -> None:
        self.port, self.secrets = port, secrets
        self._lobby = lobby

    async def screen(self, device: str, session: str, *, connection: int = 1) -> Screen:
        """Connect, subscribe and publish the presence, as the SDK does."""
        screen = await MqttScreen.open(self.port, device, self.secrets[device], connection)
        host = device.startswith("host")
        more = ("lobby",) if host and self._lobby else () if host else ("assignment",)
        await screen.join(device, session, more)
        screen.say_online(device, connection)
        await screen.until(lambda: screen.view.revision > 0)
        return screen


class WebSocketSite:
    """The WebSocket peer."""

    def __init__(self, port: int, secrets: dict[str, str]) -> None:
        self.port, self.secrets = port, secrets

    async def screen(self, device: str, session: str, *, connection: int = 1) -> Screen:
        """Connect; the server does the rest."""
        del session, connection
        screen = await WebSocketScreen.open(self.port, device, self.secrets[device])
        await screen.until(lambda: screen.view.revision > 0)
        return screen
