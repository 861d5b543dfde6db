"""A service without sockets: a link that hands messages over, and screens that note all of it."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from schemas.base import Role
from schemas.questionnaire.load import Flow, load_flow
from schemas.topics import ClaimTopic, CommandTopic, PresenceTopic, RequestTopic, Topic
from schemas.wire.requests import OpenSession
from session_controller.service.handlers.flows import keep_flow
from session_controller.service.handlers.sessions import open_session
from session_controller.service.service import Service
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device
from session_controller.storage.store import Store
from session_controller.transport.link import Connected, Message, Receive, Testament

from .history import History

FLOW = Path(__file__).parents[2] / "flows" / "quick-check-in.json"
_ids = count(1)


@dataclass
class Delivered:
    """What became of a message's PUBACK."""

    topic: str
    acknowledged: int = 0
    given_back: int = 0

    def acknowledge(self) -> None:
        """Note that its PUBACK went."""
        self.acknowledged += 1

    def give_back(self) -> None:
        """Note that its PUBACK is withheld, and its connection ended."""
        self.given_back += 1


class Loopback:
    """A broker of one function: what is published goes to whoever reads it, at once."""

    volatile = True
    connected = True

    def __init__(self, history: History) -> None:
        self.history = history
        self.away = False
        self.published: list[tuple[str, bytes]] = []
        self.delivered: list[Delivered] = []
        self._receive: Receive | None = None

    async def open(
        self, _: Sequence[str], __: Testament, receive: Receive, connected: Connected
    ) -> None:
        """Be there at once."""
        self._receive = receive
        connected()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Hand it to the history."""
        del retain
        if not self.away:
            self.published.append((topic, payload))
            self.history.into(topic, payload)

    def last_heard(self, client_id: str) -> None:
        """Return None: nobody has an address here."""

    def drop(self, client_id: str) -> None:
        """Nobody is connected."""

    async def close(self, *, silently: bool = False) -> None:
        """End."""
        del silently

    def deliver(self, topic: str, payload: bytes) -> Delivered:
        """Bring a message to the service; return what becomes of its PUBACK."""
        assert self._receive is not None
        self.history.out(topic, payload)
        delivered = Delivered(topic)
        self.delivered.append(delivered)
        done, back = delivered.acknowledge, delivered.give_back
        self._receive(Message(topic, payload, qos=1, done=done, give_back=back))
        return delivered


@dataclass
class Stage:
    """A service with one session, its host `desk` and its patient's screen `kiosk`."""

    service: Service
    store: Store
    link: Loopback
    history: History
    session: str = ""
    numbers: dict[str, int] = field(default_factory=dict)

    def say(self, device: str, type_: str, /, *, seq: int | None = None, **fields: Any) -> bytes:
        """Send a command, under the device's next number; gives it, to be sent again."""
        number = seq or self.numbers.get(device, 0) + 1
        self.numbers[device] = number
        body = {"v": 1, "type": type_, "command_id": str(UUID(int=next(_ids))), "seq": number}
        body |= {"sent_at": "2026-11-22T10:15:02.120Z", **fields}
        payload = json.dumps(body).encode()
        self.again(device, payload)
        return payload

    def again(self, device: str, payload: bytes) -> Delivered:
        """Send the same bytes."""
        return self.link.deliver(CommandTopic(self.session, device).under("main"), payload)

    def ask(self, device: str, type_: str, /, **fields: Any) -> Delivered:
        """Send a request."""
        body = {"v": 1, "type": type_, "request_id": str(UUID(int=next(_ids))), **fields}
        return self.link.deliver(RequestTopic(device).under("main"), json.dumps(body).encode())

    def claim(self, client_id: str, code: str) -> Delivered:
        """Show a code, as a device that is not enrolled."""
        body = {"v": 1, "code": code}
        return self.link.deliver(ClaimTopic(client_id).under("main"), json.dumps(body).encode())

    def said(self, topic: Topic) -> list[dict[str, Any]]:
        """Return what was published on a topic."""
        wanted = topic.under("main")
        return [json.loads(payload) for name, payload in self.link.published if name == wanted]

    async def retry(self) -> None:
        """Retry what could not be stored, without waiting for the next second."""
        async with self.service._file:
            await self.service._retry()
        await self.service.settled()

    def online(self, device: str, connection: int = 1) -> Delivered:
        """Send the presence of a device."""
        body = {"v": 1, "online": True, "connection": connection}
        return self.link.deliver(PresenceTopic(device).under("main"), json.dumps(body).encode())

    async def open(self, flow: Flow | None = None) -> None:
        """Enrol two screens and open a session of a flow between them."""
        done: list[Any] = []
        opened = flow or load_flow(FLOW.read_bytes())

        def set_up(work: UnitOfWork) -> None:
            keep_flow(work, opened)
            roles = {"desk": Role.FACILITY, "kiosk": Role.PATIENT, "it": Role.ADMIN}
            for name, role in roles.items():
                work.put_device(Device(name, name, role, enrolled_at=datetime.now(UTC)))

        def begin(work: UnitOfWork) -> None:
            desk = work.device("desk")
            assert desk is not None
            request = OpenSession(request_id="1", flow_id=opened.flow_id, patient_device="kiosk")
            done.append(open_session(work, self.store, desk, request))

        self.service.submit(set_up)
        await self.service.settled()
        self.service.submit(begin)
        await self.service.settled()
        self.session = done[-1].session
        self.online("desk")
        self.online("kiosk")
        await self.service.settled()


@asynccontextmanager
async def staged(
    data: Path,
    service_class: type[Service] = Service,
    history: History | None = None,
    **options: Any,
) -> AsyncIterator[Stage]:
    """Yield a service that runs on this data folder, without a session yet."""
    history = history or History()
    store = Store(data)
    link = Loopback(history)
    service = service_class(store, link, **options)
    await service.start()
    try:
        yield Stage(service, store, link, history)
    finally:
        await service.stop()
        store.close()
