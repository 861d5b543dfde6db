"""The handler of each packet that a client may send (chapter 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from broker.packets.codec import PINGRESP, PacketType, decode_packet_id
from broker.packets.errors import Violation

from .connect import receive_connect
from .connection import Connection, Handler, Handlers
from .disconnect import handle_close, receive_disconnect
from .engine import Engine
from .publish import receive_publish, receive_pubrel
from .subscribe import receive_subscribe, receive_unsubscribe
from .transport import Transport


def _puback(connection: Connection, body: bytes) -> None:
    connection.require_session().receive_puback(decode_packet_id(body))


def _pubrec(connection: Connection, body: bytes) -> None:
    connection.require_session().receive_pubrec(decode_packet_id(body))


def _pubcomp(connection: Connection, body: bytes) -> None:
    connection.require_session().receive_pubcomp(decode_packet_id(body))


def _pingreq(connection: Connection, body: bytes) -> None:
    if body:
        raise Violation("3.12.1: PINGREQ must not have a body")
    connection.send(PINGRESP)


def _second_connect(_connection: Connection, _body: bytes) -> None:
    raise Violation("3.1.0-2: a second CONNECT")


AFTER_CONNECT: dict[int, Handler] = {
    PacketType.CONNECT << 4: _second_connect,
    PacketType.PUBACK << 4: _puback,
    PacketType.PUBREC << 4: _pubrec,
    PacketType.PUBREL << 4 | 2: receive_pubrel,
    PacketType.PUBCOMP << 4: _pubcomp,
    PacketType.SUBSCRIBE << 4 | 2: receive_subscribe,
    PacketType.UNSUBSCRIBE << 4 | 2: receive_unsubscribe,
    PacketType.PINGREQ << 4: _pingreq,
    PacketType.DISCONNECT << 4: receive_disconnect,
}
"""Handlers of packets after CONNECT, by the first byte, whose low bits are fixed (2.2.2-1).

A missing row is a violation. PUBLISH is not in the table: its low bits are flags.
"""


HANDLERS = Handlers(receive_connect, receive_publish, AFTER_CONNECT, handle_close)


def accept(
    engine: Engine,
    transport: Transport,
    *,
    listener: str,
    address: str,
    certificate: Mapping[str, Any] | None = None,
) -> Connection:
    """Return a new connection on a transport, which passes what it receives to `feed`."""
    return Connection(
        engine, transport, HANDLERS, listener=listener, address=address, certificate=certificate
    )
