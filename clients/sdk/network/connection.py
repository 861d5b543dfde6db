"""One MQTT connection over paho-mqtt, from CONNECT to its end; never reused.

Each connection is a new paho client, so paho resends nothing from an old one: the outbox decides
what is resent, and in which order.
"""

import os
import socket
import ssl
from asyncio import TimerHandle
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from clients.sdk.address import Address
from clients.sdk.network.loop import NetworkLoop, report

QOS = 1
_ANSWER_WITHIN = 10.0
"""Seconds from TCP connect to CONNACK and SUBACK before the attempt counts as failed."""
_CONNECT_WITHIN = 30.0
"""Seconds for name lookup, TCP and TLS, including the wait for a free connecting thread."""
_FAILURE = 0x80
_TICK = 1.0


@dataclass(frozen=True, slots=True)
class Login:
    """A client's identification to the broker."""

    client_id: str
    username: str
    password: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """A publication: topic, payload, and whether it is retained."""

    topic: str
    payload: bytes = field(repr=False)
    retain: bool = False


class Events(Protocol):
    """Callbacks of a connection; always called in the loop's thread."""

    def opened(self) -> None:
        """Handle CONNACK with all subscriptions granted."""

    def received(self, message: Message) -> None:
        """Handle a message."""

    def ended(self, reason: str, *, refused: bool) -> None:
        """Handle the end of the connection, once; `refused`: the broker refused the credential."""


