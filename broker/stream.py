"""MQTT on a bare stream: asyncio's protocol over TCP or TLS, with TCP_NODELAY."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, cast

from .connection import Connection

if TYPE_CHECKING:
    from .engine import Engine


class StreamProtocol(asyncio.Protocol):
    """Hands what the socket gave to a connection.

    Not a BufferedProtocol: what its buffer trick saves is not worth its trap. A buffer handed
    out as a bytearray is copied by asyncio's TLS, and payloads come out of the copy wrong.
    """

    __slots__ = ("_connection", "_engine", "_listener")

    def __init__(self, engine: Engine, listener: str) -> None:
        self._engine = engine
        self._listener = listener
        self._connection: Connection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin a connection."""
        stream = cast("asyncio.Transport", transport)
        no_delay(stream)
        tls = stream.get_extra_info("ssl_object")
        # 0: hear of every byte that waits; and uvloop then writes at once, not a turn later.
        # TLS layers count their own overhead, and are heard of at the limit itself.
        high = 0 if tls is None else self._engine.limits.output_bytes
        stream.set_write_buffer_limits(high=high)
        self._connection = Connection(
            self._engine,
            stream,
            listener=self._listener,
            address=peer_address(stream),
            certificate=(tls.getpeercert() or None) if tls is not None else None,
        )

    def data_received(self, data: bytes) -> None:
        """Pass on what came."""
        if self._connection is not None:
            self._connection.feed(data)

    def pause_writing(self) -> None:
        """Pass on that the client does not read."""
        if self._connection is not None:
            self._connection.output_waits()

    def resume_writing(self) -> None:
        """Pass on that the client reads again."""
        if self._connection is not None:
            self._connection.output_drained()

    def eof_received(self) -> bool:
        """Let the stream close: MQTT knows no half-open connection."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Pass on that the stream has ended."""
        del exc
        if self._connection is not None:
            self._connection.lost()
            self._connection = None


def no_delay(transport: asyncio.BaseTransport) -> None:
    """Switch Nagle's algorithm off: it holds small packets back for 40 ms."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def peer_address(transport: asyncio.BaseTransport) -> str:
    """Give the peer's IP address without its port."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else "unknown"
