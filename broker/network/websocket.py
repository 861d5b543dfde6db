"""MQTT over WebSocket (MQTT 3.1.1, chapter 6; RFC 6455), on the HTTP port of the web pages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import WebSocketError, WSCloseCode, WSMsgType, web
from aiohttp.http import WebSocketReader, WebSocketWriter

from broker.packets.errors import Violation
from broker.protocol.connection import Connection
from broker.protocol.dispatch import accept
from broker.protocol.engine import Engine
from broker.settings import SAME_ORIGIN

from .stream import no_delay

PATH = "/mqtt"
_SLACK = 5  # fixed header of the largest packet


class WebSocketTransport:
    """The transport of a connection over a WebSocket: one task sends what was written."""

    def __init__(self, socket: web.WebSocketResponse, request: web.Request, high: int) -> None:
        self._socket = socket
        self._request = request
        self._high = high
        self._chunks: list[bytes] = []
        self._size = 0
        self._some = asyncio.Event()
        self._readable = asyncio.Event()
        self._readable.set()
        self._closing = False
        self.connection: Connection | None = None

    def write(self, data: bytes) -> None:
        """Queue bytes to send."""
        self._chunks.append(data)
        self._size += len(data)
        self._some.set()
        if self.connection is not None and self._size > self._high:
            self.connection.output_waits()

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that are not sent yet."""
        return self._size

    def pause_reading(self) -> None:
        """Pause receiving."""
        self._readable.clear()

    def resume_reading(self) -> None:
        """Resume receiving."""
        self._readable.set()

    def close(self) -> None:
        """Close after everything queued was sent."""
        self._closing = True
        self._some.set()
        self._readable.set()

    def abort(self) -> None:
        """Close without sending the rest."""
        self.close()
        if self._request.transport is not None:
            self._request.transport.abort()

    async def readable(self) -> bool:
        """Wait until reading is allowed. Return False after closing."""
        await self._readable.wait()
        return not self._closing

    async def send_all(self) -> None:
        """Send what was queued, as one WebSocket message each time, until closed."""
        while True:
            await self._some.wait()
            self._some.clear()
            chunks, self._chunks = self._chunks, []
            if chunks:
                data = b"".join(chunks)
                await self._socket.send_bytes(data)
                self._size -= len(data)
                self._drained()
            elif self._closing:
                await self._socket.close()
                return
            if self._closing:
                self._some.set()

    def _drained(self) -> None:
        connection = self.connection
        if connection is not None and connection.unread and self._size * 4 <= self._high:
            connection.output_drained()


class _MaskedFrames:
    """Passes on what a client sends to aiohttp's parser, as long as each frame is masked.

    A server closes with 1002 upon a frame that is not (RFC 6455, 5.1); aiohttp accepts it.
    """

    def __init__(self, parser: WebSocketReader, end: Callable[[WebSocketError], object]) -> None:
        self._parser = parser
        self._end = end
        self._head = b""
        self._left = 0
        """Bytes of the frame begun that are still to come."""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Return whether the input has ended, as aiohttp's parser does."""
        if self._are_masked(data):
            return self._parser.feed_data(data)
        error = WebSocketError(WSCloseCode.PROTOCOL_ERROR, "RFC 6455, 5.1: frame is not masked")
        self._end(error)
        return True, b""

    def feed_eof(self) -> None:
        """Pass on that the connection was lost."""
        self._parser.feed_eof()

    def _are_masked(self, data: bytes) -> bool:
        data, at, self._head = self._head + data, self._left, b""
        while at < len(data):
            head = data[at : at + _HEAD_BYTES]
            if len(head) > 1 and not head[1] & _MASKED:
                return False
            size = _frame_size(head)
            if size is None:
                self._head, at = head, len(data)
            else:
                at += size
        self._left = at - len(data)
        return True


_MASKED = 0x80
_HEAD_BYTES = 10


