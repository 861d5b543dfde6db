"""Delivery to a topic of a central broker: QoS 1, for sites without FHIR (MQTT 3.1.1, 4.3.2)."""

import asyncio
import contextlib
import hashlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from session_controller.delivery.causes import reason_of
from session_controller.delivery.outcomes import Delivered, Outcome, Reason, TryAgain
from session_controller.delivery.sender import Keep, Parcel
from session_controller.export.record import Record

_T = TypeVar("_T")
_CONNECT_S = 20.0
"""Time to connect, and then for the CONNACK."""
_TAKEN_S = 600.0
"""Time for a session to be sent over a slow line; keepalive detects a dead one."""
_KEEPALIVE_S = 30
_MOST_RECEIVED = 64 << 10
"""Bytes of one connection: a CONNACK, a PUBACK and a PINGRESP per keepalive have below 1 kB."""
Message = tuple[str, bytes]
"""A topic and a payload."""
PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Central:
    """A central broker, and the credentials to publish there."""

    url: str
    topic: str
    """May contain `{site}` and `{session}`."""
    client_id: str
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None


class MqttSender:
    """Publishes sessions on one topic, with one connection each: they are few and far between."""

    def __init__(self, central: Central, write: Callable[[Record], bytes]) -> None:
        self._central = central
        self._write = write

    async def send(self, parcel: Parcel, keep: Keep) -> Outcome:  # noqa: ARG002 - needs one step
        """Publish a session, and wait for the broker's acknowledgement."""
        content = await asyncio.to_thread(self._write, parcel.record)
        topic = self._central.topic.replace("{site}", parcel.site)
        topic = topic.replace("{session}", parcel.session)
        try:
            publishing = await asyncio.to_thread(Publishing, self._central)
        except (OSError, ValueError):
            return TryAgain(Reason.NO_SECRET)
        outcome = await publishing.run((topic, content))
        if isinstance(outcome, Delivered):
            return replace(outcome, sha256=hashlib.sha256(content).hexdigest())
        return outcome

    async def close(self) -> None:
        """Do nothing."""


class Publishing:
    """One connection for one message. Raises `OSError` if a file cannot be read."""

    def __init__(self, central: Central) -> None:
        url = urlsplit(central.url)
        self._host = url.hostname or ""
        self._port = url.port or PORTS[url.scheme]
        self._client = client = _Client(
            CallbackAPIVersion.VERSION2, client_id=central.client_id, protocol=mqtt.MQTTv311
        )
        if central.username is not None:
            secret = central.password_file.read_text().strip() if central.password_file else None
            client.username_pw_set(central.username, secret)
        if url.scheme == "mqtts":
            client.tls_set_context(_context(central.ca_file))
        client.connect_timeout = _CONNECT_S
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.on_socket_open = _no_delay

    async def run(
        self, message: Message | None, taken_s: float = _TAKEN_S, *, retain: bool = False
    ) -> Outcome:
        """Connect, publish, wait for the PUBACK, disconnect; without a message, only connect."""
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Outcome] = self._loop.create_future()
        self._sent: asyncio.Future[None] = self._loop.create_future()
        self._message, self._retain = message, retain
        connecting = asyncio.ensure_future(asyncio.to_thread(self._connect))
        try:
            await asyncio.shield(connecting)
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait((self._sent, self._ended), timeout=_CONNECT_S, return_when=first)
            async with asyncio.timeout(taken_s if self._sent.done() else 0):
                return await self._ended
        except OSError as error:
            silent = self._sent.done() and isinstance(error, TimeoutError)
            return TryAgain(Reason.NOT_ACKNOWLEDGED if silent else reason_of(error))
        finally:
            await asyncio.gather(connecting, return_exceptions=True)  # a thread cannot be cancelled
            await asyncio.to_thread(self._leave)

    def _connect(self) -> None:
        self._client.connect(self._host, self._port, _KEEPALIVE_S)
        self._client.loop_start()

    def _leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    # --- on paho's thread ------------------------------------------------------------------

    def _on_connect(self, _: Any, __: Any, ___: Any, code: Any, ____: Any) -> None:
        if code.is_failure:
            self._end(TryAgain(Reason.BROKER_REFUSES, answer={"body": str(code)}))
            return
        if self._message is None:
            self._end(Delivered())
            return
        self._in_loop(lambda: _resolve(self._sent, None))
        topic, content = self._message
        self._client.publish(topic, content, qos=1, retain=self._retain)

    def _on_publish(self, _: Any, __: Any, ___: Any, ____: Any, _____: Any) -> None:
        self._end(Delivered())

    def _on_disconnect(self, _: Any, __: Any, ___: Any, ____: Any, _____: Any) -> None:
        self._end(TryAgain(Reason.CUT))

    def _end(self, outcome: Outcome) -> None:
        self._in_loop(lambda: _resolve(self._ended, outcome))

    def _in_loop(self, turn: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: no one is waiting
            self._loop.call_soon_threadsafe(turn)


def _resolve(future: "asyncio.Future[_T]", value: _T) -> None:
    if not future.done():
        future.set_result(value)


class _Client(mqtt.Client):
    """Closes the connection to a broker that sends more than a delivery needs.

    paho collects a packet of up to 256 MiB in memory before anyone sees it.
    """

    _received = 0

    def _sock_recv(self, bufsize: int) -> bytes:
        data = super()._sock_recv(min(bufsize, _MOST_RECEIVED))
        self._received += len(data)
        if self._received > _MOST_RECEIVED:
            raise ConnectionAbortedError("the broker sends too much")
        return data


class _Socket(ssl.SSLSocket):
    """Closes itself if TLS fails: paho leaves that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.sslsocket_class = _Socket
    return context


def _no_delay(_: Any, __: Any, sock: Any) -> None:
    """Set TCP_NODELAY: with Nagle's algorithm, a PUBLISH and a PUBACK take 40 ms."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
