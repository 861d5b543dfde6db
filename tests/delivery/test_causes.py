"""Each cause of a failed delivery is told apart, by servers that have just this fault."""

import asyncio
import socket
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from schemas.wire.destinations import DESTINATION
from session_controller.delivery import mqtt_sender, route
from session_controller.delivery.causes import cause_of, in_words, reason_of
from session_controller.delivery.outcomes import Reason
from session_controller.storage.deliveries import Delivery, DeliveryStatus
from tests.delivery.faults import DAY, Authority, old_tls, refusing, silent, swallowing_broker
from tests.delivery.parcels import Office, ehr
from tests.machine import free_port
from tests.waiting import until


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority of its own."""
    return Authority(tmp_path)


async def _reasons(data: Path, host: str, port: int, ca: Path | None) -> dict[str, Any]:
    """Try to deliver over HTTPS and over MQTT; return the reason of each."""
    office, ca_file = Office(data), str(ca) if ca else None
    office.outbox.add("s-1", "ehr", "central")
    courier = office.courier()
    central = {
        "name": "central",
        "kind": "mqtt",
        "url": f"mqtts://{host}:{port}",
        "topic": "in",
        "ca_file": ca_file,
    }
    both = [ehr(f"https://{host}:{port}/fhir", ca_file=ca_file), central]
    await courier.serve([DESTINATION.validate_python(each) for each in both])
    await courier.send_now()
    await courier.stop()
    rows: Any = {name: row.outcome for (_, name), row in office.outbox.rows.items()}
    return {name: outcome["reason"] for name, outcome in rows.items()}


_FAULTS: dict[str, dict[str, Any]] = {
    "certificate_expired": {"span": (-9 * DAY, -DAY)},
    "certificate_not_yet_valid": {"span": (DAY, 9 * DAY)},
    "wrong_name": {"address": "127.0.0.9"},
}


@pytest.mark.parametrize("reason", _FAULTS)
async def test_what_is_wrong_with_a_certificate(
    reason: str, authority: Authority, tmp_path: Path
) -> None:
    """Its dates or its name: the same for a FHIR server and a broker."""
    async with silent(authority.context(**_FAULTS[reason])) as port:
        found = await _reasons(tmp_path, "127.0.0.1", port, authority.file)
    assert found == {"ehr": reason, "central": reason}


async def test_an_authority_that_nobody_knows(authority: Authority, tmp_path: Path) -> None:
    """A certificate that is right, and not vouched for."""
    async with silent(authority.context()) as port:
        found = await _reasons(tmp_path, "127.0.0.1", port, None)
    assert set(found.values()) == {"unknown_authority"}


async def test_tls_that_is_too_old(authority: Authority, tmp_path: Path) -> None:
    """A server that has TLS 1.1 at most."""
    with pytest.warns(DeprecationWarning, match="TLSVersion"):
        context = old_tls(authority.context())
    with refusing(context) as port:
        found = await _reasons(tmp_path, "127.0.0.1", port, authority.file)
    assert set(found.values()) == {"tls_too_old"}


async def test_no_tls_at_all(authority: Authority, tmp_path: Path) -> None:
    """A port that answers in plain HTTP."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        found = await _reasons(tmp_path, "127.0.0.1", port, authority.file)
    assert set(found.values()) == {"not_tls"}


async def test_no_connection(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens there, or the name is not found."""
    found = await _reasons(tmp_path, "127.0.0.1", free_port(), authority.file)
    assert set(found.values()) == {"connection_refused"}

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = await _reasons(tmp_path, "nowhere.invalid", 443, authority.file)
    assert set(found.values()) == {"name_not_found"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(113, "No route to host"), Reason.NO_ROUTE),
        (OSError(101, "Network is unreachable"), Reason.NO_ROUTE),
        (TimeoutError(110, "Connection timed out"), Reason.TIMED_OUT),
        (ConnectionResetError(104, "reset"), Reason.CUT),
        (ssl.SSLEOFError(8, "eof"), Reason.CUT),
        (ssl.SSLError(1, "something else"), Reason.TLS_FAILED),
        (OSError(5, "Input/output error"), Reason.UNREACHABLE),
    ],
)
def test_what_no_test_can_cause(error: Exception, reason: Reason) -> None:
    """What a network without a route says, for one."""
    assert reason_of(error) is reason


def test_each_reason_is_said_in_words_with_what_to_do() -> None:
    """Another text for each; a status is said once."""
    causes = [cause_of(reason) for reason in Reason]
    assert len({cause.text for cause in causes}) == len(Reason)
    assert all(cause.mend for cause in causes)
    assert in_words("not_authorized", 401).count("401") == 1
    assert in_words("busy", 503).endswith("(503)")
    assert cause_of("refused", 413).text == "refused: too large"
    assert in_words(None) == ""


def _central(port: int) -> dict[str, Any]:
    return {"name": "central", "kind": "mqtt", "url": f"mqtt://127.0.0.1:{port}", "topic": "in"}


async def test_a_broker_that_swallows_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is waited for, the attempt counts, and why is said; then it counts once."""
    monkeypatch.setattr(route, "_SLOW_S", 0.05)
    monkeypatch.setattr(mqtt_sender, "_TAKEN_S", 0.5)
    monkeypatch.setattr(mqtt_sender.Publishing.run, "__defaults__", (0.5,))
    office = Office(tmp_path)
    office.outbox.add("s-1", "central")
    courier = office.courier()

    def row() -> Delivery:
        return office.outbox.rows["s-1", "central"]

    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(swallowing_broker())
        await courier.serve([DESTINATION.validate_python(_central(port))])
        sending = asyncio.create_task(courier.send_now())
        await until(lambda: row().attempts == 1, "the attempt")
        assert (row().status, row().outcome) == (
            DeliveryStatus.WAITING,
            {"reason": "no_answer_yet", "status": None},
        )
        await sending
        await courier.stop()
    assert (row().attempts, row().outcome) == (1, {"reason": "not_acknowledged", "status": None})


async def test_a_port_that_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that does not answer CONNECT is one that does not answer in time."""
    monkeypatch.setattr(mqtt_sender, "_CONNECT_S", 0.2)
    office = Office(tmp_path)
    office.outbox.add("s-1", "central")
    courier = office.courier()
    async with silent() as port:
        await courier.serve([DESTINATION.validate_python(_central(port))])
        await courier.send_now()
        await courier.stop()
    row: Any = office.outbox.rows["s-1", "central"]
    assert row.outcome["reason"] == "timed_out"
