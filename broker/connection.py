"""One network connection: bytes in, packets dispatched, bytes out in one write per loop turn.

It knows no socket: a transport gives it bytes through `feed` and takes them through `write`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from . import connecting, publishing
from .codec import Kind, remaining_length
from .dispatch import HANDLERS, check_first_byte
from .errors import Reason, Violation
from .gate import Postponed
from .logs import clean, logger, place
from .observer import Client
from .transport import Hold, Transport

if TYPE_CHECKING:
    from .engine import Engine
    from .publishing import Acknowledgement
    from .routing import Topic
    from .session import Session

FLUSH_BYTES = 64 << 10
"""Gathered output is handed to the transport at this size, even before the loop turn ends."""
CLOSE_SECONDS = 5.0
"""A peer that does not read its last bytes for so long is cut off."""
_PUBLISH = int(Kind.PUBLISH)


class Connection:
    """The state of one network connection and its packet loop."""

    __slots__ = (
        "_hold", "_needed", "_out", "_out_bytes", "_tail", "_timer", "address", "answers",
        "certificate", "claimed_id", "client", "closed", "congested", "engine", "keepalive",
        "last_heard", "listener", "publisher", "session", "stalled_at", "topics", "transport",
        "unread", "waiting", "will",
    )  # fmt: skip

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        *,
        listener: str,
        address: str,
        certificate: Mapping[str, Any] | None = None,
    ) -> None:
        self.engine = engine
        self.transport = transport
        self.listener = listener
        self.address = address
        self.certificate = certificate
        self.session: Session | None = None
        self.client: Client | None = None
        self.publisher = ("", "")
        self.claimed_id = ""
        self.will: connecting.Will | None = None
        self.keepalive = 0.0
        self.closed = False
        self.unread = False
        self.congested = False
        self.stalled_at: tuple[int, float] | None = None
        self.topics: dict[bytes, Topic] = {}
        self.answers: dict[tuple[str, str], bool] = {}
        self.waiting: deque[Acknowledgement] | None = None
        self.last_heard = engine.now()
        self._hold = 0
        self._needed = 0
        self._tail: bytearray | None = None
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        if not engine.enter(self):
            return
        self.set_timer(engine.limits.connect_seconds, connecting.too_late)

    # ---- bytes in

    def feed(self, data: bytes) -> None:
        """Take what the stream gave, and handle every packet that is whole."""
        if self.closed:
            return
        engine = self.engine
        self.last_heard = engine.now()
        engine.counters.bytes_received += len(data)
        tail = self._tail
        if tail is not None:
            tail += data
            if self._hold or len(tail) < self._needed:
                return
            data = bytes(tail)
            self._tail = None
        elif self._hold:
            self._tail = bytearray(data)
            return
        self._handle_packets(data)

    def _handle_packets(self, data: bytes) -> None:
        try:
            self._parse(data)
        except Violation as violation:
            self.violated(violation)
        except Exception as error:  # noqa: BLE001 - a bug must cost one connection, no more
            self.engine.counters.internal_errors += 1
            logger.error("internal error, connection closed: %s", place(error))
            self.close(Reason.INTERNAL_ERROR)

    def _parse(self, data: bytes) -> None:
        """Walk the packets in `data` (2.2); keep what is not whole."""
        position, end = 0, len(data)
        self._needed = 0
        while end - position > 1 and not self._hold and not self.closed:
            first, length, body = data[position], data[position + 1], position + 2
            if length > 0x7F:  # noqa: PLR2004 - more than one byte of length
                decoded = remaining_length(data, position + 1)
                if decoded is None:
                    check_first_byte(first, connected=self.session is not None)
                    break
                length, body = decoded
            stop = body + length
            if stop - position > self.engine.small_packet:
                self._check_size(stop - position)
            if stop > end:
                check_first_byte(first, connected=self.session is not None)
                self._needed = stop - position
                break
            try:
                if first >> 4 == _PUBLISH and self.session is not None:
                    publishing.receive_publish(self, data, position, body, stop)
                else:
                    self._dispatch(first, data[body:stop])
            except Postponed:  # handled again, from its first byte, when the answer is known
                self.hold(Hold.CHECK)
                break
            position = stop
        if position < end and not self.closed:
            self._tail = bytearray(data[position:])

    def _check_size(self, size: int) -> None:
        """Refuse at the header what would be too large to keep."""
        limits = self.engine.limits
        allowed = limits.connect_bytes if self.session is None else limits.packet_bytes
        if size > allowed:
            raise Violation("packet too large", Reason.TOO_LARGE)

    def _dispatch(self, first: int, body: bytes) -> None:
        handler = HANDLERS.get(first)
        if self.session is not None and handler is not None:
            handler(self, body)
            return
        check_first_byte(first, connected=self.session is not None)
        connecting.receive_connect(self, body)

    def require_session(self) -> Session:
        """Give the session of a connection that is known to have one."""
        if self.session is None:
            raise Violation("3.1.0-1: the first packet is CONNECT")
        return self.session

    def require_client(self) -> Client:
        """Give who this is, for a connection whose CONNECT was accepted."""
        if self.client is None:
            raise Violation("3.1.0-1: the first packet is CONNECT")
        return self.client

    # ---- reading on and off

    def hold(self, why: int) -> None:
        """Handle and read nothing more until `unhold`."""
        if not self._hold and not self.closed:
            self.transport.pause_reading()
        self._hold |= why

    def unhold(self, why: int) -> None:
        """Take one reason away; when it was the last, go on with what was read before."""
        if not self._hold & why:
            return
        self._hold &= ~why
        if not self._hold and not self.closed:
            # Not from here: the caller may stand in the middle of routing another's message.
            self.engine.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._hold or self.closed:
            return
        tail, self._tail = self._tail, None
        if tail:
            self._handle_packets(bytes(tail))
        if not self._hold and not self.closed:
            self.transport.resume_reading()

    @property
    def held(self) -> bool:
        """Say whether nothing is read for the moment."""
        return bool(self._hold)

    def hold_for_check(self) -> None:
        """Read nothing more until the CONNECT is decided.

        The check has a limit of its own; the timer is for one that ignores its cancellation.
        """
        self.set_timer(self.engine.limits.authentication_seconds + 1, connecting.too_late)
        self.hold(Hold.CHECK)

    def checked(self) -> None:
        """Read on: the CONNECT was accepted."""
        self.unhold(Hold.CHECK)

    def hold_for_stop(self) -> None:
        """Read nothing more at all."""
        self.hold(Hold.STOP)

    @property
    def busy(self) -> bool:
        """Say whether acknowledgements are deferred or output is unread."""
        unread = 0 if self.closed else self.transport.get_write_buffer_size()
        return bool(self.waiting or self._out or unread)

    def hold_for_host(self) -> None:
        """Read nothing more until the host program has settled what it deferred."""
        self.hold(Hold.HOST)

    def host_has_room(self) -> None:
        """Read on: the host program has settled some of what it deferred."""
        self.unhold(Hold.HOST)

    # ---- bytes out

    def send(self, packet: bytes, payload: bytes = b"") -> None:
        """Send a packet, in one or two pieces, with all others of this loop turn in one write."""
        if self.closed:
            return
        out = self._out
        if not out:
            self.engine.flush_soon(self)
        out.append(packet)
        if payload:
            out.append(payload)
        self._out_bytes += len(packet) + len(payload)
        if self._out_bytes > FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the transport."""
        out = self._out
        if not out:
            return
        self.engine.counters.bytes_sent += self._out_bytes
        self._out = []
        self._out_bytes = 0
        try:
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))
        except (OSError, RuntimeError):  # uvloop's way to say that the stream is gone already
            self.close_soon(Reason.CONNECTION_LOST)
        if self.unread:
            self._bound_output()

    def _bound_output(self) -> None:
        """Stop deliveries at the limit, and at twice the limit stop reading.

        For what grows after the first are answers to the client's own packets.
        """
        size, limit = self.transport.get_write_buffer_size(), self.engine.limits.output_bytes
        if size > limit and not self.congested:
            self.congested = True
            self.stalled_at = (size, self.engine.now())
            self.engine.congested.add(self)
        elif size > 2 * limit:
            self.hold(Hold.OUTPUT)

    def output_waits(self) -> None:
        """Watch the output's size from now on: the transport says that some is not read."""
        self.unread = True

    def output_drained(self) -> None:
        """Deliver again: the transport says that the output was read."""
        self.unread = False
        if not self.congested:
            return
        self.congested = False
        self.engine.congested.discard(self)
        self.unhold(Hold.OUTPUT)
        if self.session is not None and not self.closed:
            self.session.pump()

    def check_stalled(self) -> None:
        """Let go of a client that has read nothing of what waits for it for too long."""
        unread, now = self.transport.get_write_buffer_size(), self.engine.now()
        if self.stalled_at is None or unread < self.stalled_at[0]:
            self.stalled_at = (unread, now)
        elif now - self.stalled_at[1] > self.engine.limits.stalled_seconds:
            self.close(Reason.SLOW_CONSUMER)

    # ---- time

    def set_timer(self, seconds: float, call: Callable[[Connection], None]) -> None:
        """Replace the connection's one timer."""
        self.cancel_timer()
        self._timer = self.engine.loop.call_later(seconds, call, self)

    def cancel_timer(self) -> None:
        """Stop the connection's timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # ---- the end

    def violated(self, violation: Violation) -> None:
        """Close on a broken rule, at once (4.8.0-1)."""
        client_id = self.client.client_id if self.client else ""
        logger.info(
            "closing %s (client %s): %s", clean(self.address), clean(client_id), violation.rule
        )
        self.close(violation.reason)

    def close_soon(self, reason: Reason) -> None:
        """Close after the present call chain: for callers in the middle of routing."""
        self.engine.loop.call_soon(self.close, reason)

    def close(self, reason: Reason) -> None:
        """End the connection; the session's part of it and the will follow at once."""
        if self.closed:
            return
        at_once = self.congested or reason is Reason.CONNECTION_LOST
        if not at_once:
            self.flush()
        self.closed = True
        self.cancel_timer()
        self._tail = None
        self._out.clear()
        self.topics.clear()
        if at_once:
            self.transport.abort()
        else:
            self.transport.close()
            # close() waits for the peer to read what is left; a dead one never does.
            self._timer = self.engine.loop.call_later(CLOSE_SECONDS, self.transport.abort)
        self.engine.leave(self, reason)

    def lost(self) -> None:
        """Settle the rest: the transport says that the stream has ended, by whomever."""
        self.close(Reason.CONNECTION_LOST)
        self.cancel_timer()
        self.waiting = None
        self.engine.gone(self)
