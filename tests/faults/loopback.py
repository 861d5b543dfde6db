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
from schemas.flow import load_flow
from schemas.requests import OpenSession
from schemas.topics import CommandTopic, PresenceTopic
from session_controller.admin import keep_flow
from session_controller.joining import open_session
from session_controller.link import Connected, Message, Receive, Testament
from session_controller.records import Device
from session_controller.service import Service
from session_controller.store import Store
from session_controller.work import Work

from .history import History

FLOW = Path(__file__).parents[2] / "flows" / "quick-check-in.json"
_ids = count(1)


class Loopback:
    """A broker of one function: what is published goes to whoever reads it, at once."""

    volatile = True

    def __init__(self, history: History) -> None:
        self.history = history
        self.away = False
        self.published: list[tuple[str, bytes]] = []
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

    def drop(self, client_id: str) -> None:
        """Nobody is connected."""

    async def close(self) -> None:
        """End."""

    def deliver(self, topic: str, payload: bytes) -> None:
        """Bring a message to the service."""
        assert self._receive is not None
        self.history.out(topic, payload)
        self._receive(Message(topic, payload, qos=1, done=lambda: None))


@dataclass
class Stage:
    """A service with one session, its host `desk` and its patient's screen `kiosk`."""

    service: Service
    store: Store
    link: Loopback
    history: History
    session: str = ""
    numbers: dict[str, int] = field(default_factory=dict)

    def say(self, device: str, type_: str, *, seq: int | None = None, **fields: Any) -> bytes:
        """Send a command, under the device's next number; gives it, to be sent again."""
        number = seq or self.numbers.get(device, 0) + 1
        self.numbers[device] = number
        body = {"v": 1, "type": type_, "command_id": str(UUID(int=next(_ids))), "seq": number}
        body |= {"sent_at": "2026-11-22T10:15:02.120Z", **fields}
        payload = json.dumps(body).encode()
        self.again(device, payload)
        return payload

    def again(self, device: str, payload: bytes) -> None:
        """Send the same bytes."""
        self.link.deliver(CommandTopic(self.session, device).under("main"), payload)

    def online(self, device: str, connection: int = 1) -> None:
        """Say that a device is there."""
        body = {"v": 1, "online": True, "connection": connection}
        self.link.deliver(PresenceTopic(device).under("main"), json.dumps(body).encode())

    async def open(self) -> None:
        """Enrol two screens and open a session between them."""
        done: list[Any] = []

        def set_up(work: Work) -> None:
            keep_flow(work, load_flow(FLOW.read_bytes()))
            for name, role in (("desk", Role.FACILITY), ("kiosk", Role.PATIENT)):
                work.put_device(Device(name, name, role, enrolled_at=datetime.now(UTC)))

        def begin(work: Work) -> None:
            desk = work.device("desk")
            assert desk is not None
            request = OpenSession(request_id="1", flow_id="quick-check-in", patient_device="kiosk")
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
    """Give a service that runs on this data folder, without a session yet."""
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