class Connection:
    """A connection: opening, open or ended. Used in the loop's thread only."""

    def __init__(
        self,
        loop: NetworkLoop,
        address: Address,
        login: Login,
        events: Events,
        *,
        filters: Iterable[str],
        will: Message | None,
        keepalive: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._loop = loop
        self._address = address
        self._events = events
        self._filters = tuple(filters)
        self._keepalive = keepalive
        self._paho = _build(address, login, will, tls)
        self._descriptor: int | None = None
        self._socket: Any = None
        self._acknowledged: dict[int, Callable[[], None]] = {}
        self._refused = False
        self._reason = "the connection was lost"
        self._over = False
        self._timers: dict[str, TimerHandle] = {}
        self._listen()

    def _listen(self) -> None:
        self._paho.on_socket_open = lambda _c, _u, sock: self._socket_opened(sock)
        self._paho.on_socket_close = lambda *_: self._forget_socket()
        self._paho.on_socket_register_write = lambda *_: self._loop.run(self._want_write)
        self._paho.on_socket_unregister_write = lambda *_: self._loop.run(self._no_write)
        self._paho.on_connect = lambda _c, _u, _f, code, _p: self._answered(code)
        self._paho.on_subscribe = lambda _c, _u, _m, codes, _p: self._subscribed(codes)
        self._paho.on_publish = lambda _c, _u, mid, _r, _p: self._published(mid)
        self._paho.on_message = lambda _c, _u, message: self._arrived(message)
        self._paho.on_disconnect = lambda *_: self._loop.soon(self._end)

    # Opening

    def open(self) -> None:
        """Start connecting; the outcome is reported to `events`."""
        self._timers["deadline"] = self._loop.later(_CONNECT_WITHIN, self._too_late)
        self._loop.blocking(self._connect, self._connected)

    def _connect(self) -> MQTTErrorCode:
        return self._paho.connect(self._address.host, self._address.port, self._keepalive)

    def _connected(self, outcome: Future[MQTTErrorCode]) -> None:
        error = None if outcome.cancelled() else outcome.exception()
        if self._over:
            self._close_socket()
        elif outcome.cancelled() or error is not None:
            self._end(f"cannot connect: {type(error).__name__}: {error}")

    def _socket_opened(self, sock: Any) -> None:
        """Disable Nagle's algorithm and watch the socket (not yet in the loop's thread)."""
        # Through a duplicate descriptor, since paho's WebSocket has no setsockopt. Nagle's
        # algorithm would wait for the peer's delayed ACK: 44 ms instead of 1 ms for a command.
        with socket.socket(fileno=os.dup(sock.fileno())) as twin:
            twin.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._loop.run(self._watch, sock)

    def _watch(self, sock: Any) -> None:
        if self._over:
            sock.close()
            return
        self._socket = sock
        self._descriptor = sock.fileno()
        self._loop.watch_reading(sock.fileno(), self._readable)
        self._timers["deadline"].cancel()
        self._timers["deadline"] = self._loop.later(_ANSWER_WITHIN, self._too_late)
        self._tick()

    def _answered(self, code: Any) -> None:
        if code.is_failure:
            # 3.1.1, 3.2.2.3: 4 and 5, bad user name or password, and not authorized.
            self._refused = str(code) in ("Bad user name or password", "Not authorized")
            self._reason = f"the broker refused the connection: {code}"
        elif self._filters:
            self._paho.subscribe([(wanted, QOS) for wanted in self._filters])
        else:
            self._opened()

    def _subscribed(self, codes: list[Any]) -> None:
        if any(code.value >= _FAILURE for code in codes):
            self._refused = True
            self._end("the broker refused a subscription")
        elif "deadline" in self._timers:
            self._opened()

    def _opened(self) -> None:
        self._timers.pop("deadline").cancel()
        self._events.opened()

    def _too_late(self) -> None:
        self._end("the broker did not answer in time")

    # While it is open

    def publish(self, message: Message, done: Callable[[], None] | None = None) -> None:
        """Send with QoS 1; `done` is called when the broker has acknowledged it, if ever."""
        info = self._paho.publish(message.topic, message.payload, QOS, message.retain)
        if done is not None:
            self._acknowledged[info.mid] = done

    def subscribe(self, wanted: str) -> None:
        """Subscribe to one more filter."""
        self._paho.subscribe(wanted, QOS)

    def unsubscribe(self, wanted: str) -> None:
        """Unsubscribe from a filter."""
        self._paho.unsubscribe(wanted)

    def _published(self, mid: int) -> None:
        done = self._acknowledged.pop(mid, None)
        if done is not None:
            done()

    def _arrived(self, message: paho.MQTTMessage) -> None:
        try:
            self._events.received(Message(message.topic, bytes(message.payload), message.retain))
        except Exception as error:  # noqa: BLE001 - a listener's fault must not cost the PUBACK
            report(error)

    def _tick(self) -> None:
        """Send keepalives, and detect a silent peer."""
        if not self._over:
            self._paho.loop_misc()
            self._timers["tick"] = self._loop.later(_TICK, self._tick)

    # The socket

    def _readable(self) -> None:
        self._paho.loop_read()
        # TLS may hold decrypted bytes for which the descriptor is no longer readable.
        pending = getattr(self._socket, "pending", None)
        while pending is not None and self._descriptor is not None and pending():
            self._paho.loop_read()

    def _writable(self) -> None:
        self._paho.loop_write()

    def _want_write(self) -> None:
        if self._descriptor is not None:
            self._loop.watch_writing(self._descriptor, self._writable)

    def _no_write(self) -> None:
        if self._descriptor is not None:
            self._loop.unwatch_writing(self._descriptor)

    def _forget_socket(self) -> None:
        if self._descriptor is not None:
            self._loop.unwatch(self._descriptor)
            self._descriptor = None

    def _close_socket(self) -> None:
        self._forget_socket()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    # The end

    def disconnect(self) -> None:
        """Send DISCONNECT: the broker then discards the will."""
        self._paho.disconnect()

    def drop(self, reason: str = "dropped") -> None:
        """Close without DISCONNECT, as an unplugged cable would: the broker publishes the will."""
        self._end(reason)

    def _end(self, reason: str | None = None) -> None:
        if self._over:
            return
        self._over = True
        for timer in self._timers.values():
            timer.cancel()
        self._close_socket()
        self._acknowledged.clear()
        self._events.ended(reason or self._reason, refused=self._refused)


def _build(
    address: Address, login: Login, will: Message | None, tls: ssl.SSLContext | None
) -> paho.Client:
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=login.client_id,
        clean_session=True,
        protocol=paho.MQTTv311,
        transport=address.transport,
        reconnect_on_failure=False,
    )
    # Our own windows limit what is in flight; paho must not queue anything.
    client.max_inflight_messages_set(1000)
    client.username_pw_set(login.username, login.password)
    if address.tls:
        client.tls_set_context(tls or ssl.create_default_context())
    if address.transport == "websockets":
        client.ws_set_options(path=address.path, headers=_without_origin)
    if will is not None:
        client.will_set(will.topic, will.payload, QOS, will.retain)
    return client


def _without_origin(headers: dict[str, str]) -> dict[str, str]:
    """Remove the Origin header (RFC 6454, 7): paho invents one, which is wrong behind a proxy."""
    return {name: value for name, value in headers.items() if name != "Origin"}
