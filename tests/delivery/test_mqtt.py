"""Delivery to a topic of a central broker."""

import asyncio
import contextlib
import hashlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from broker import Identity, Listener, Tls
from schemas.wire.destinations import DESTINATION
from session_controller.storage.deliveries import DeliveryStatus
from tests.broker.certificates import Certificates
from tests.broker.conftest import certs  # noqa: F401 - a fixture
from tests.broker.support import Peer, by_password, running
from tests.delivery.parcels import FakeRecord, Office, bundle_of
from tests.machine import free_port


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A courier with one session that waits."""
    made = Office(tmp_path)
    made.outbox.add("s-1", "central")
    return made


def _central(port: int, scheme: str = "mqtt", **more: Any) -> dict[str, Any]:
    url = f"{scheme}://127.0.0.1:{port}"
    return {"name": "central", "kind": "mqtt", "url": url, "topic": "in/{site}/{session}", **more}


async def test_a_session_is_published(office: Office) -> None:
    """A session arrives on its topic with QoS 1, and counts as delivered once acknowledged."""
    async with running() as broker:
        peer = await Peer.connect(broker)
        await peer.subscribe(("in/#", 1))
        await office.deliver(_central(broker.addresses["mqtt"][1]))
        message = await peer.message()
    assert message.topic == "in/main/s-1"
    assert message.qos == 1
    assert not message.retain
    assert json.loads(message.payload) == bundle_of(FakeRecord("s-1"))
    row = office.outbox.rows["s-1", "central"]
    assert row.sha256 == hashlib.sha256(message.payload).hexdigest()


async def test_over_tls_with_a_password(
    office: Office,
    certs: Certificates,  # noqa: F811
) -> None:
    """A broker is checked against the authority that is named, and told user and password."""
    (office.data / "password").write_text("secret\n")
    more = {"username": "all-1", "password_file": "password"}
    seen: list[str | None] = []

    async def authenticate(credentials: Any) -> Identity | None:
        seen.append(credentials.client_id)
        return await by_password(credentials)

    tls = Tls(certs.folder / "server.pem", certs.folder / "server.key")
    listener = Listener(tls=tls)
    async with running(authenticate=authenticate, mqtt=listener) as broker:
        port = broker.addresses["mqtt"][1]
        trusted = _central(port, "mqtts", ca_file=str(certs.authority), **more)
        await office.deliver(trusted)
        assert office.outbox.rows["s-1", "central"].status is DeliveryStatus.DELIVERED
        assert seen == ["handrail-main-central"]
        office.outbox.add("s-1", "central")
        strangers = _central(port, "mqtts", **more)
        assert await _once(office, strangers) == "unknown_authority"
        (office.data / "password").write_text("wrong")
        assert await _once(office, trusted) == "broker_refuses"


async def test_a_broker_that_is_away(office: Office) -> None:
    """A broker that cannot be reached, or a password that cannot be read, is tried again."""
    assert await _once(office, _central(free_port())) == "connection_refused"
    missing = _central(free_port(), username="u", password_file="missing")
    assert await _once(office, missing) == "no_secret"


async def test_a_broker_that_cuts(office: Office) -> None:
    """A connection that ends before the acknowledgement is a session that is sent again."""

    async def cut(reader: Any, writer: Any) -> None:
        await reader.read(1)
        writer.transport.abort()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await _once(office, _central(port)) == "cut"
    server.close()


async def test_a_broker_that_sends_too_much(office: Office) -> None:
    """A packet as long as MQTT allows is not read to its end, nor kept in memory."""
    sent, ended = 0, asyncio.Event()

    async def flood(_: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"\x20\x02\x00\x00\x30\xff\xff\xff\x7f")
        with contextlib.suppress(ConnectionError):
            while sent < _FLOOD:
                writer.write(bytes(_PIECE))
                await writer.drain()
                sent += _PIECE
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        ended.set()

    async with await asyncio.start_server(flood, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        tracemalloc.start()
        try:
            assert await _once(office, _central(port)) == "cut"
            most = tracemalloc.get_traced_memory()[1]
            await ended.wait()
        finally:
            tracemalloc.stop()
    assert sent < _FLOOD
    assert most < _FLOOD // 2


_PIECE = 1 << 20
_FLOOD = 64 * _PIECE


async def _once(office: Office, destination: dict[str, Any]) -> str:
    """Try once; gives the reason why it came to nothing."""
    office.times.pass_by(3600)
    courier = office.courier()
    await courier.serve([DESTINATION.validate_python(destination)])
    await courier.send_now()
    await courier.stop()
    outcome: Any = office.outbox.rows["s-1", "central"].outcome
    reason: str = outcome["reason"]
    return reason
