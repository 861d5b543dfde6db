"""How the service hears and speaks: in process with the embedded broker, or MQTT to any other."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """A message from the broker. `done` lets its PUBACK go: call it once the message is on disk."""

    topic: str
    payload: bytes
    qos: int
    done: Callable[[], None]
    retained: bool = False
    """Not said just now: found at the broker when the link subscribed (MQTT 3.1.1, 3.3.1.3)."""


Receive = Callable[[Message], None]
Connected = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Testament:
    """What the broker is to publish, retained, when the controller is gone."""

    topic: str
    payload: bytes


class Link(Protocol):
    """What the service needs of a broker."""

    @property
    def volatile(self) -> bool:
        """Whether the broker started with the program: nobody can be connected yet."""

    async def open(
        self,
        filters: Sequence[str],
        testament: Testament,
        receive: Receive,
        connected: Connected,
    ) -> None:
        """Subscribe; `connected` is called now and after each time that the broker was lost."""

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1; lost when the broker is: all is said again when it is back."""

    def drop(self, client_id: str) -> None:
        """Close a client's connection, where the link can."""

    async def close(self) -> None:
        """Publish the testament and end."""


class LocalMessage(Protocol):
    """What an embedded broker hands over."""

    @property
    def topic(self) -> str:
        """The topic."""

    @property
    def payload(self) -> bytes:
        """The payload."""

    @property
    def qos(self) -> int:
        """With 0, its sender expects no answer, and nothing slows it down."""

    def defer(self) -> Callable[[], None]:
        """Hold the PUBACK until the function given is called."""


class LocalClient(Protocol):
    """An embedded broker's client without a socket."""

    def subscribe(self, topic_filter: str, handler: Callable[[LocalMessage], None], /) -> None:
        """Hear what matches."""

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool) -> None:
        """Publish."""

    def close(self) -> None:
        """End."""


class InProcessLink:
    """The embedded broker, without a socket in between."""

    volatile = True

    def __init__(self, client: LocalClient, drop: Callable[[str], None]) -> None:
        self._client = client
        self._drop = drop
        self._testament: Testament | None = None

    async def open(
        self,
        filters: Sequence[str],
        testament: Testament,
        receive: Receive,
        connected: Connected,
    ) -> None:
        """Subscribe; an embedded broker is never lost."""
        self._testament = testament

        def hand_over(message: LocalMessage) -> None:
            receive(Message(message.topic, message.payload, message.qos, message.defer()))

        for topic_filter in filters:
            self._client.subscribe(topic_filter, hand_over)
        connected()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Publish with QoS 1."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def drop(self, client_id: str) -> None:
        """Close a client's connection."""
        self._drop(client_id)

    async def close(self) -> None:
        """Publish the testament and end."""
        if self._testament:
            self.publish(self._testament.topic, self._testament.payload, retain=True)
        await asyncio.sleep(0)  # let the broker write it out
        self._client.close()
