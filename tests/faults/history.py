"""What every device sent and was told, in the one order in which this process saw it happen."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from clients.sdk.client import Client
from clients.sdk.network.connection import Message
from schemas import topics
from schemas.topics import CommandTopic, RejectionTopic, StateTopic
from schemas.wire.views import FacilityView, PatientView


@dataclass(frozen=True, slots=True)
class Sent:
    """A command that left a device; once more each time that it is sent again."""

    session: str
    device: str
    seq: int
    command_id: str
    type: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """A view as it arrived, on which connection of its device."""

    session: str
    device: str
    connection: int
    payload: bytes
    epoch: int
    revision: int
    acknowledged: int
    step_id: str

    @property
    def view(self) -> dict[str, Any]:
        """The whole of it."""
        found: dict[str, Any] = json.loads(self.payload)
        return found


@dataclass(frozen=True, slots=True)
class Shown:
    """A view as the device's user was shown it."""

    session: str
    device: str
    age: tuple[int, int]
    acknowledged: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal as it arrived."""

    session: str
    device: str
    command_id: str | None
    seq: int | None
    code: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the future of an entry said in the end: None for accepted, or the code of a refusal."""

    session: str
    device: str
    field_id: str
    value: object
    code: str | None
    epoch: int
    """Of the view that came with it; 0 with a refusal."""


Happening = Sent | Seen | Shown | Refused | Told


@dataclass
class History:
    """Everything, in order. Devices of one network loop note in the order in which it was."""

    site: str = "main"
    happenings: list[Happening] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _connections: dict[str, int] = field(default_factory=dict)

    def note(self, happening: Happening) -> None:
        """Append."""
        with self._lock:
            self.happenings.append(happening)

    def connected(self, device: str) -> None:
        """Note that a device has a new connection."""
        self._connections[device] = self._connections.get(device, 0) + 1

    def out(self, topic_text: str, payload: bytes) -> None:
        """Note what a device publishes, where it is a command."""
        topic = topics.parse(self.site, topic_text)
        if isinstance(topic, CommandTopic):
            body = json.loads(payload)
            self.note(
                Sent(
                    topic.session,
                    topic.device,
                    body["seq"],
                    body["command_id"],
                    body["type"],
                    body,
                )
            )

    def into(self, topic_text: str, payload: bytes) -> None:
        """Note what a device is sent, where it is a view or a refusal."""
        topic = topics.parse(self.site, topic_text)
        match topic:
            case StateTopic(session, device) if payload:
                v = json.loads(payload)
                head = (v["epoch"], v["revision"], v["acknowledged_seq"], v["step_id"])
                connection = self._connections.get(device, 0)
                self.note(Seen(session, device, connection, payload, *head))
            case RejectionTopic(session, device):
                said = json.loads(payload)
                self.note(
                    Refused(session, device, said.get("command_id"), said.get("seq"), said["code"])
                )

    def show(self, device: str, view: PatientView | FacilityView) -> None:
        """Note what a device's user sees."""
        age = (view.epoch, view.revision)
        self.note(Shown(view.session, device, age, view.acknowledged_seq))

    def watch(self, client: Client[Any], kind: type[PatientView | FacilityView]) -> None:
        """Note all that a client of the SDK sends and is told; call it before `start`."""
        device = client.credential.device
        exchange, link = client._exchange, client._link
        publish, receive, up = link.publish, exchange.link_received, exchange.link_up

        def publishing(message: Message, done: Callable[[], None] | None = None) -> None:
            if link.online:
                self.out(message.topic, message.payload)
            publish(message, done)

        def receiving(message: Message) -> None:
            self.into(message.topic, message.payload)
            receive(message)

        def link_up() -> None:
            self.connected(device)
            up()

        link.publish = publishing
        exchange.link_received = receiving
        exchange.link_up = link_up
        client.on(kind, lambda view: self.show(device, view))

    # --- figures ---------------------------------------------------------------------------

    def acknowledged(self) -> int:
        """Count the commands of which a device was told that they were decided."""
        highest: dict[tuple[str, str], int] = {}
        for h in self.happenings:
            if isinstance(h, Shown):
                key = (h.session, h.device)
                highest[key] = max(highest.get(key, 0), h.acknowledged)
        return sum(highest.values())
