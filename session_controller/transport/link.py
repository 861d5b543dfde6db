"""The service's link to a broker: in process to the embedded broker, or MQTT to any other."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol


def _nothing() -> None:
    """Acknowledge nothing: for messages that need no acknowledgement."""


class Message(NamedTuple):
    """A message from the broker; exactly one of `done` and `give_back` is called, once."""

    topic: str
    payload: bytes
    qos: int
    done: Callable[[], None]
    """Releases its PUBACK."""
    retained: bool = False
    """Whether it was stored at the broker before the link subscribed (MQTT 3.1.1, 3.3.1.3)."""
    give_back: Callable[[], None] = _nothing
    """Withholds its PUBACK and ends the connection, so that MQTT delivers it again (4.4.0-1)."""


Receive = Callable[[Message], None]
Connected = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Testament:
    """A retained message that the broker publishes when the controller is gone: its MQTT will."""

    topic: str
    payload: bytes


class Heard(Protocol):
    """From where a connected client was last heard, and when."""

    @property
    def address(self) -> str:
        """The IP address of its connection."""

    @property
    def seconds_ago(self) -> float:
        """How long ago."""


class Link(Protocol):
    """What the service needs from a broker."""

    @property
    def volatile(self) -> bool:
        """Whether the broker started with this process, so that nobody can be connected yet."""

    @property
    def connected(self) -> bool:
        """Whether it is connected and subscribed."""

    async def open(
        self,
        filters: Sequence[str],
        testament: Testament,
        receive: Receive,
        connected: Connected,
    ) -> None:
        """Subscribe; `connected` is called when subscribed, and after each lost connection."""

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1; lost if the broker is away: all is republished on reconnect."""

    def drop(self, client_id: str) -> None:
        """Close a client's connection, if the link supports it."""

    def last_heard(self, client_id: str) -> Heard | None:
        """Return from where and when a client was last heard, or None if it is away or unknown."""

    async def close(self, *, silently: bool = False) -> None:
        """Publish the testament, unless `silently`, and close."""


class LocalMessage(Protocol):
    """A message from an embedded broker."""

    @property
    def topic(self) -> str:
        """The topic."""

    @property
    def payload(self) -> bytes:
        """The payload."""

    @property
    def qos(self) -> int:
        """The QoS; at 0 the sender expects no acknowledgement, so nothing limits its rate."""

    @property
    def client_id(self) -> str:
        """The client that published it."""

    def defer(self) -> Callable[[], None]:
        """Withhold the PUBACK until the returned function is called."""


class LocalClient(Protocol):
    """A client of an embedded broker, without a socket."""

    def subscribe(self, topic_filter: str, handler: Callable[[LocalMessage], None], /) -> None:
        """Subscribe to a topic filter."""

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Publish a message."""

    def close(self) -> None:
        """Close the client."""


class InProcessLink:
    """A link to the embedded broker, without a socket."""

    volatile = True
    connected = True

    def __init__(
        self,
        client: LocalClient,
        drop: Callable[[str], None],
        last_heard: Callable[[str], Heard | None],
    ) -> None:
        self._client = client
        self._drop = drop
        self._last_heard = last_heard
        self._testament: Testament | None = None

    async def open(
        self,
        filters: Sequence[str],
        testament: Testament,
        receive: Receive,
        connected: Connected,
    ) -> None:
        """Subscribe; the connection to an embedded broker is never lost."""
        self._testament = testament

        def hand_over(message: LocalMessage) -> None:
            receive(
                Message(
                    message.topic,
                    message.payload,
                    message.qos,
                    message.defer(),
                    give_back=partial(self._drop, message.client_id) if message.qos else _nothing,
                )
            )

        for topic_filter in filters:
            self._client.subscribe(topic_filter, hand_over)
        connected()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def drop(self, client_id: str) -> None:
        """Close a client's connection."""
        self._drop(client_id)

    def last_heard(self, client_id: str) -> Heard | None:
        """Return from where and when a client was last heard, or None if it is away."""
        return self._last_heard(client_id)

    async def close(self, *, silently: bool = False) -> None:
        """Publish the testament, unless `silently`, and close."""
        if self._testament and not silently:
            self.publish(self._testament.topic, self._testament.payload, retain=True)
        await asyncio.sleep(0)  # give the broker a chance to send it
        self._client.close()
