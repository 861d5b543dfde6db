"""MQTT over TCP or TLS: an asyncio protocol, with TCP_NODELAY."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from broker.protocol.connection import Connection
from broker.protocol.dispatch import accept
from broker.protocol.engine import Engine


class StreamProtocol(asyncio.Protocol):
    """An asyncio protocol that passes received bytes to a connection.

    Not a BufferedProtocol: with a bytearray from `get_buffer`, asyncio's TLS corrupts payloads.
    """

    __slots__ = ("_connection", "_engine", "_listener")

    def __init__(self, engine: Engine, listener: str) -> None:
        self._engine = engine
        self._listener = listener
        self._connection: Connection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Create the connection."""
        stream = cast("asyncio.Transport", transport)
        no_delay(stream)
        tls = stream.get_extra_info("ssl_object")
        # 0: report any unread output; and uvloop then writes at once, not a turn later.
        # TLS counts its own overhead, so it reports at the output limit.
        high = 0 if tls is None else self._engine.limits.output_bytes
        stream.set_write_buffer_limits(high=high)
        self._connection = accept(
            self._engine,
            stream,
            listener=self._listener,
            address=peer_address(stream),
            certificate=(tls.getpeercert() or None) if tls is not None else None,
        )

    def data_received(self, data: bytes) -> None:
        """Pass received bytes to the connection."""
        if self._connection is not None:
            self._connection.feed(data)

    def pause_writing(self) -> None:
        """Report unread output to the connection."""
        if self._connection is not None:
            self._connection.output_waits()

    def resume_writing(self) -> None:
        """Report to the connection that the output was read."""
        if self._connection is not None:
            self._connection.output_drained()

    def eof_received(self) -> bool:
        """Close the transport: MQTT has no half-open connections."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end of the transport to the connection."""
        del exc
        if self._connection is not None:
            self._connection.lost()
            self._connection = None


def no_delay(transport: asyncio.BaseTransport) -> None:
    """Disable Nagle's algorithm, which delays small packets by 40 ms."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def peer_address(transport: asyncio.BaseTransport) -> str:
    """Return the IP address of the peer, without its port."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) and peer else "unknown"