def _frame_size(head: bytes) -> int | None:
    """Return the bytes of a masked frame, or None if its head is not complete (RFC 6455, 5.2)."""
    if len(head) < 2:  # noqa: PLR2004
        return None
    short = head[1] & ~_MASKED
    more = {126: 2, 127: 8}.get(short, 0)
    if len(head) < 2 + more:
        return None
    return 2 + more + 4 + (int.from_bytes(head[2 : 2 + more]) if more else short)


class _Socket(web.WebSocketResponse):
    """A WebSocket whose client must mask its frames."""

    def _post_start(
        self, request: web.BaseRequest, protocol: str | None, writer: WebSocketWriter
    ) -> None:
        handler = request.protocol
        early, handler._message_tail = handler._message_tail, b""  # noqa: SLF001
        super()._post_start(request, protocol, writer)
        queue = self._reader
        if queue is None:
            raise RuntimeError("aiohttp made no queue")
        frames = _MaskedFrames(handler._payload_parser, queue.set_exception)  # noqa: SLF001
        handler._payload_parser = frames  # noqa: SLF001
        if early:
            frames.feed_data(early)


async def serve_websocket(
    engine: Engine, request: web.Request, listener: str, origins: tuple[str, ...]
) -> web.StreamResponse:
    """Serve one MQTT connection over a WebSocket."""
    if not origin_allowed(request, origins):
        engine.reports.warn_once(
            peer_address_of(request), "WebSocket from a page of a forbidden origin"
        )
        return web.Response(status=403, text="Connections from this origin are not allowed.\n")
    socket = _Socket(
        protocols=("mqtt",), max_msg_size=engine.limits.packet_bytes + _SLACK, compress=False
    )
    # 6.0.0-3: the client must offer the subprotocol "mqtt".
    if socket.can_prepare(request).protocol != "mqtt":
        return web.Response(
            status=400, text="This endpoint requires WebSocket with subprotocol mqtt.\n"
        )
    await socket.prepare(request)
    if request.transport is not None:
        no_delay(request.transport)
    await _run(engine, socket, request, listener)
    return socket


async def _run(
    engine: Engine, socket: web.WebSocketResponse, request: web.Request, listener: str
) -> None:
    transport = WebSocketTransport(socket, request, engine.limits.output_bytes)
    connection = transport.connection = accept(
        engine,
        transport,
        listener=listener,
        address=peer_address_of(request),
        certificate=_certificate(request),
    )
    sender = asyncio.create_task(transport.send_all())
    try:
        await _receive(socket, transport, connection)
        if (
            connection.closed
        ):  # by the broker: the last packets are still to be sent; abort() bounds this
            await asyncio.wait([sender])
    finally:
        connection.lost()
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)


async def _receive(
    socket: web.WebSocketResponse, transport: WebSocketTransport, connection: Connection
) -> None:
    """Feed messages until the end. aiohttp delivers whole messages only."""
    while await transport.readable():
        message = await socket.receive()
        if message.type is WSMsgType.BINARY:
            connection.feed(message.data)
        elif message.type is WSMsgType.TEXT:
            connection.violated(Violation("6.0.0-1: MQTT requires binary frames"))
        else:
            return


def origin_allowed(request: web.Request, origins: tuple[str, ...]) -> bool:
    """Return whether the Origin may connect. A client without Origin is not a page."""
    origin = request.headers.get("Origin")
    if origin is None or "*" in origins or origin in origins:
        return True
    same = urlsplit(origin).netloc == request.host and urlsplit(origin).scheme == request.scheme
    return same and SAME_ORIGIN in origins


def peer_address_of(request: web.Request) -> str:
    """Return the IP address of the peer, or the one that a trusted proxy names."""
    return request.remote or "unknown"


def _certificate(request: web.Request) -> dict[str, Any] | None:
    tls = request.transport.get_extra_info("ssl_object") if request.transport else None
    return (tls.getpeercert() or None) if tls is not None else None
