"""A link to a broker that is not embedded: paho-mqtt with a persistent session.

Messages are acknowledged after the commit: the broker redelivers what the controller had not stored
when it died (MQTT 3.1.1, 4.4).
"""

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from session_controller.errors import BrokerUrlError
from session_controller.transport.link import Connected, Message, Receive, Testament

_log = logging.getLogger(__name__)
_WINDOW = 20
_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class BrokerUrl:
    """Address and credentials of a broker."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None

    @classmethod
    def parse(cls, url: str) -> "BrokerUrl":
        """Parse `mqtt[s]://[user:password@]host[:port]`."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:  # its text may repeat a part of the password
            raise BrokerUrlError(
                "a broker's address must be like mqtts://user:password@host:8883, with special "
                "characters of the password as %XX"
            ) from None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise BrokerUrlError(
                "a broker's address must be like mqtt://host:1883 or mqtts://host:8883"
            )
        return cls(
            host=parts.hostname,
            port=port or _PORTS[parts.scheme],
            tls=parts.scheme == "mqtts",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


class MqttLink:
    """A link over MQTT 3.1.1 to any broker."""

    volatile = False

    def __init__(self, url: BrokerUrl, user: str, *, keepalive_s: int = 15) -> None:
        self._url = url
        self._keepalive_s = keepalive_s
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=user,
            clean_session=False,
            protocol=mqtt.MQTTv311,
            manual_ack=True,
        )
        self._client.username_pw_set(url.username or user, url.password)
        if url.tls:
            self._client.tls_set_context(_tls_context(os.environ))
        self._client.max_inflight_messages_set(_WINDOW)
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message
        self._client.on_disconnect = self._on_disconnect
        self._client.on_socket_open = _no_delay
        self._filters: Sequence[str] = ()
        self._testament: Testament | None = None
        self._online = False
        self._generation = 0
        """Counts connections: packet ids are only valid within one (MQTT 3.1.1, 2.3.1)."""

    @property
    def connected(self) -> bool:
        """Whether it is connected and subscribed."""
        return self._online

    async def open(
        self,
        filters: Sequence[str],
        testament: Testament,
        receive: Receive,
        connected: Connected,
    ) -> None:
        """Connect, retrying until the broker is there."""
        self._loop = asyncio.get_running_loop()
        self._filters, self._testament = filters, testament
        self._receive, self._connected = receive, connected
        self._client.will_set(testament.topic, testament.payload, qos=1, retain=True)
        self._client.connect_async(self._url.host, self._url.port, self._keepalive_s)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1; dropped while disconnected: all is republished on reconnect."""
        if self._online:
            self._client.publish(topic, payload, qos=1, retain=retain)

    def drop(self, client_id: str) -> None:
        """Do nothing: MQTT cannot close another client's connection."""

    def last_heard(self, client_id: str) -> None:
        """Return None: MQTT does not say where another client is."""

    async def close(self, *, silently: bool = False) -> None:
        """Publish the testament, unless `silently`, and disconnect.

        The broker keeps the session.
        """
        if self._testament and self._online and not silently:
            info = self._client.publish(
                self._testament.topic, self._testament.payload, qos=1, retain=True
            )
            await asyncio.to_thread(info.wait_for_publish, 5)
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    # --- on paho's thread ------------------------------------------------------------------

    def _on_connect(self, _: Any, __: Any, ___: Any, code: Any, ____: Any) -> None:
        if code.is_failure:
            _log.error(
                "the broker refused the controller's connection: %s; check its user and password",
                code,
            )
            return
        self._generation += 1
        self._client.subscribe([(topic_filter, 1) for topic_filter in self._filters])

    def _on_subscribe(self, _: Any, __: Any, ___: Any, codes: Sequence[Any], ____: Any) -> None:
        for topic_filter, code in zip(self._filters, codes, strict=False):
            if code.is_failure:
                _log.error(
                    "the broker refused the subscription to %s; check its access rules",
                    topic_filter,
                )
        self._online = True
        self._loop.call_soon_threadsafe(self._connected)

    def _on_message(self, _: Any, __: Any, message: mqtt.MQTTMessage) -> None:
        mid, qos, generation = message.mid, message.qos, self._generation

        def done() -> None:
            if generation == self._generation:
                self._client.ack(mid, qos)

        def give_back() -> None:
            if generation == self._generation:
                self._reconnect()

        received = Message(
            message.topic, bytes(message.payload), qos, done, message.retain, give_back
        )
        self._loop.call_soon_threadsafe(self._receive, received)

    def _reconnect(self) -> None:
        """Close the socket; paho reconnects, and the broker redelivers."""
        sock = cast("socket.socket | None", self._client.socket())
        if sock is not None:
            with suppress(OSError):  # already closed
                sock.shutdown(socket.SHUT_RDWR)

    def _on_disconnect(self, _: Any, __: Any, ___: Any, code: Any, ____: Any) -> None:
        self._online = False
        if code.is_failure:
            _log.warning("lost the connection to the broker: %s; reconnecting", code)


def _tls_context(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Trust the CAs of this machine, and those in the file `HANDRAIL_CA`."""
    context = ssl.create_default_context()
    if file := environment.get("HANDRAIL_CA"):
        try:
            context.load_verify_locations(file)
        except OSError:
            raise BrokerUrlError(f"HANDRAIL_CA names {file}, which cannot be used") from None
    return context


def _no_delay(_: Any, __: Any, sock: Any) -> None:
    """Set TCP_NODELAY: with Nagle's algorithm, a PUBLISH and a PUBACK take 40 ms."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
