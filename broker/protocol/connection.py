"""A network connection: parses packets, dispatches them, and writes once per event loop turn.

It knows no socket: a transport passes bytes to `feed` and accepts them in `write`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from broker.monitoring.logs import clean, logger, traceback_location
from broker.monitoring.observer import Client
from broker.packets.codec import PacketType, Will, remaining_length
from broker.packets.errors import Reason, Violation
from broker.packets.message import Acknowledgement
from broker.routing.router import Topic

from .engine import Engine
from .plugins import Postponed
from .session import Session
from .transport import Hold, Transport

FLUSH_BYTES = 64 << 10
"""Output of this size is written even before the end of the loop turn."""
CLOSE_SECONDS = 5.0
"""A peer that does not read its last bytes within this time is aborted."""
_PUBLISH = int(PacketType.PUBLISH)


@dataclass(frozen=True, slots=True)
class Handlers:
    """The functions that a connection calls; see `dispatch`. It imports none of them."""

    connect: Handler
    """Handles the first packet."""
    publish: Callable[[Connection, bytes, int, int, int], None]
    """Handles a PUBLISH in a buffer: start of the packet, start of its body, end."""
    after_connect: Mapping[int, Handler]
    """Handlers of all other packets that a client may send, by their first byte."""
    closed: Callable[[Connection, Reason], None]
    """Called once, when the connection is closed."""


class Connection:
    """The state of one network connection, and its packet loop."""

    __slots__ = (
        "_handlers", "_hold", "_needed", "_out", "_out_bytes", "_tail", "_timer", "address",
        "answers", "certificate", "claimed_id", "client", "closed", "congested", "engine",
        "keepalive", "last_heard", "listener", "publisher", "session", "stalled_at", "topics",
        "transport", "unread", "waiting", "will",
    )  # fmt: skip

    def __init__(
        self,
        engine: Engine,
        transport: Transport,
        handlers: Handlers,
        *,
        listener: str,
        address: str,
        certificate: Mapping[str, Any] | None = None,
    ) -> None:
        self.engine = engine
        self.transport = transport
        self._handlers = handlers
        self.listener = listener
        self.address = address
        self.certificate = certificate
        self.session: Session | None = None
        self.client: Client | None = None
        self.publisher = ("", "")
        self.claimed_id = ""
        self.will: Will | None = None
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
        if engine.add_connection(self):
            self.set_timer(engine.limits.connect_seconds, Connection.connect_timed_out)
        else:
            self.close(Reason.TOO_MANY_CONNECTIONS)

    # ---- bytes in

    def feed(self, data: bytes) -> None:
        """Handle the packets in received bytes; store an incomplete one."""
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
        except Exception as error:  # noqa: BLE001 - a bug must not affect other connections
            self.engine.counters.internal_errors += 1
            logger.error("internal error, connection closed: %s", traceback_location(error))
            self.close(Reason.INTERNAL_ERROR)

    def _parse(self, data: bytes) -> None:
        """Handle the packets in `data` (2.2); store what is incomplete."""
        position, end = 0, len(data)
        self._needed = 0
        while end - position > 1 and not self._hold and not self.closed:
            first, length, body = data[position], data[position + 1], position + 2
            if length > 0x7F:  # noqa: PLR2004 - more than one byte of length
                decoded = remaining_length(data, position + 1)
                if decoded is None:
                    self._check_first_byte(first)
                    break
                length, body = decoded
            stop = body + length
            if stop - position > self.engine.small_packet:
                self._check_size(stop - position)
            if stop > end:
                self._check_first_byte(first)
                self._needed = stop - position
                break
            try:
                if first >> 4 == _PUBLISH and self.session is not None:
                    self._handlers.publish(self, data, position, body, stop)
                else:
                    self._dispatch(first, data[body:stop])
            except Postponed:  # handled again from its first byte after `unhold`
                self.hold(Hold.CHECK)
                break
            position = stop
        if position < end and not self.closed:
            self._tail = bytearray(data[position:])

    def _check_size(self, size: int) -> None:
        """Raise Violation for a packet that is too large, when its header is read."""
        limits = self.engine.limits
        allowed = limits.connect_bytes if self.session is None else limits.packet_bytes
        if size > allowed:
            raise Violation("packet too large", Reason.TOO_LARGE)

    def _dispatch(self, first: int, body: bytes) -> None:
        handler = self._handlers.after_connect.get(first)
        if self.session is not None and handler is not None:
            handler(self, body)
            return
        self._check_first_byte(first)
        self._handlers.connect(self, body)

    def _check_first_byte(self, first: int) -> None:
        """Raise Violation for a byte that cannot begin a packet in this state."""
        if self.session is None:
            if first != PacketType.CONNECT << 4:
                raise Violation("3.1.0-1: the first packet must be CONNECT")
        elif first >> 4 == PacketType.PUBLISH:
            if first & 0x06 == 0x06:  # noqa: PLR2004 - both QoS bits
                raise Violation("3.3.1-4: QoS 3")
        elif first not in self._handlers.after_connect:
            raise Violation("2.2.2-2: invalid flags, or not a packet of a client")

    def require_session(self) -> Session:
        """Return the session. Raises Violation before CONNECT was accepted."""
        if self.session is None:
            raise Violation("3.1.0-1: the first packet must be CONNECT")
        return self.session

    def require_client(self) -> Client:
        """Return the client. Raises Violation before CONNECT was accepted."""
        if self.client is None:
            raise Violation("3.1.0-1: the first packet must be CONNECT")
        return self.client

    # ---- pausing and resuming

    def hold(self, why: int) -> None:
        """Pause reading and handling of packets for a reason (see `Hold`)."""
        if not self._hold and not self.closed:
            self.transport.pause_reading()
        self._hold |= why

    def unhold(self, why: int) -> None:
        """Remove a reason; after the last, resume with the bytes received before."""
        if not self._hold & why:
            return
        self._hold &= ~why
        if not self._hold and not self.closed:
            # Deferred: the caller may be in the middle of routing another message.
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
        """Whether reading is paused."""
        return bool(self._hold)

    @property
    def busy(self) -> bool:
        """Whether acknowledgements are deferred or output is unread."""
        unread = 0 if self.closed else self.transport.get_write_buffer_size()
        return bool(self.waiting or self._out or unread)

    # ---- deferred acknowledgements

    def queue_acknowledgement(self, acknowledgement: Acknowledgement) -> None:
        """Queue an acknowledgement behind earlier ones (4.6.0-2)."""
        if self.waiting is None:
            self.waiting = deque()
        acknowledgement.queued()
        self.waiting.append(acknowledgement)
        if len(self.waiting) >= self.engine.limits.deferred:
            self.hold(Hold.HOST)

    def send_ready(self) -> None:
        """Send the acknowledgements at the front of the queue that are ready."""
        waiting = self.waiting
        if not waiting:
            return
        while waiting and waiting[0].ready:
            self.send(waiting.popleft().packet)
        if 2 * len(waiting) <= self.engine.limits.deferred:
            self.unhold(Hold.HOST)
        if not waiting:
            self.waiting = None  # a deque is large, and most connections are silent

    # ---- bytes out

    def send(self, packet: bytes, payload: bytes = b"") -> None:
        """Send a packet, in one or two parts, together with all others of this loop turn."""
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
        """Write the pending output to the transport."""
        out = self._out
        if not out:
            return
        self.engine.counters.bytes_sent += self._out_bytes
        self._out = []
        self._out_bytes = 0
        try:
            self.transport.write(out[0] if len(out) == 1 else b"".join(out))
        except (OSError, RuntimeError):  # uvloop: the transport is closed
            self.close_soon(Reason.CONNECTION_LOST)
        if self.unread:
            self._bound_output()

    def _bound_output(self) -> None:
        """Stop deliveries at the output limit, and reading at twice the limit.

        Beyond the first, only answers to the client's own packets add output.
        """
        size, limit = self.transport.get_write_buffer_size(), self.engine.limits.output_bytes
        if size > limit and not self.congested:
            self.congested = True
            self.stalled_at = (size, self.engine.now())
            self.engine.congested.add(self)
        elif size > 2 * limit:
            self.hold(Hold.OUTPUT)

    def output_waits(self) -> None:
        """Monitor the output size: the transport reports unread output."""
        self.unread = True

    def output_drained(self) -> None:
        """Resume deliveries: the transport reports that the output was read."""
        self.unread = False
        if not self.congested:
            return
        self.congested = False
        self.engine.congested.discard(self)
        self.unhold(Hold.OUTPUT)
        if self.session is not None and not self.closed:
            self.session.send_queued()

    def check_stalled(self) -> None:
        """Close the connection if the client has read none of its output for too long."""
        unread, now = self.transport.get_write_buffer_size(), self.engine.now()
        if self.stalled_at is None or unread < self.stalled_at[0]:
            self.stalled_at = (unread, now)
        elif now - self.stalled_at[1] > self.engine.limits.stalled_seconds:
            self.close(Reason.SLOW_CONSUMER)

    # ---- time

    def set_timer(self, seconds: float, call: Callable[[Connection], None]) -> None:
        """Replace the timer of the connection."""
        self.cancel_timer()
        self._timer = self.engine.loop.call_later(seconds, call, self)

    def cancel_timer(self) -> None:
        """Cancel the timer of the connection."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def connect_timed_out(self) -> None:
        """Close the connection: CONNECT was not complete, or not decided, in time."""
        self.close(Reason.CONNECT_TIMEOUT)

    def clear_topics(self) -> None:
        """Clear the cached topics after a change of the rules."""
        self.topics.clear()

    # ---- closing

    def violated(self, violation: Violation) -> None:
        """Close the connection at once because of a violation (4.8.0-1)."""
        client_id = self.client.client_id if self.client else ""
        logger.debug(
            "closing %s (client %s): %s", clean(self.address), clean(client_id), violation.rule
        )
        self.close(violation.reason)

    def close_soon(self, reason: Reason) -> None:
        """Close in the next turn of the event loop; for callers in the middle of routing."""
        self.engine.loop.call_soon(self.close, reason)

    def close(self, reason: Reason) -> None:
        """Close the connection, detach its session and publish its will."""
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
            # close() waits for the peer to read the rest, which a dead one never does.
            self._timer = self.engine.loop.call_later(CLOSE_SECONDS, self.transport.abort)
        self.engine.congested.discard(self)
        self._handlers.closed(self, reason)

    def abort(self) -> None:
        """Close the transport without sending the remaining output."""
        self.transport.abort()

    def lost(self) -> None:
        """Handle the end of the transport, whichever side closed it."""
        self.close(Reason.CONNECTION_LOST)
        self.cancel_timer()
        self.waiting = None
        self.engine.remove_connection(self)


Handler = Callable[[Connection, bytes], None]
"""Handler of one packet, called with its body."""
