"""Which packets a client may send after its CONNECT, and who handles each (chapter 3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from . import publishing, subscribing
from .codec import PINGRESP, Kind, decode_packet_id
from .errors import Reason, Violation

if TYPE_CHECKING:
    from .connection import Connection


def _puback(connection: Connection, body: bytes) -> None:
    connection.require_session().acknowledged(decode_packet_id(body))


def _pubrec(connection: Connection, body: bytes) -> None:
    connection.require_session().received(decode_packet_id(body))


def _pubcomp(connection: Connection, body: bytes) -> None:
    connection.require_session().completed(decode_packet_id(body))


def _pingreq(connection: Connection, body: bytes) -> None:
    if body:
        raise Violation("3.12.1: PINGREQ has no body")
    connection.send(PINGRESP)


def _disconnect(connection: Connection, body: bytes) -> None:
    if body:
        raise Violation("3.14.1: DISCONNECT has no body")
    connection.will = None  # 3.14.4-3
    connection.close(Reason.DISCONNECT)


def _second_connect(_connection: Connection, _body: bytes) -> None:
    raise Violation("3.1.0-2: a second CONNECT")


HANDLERS: dict[int, Callable[[Connection, bytes], None]] = {
    Kind.CONNECT << 4: _second_connect,
    Kind.PUBACK << 4: _puback,
    Kind.PUBREC << 4: _pubrec,
    Kind.PUBREL << 4 | 2: publishing.receive_pubrel,
    Kind.PUBCOMP << 4: _pubcomp,
    Kind.SUBSCRIBE << 4 | 2: subscribing.receive_subscribe,
    Kind.UNSUBSCRIBE << 4 | 2: subscribing.receive_unsubscribe,
    Kind.PINGREQ << 4: _pingreq,
    Kind.DISCONNECT << 4: _disconnect,
}
"""What a client may send after CONNECT, by the first byte, whose low bits are fixed (2.2.2-1).

A missing row is a violation. PUBLISH, whose low bits are flags, has its own way.
"""


def check_first_byte(first: int, *, connected: bool) -> None:
    """Raise Violation for what cannot begin a packet now, however it goes on."""
    if not connected:
        if first != Kind.CONNECT << 4:
            raise Violation("3.1.0-1: the first packet is CONNECT")
    elif first >> 4 == Kind.PUBLISH:
        if first & 0x06 == 0x06:  # noqa: PLR2004 - both QoS bits
            raise Violation("3.3.1-4: QoS 3")
    elif first not in HANDLERS:
        raise Violation("2.2.2-2: flags of the fixed header, or a packet no client sends")
