"""The courier: for days if need be, through restarts, and no destination delays another."""

import asyncio
import socket
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from schemas.wire.destinations import DESTINATION
from session_controller.delivery.delays import FIRST_S, LONGEST_S, delay_s, is_due
from session_controller.storage.deliveries import DeliveryStatus
from tests.delivery.fhir_server import FhirServer, Trouble, serving
from tests.delivery.parcels import SECRET, START, Office, ehr
from tests.machine import free_port
from tests.waiting import turns


def test_delays_grow_up_to_half_an_hour() -> None:
    """Each delay is drawn from half of a ceiling that doubles up to half an hour, to all of it."""
    rng = Random(3)
    for failures in range(1, 2000):
        ceiling = min(FIRST_S * 2 ** min(failures - 1, 20), LONGEST_S)
        drawn = delay_s(failures, rng.random())
        assert ceiling / 2 <= drawn < ceiling


def test_a_clock_that_was_set_back_delays_nothing_for_ever() -> None:
    """What is due further off than any delay was planned by another clock: it is due now."""
    assert is_due(START, START)
    assert not is_due(START + timedelta(hours=20), START)
    assert is_due(START + timedelta(days=400), START)


async def test_five_days_without_a_server(tmp_path: Path) -> None:
    """After days of outage all that waited is delivered soon; it was not tried for each session."""
    office = Office(tmp_path)
    for number in range(20):
        office.outbox.add(f"s-{number:02}", "ehr")
    port = free_port()
    server = FhirServer(base=f"http://127.0.0.1:{port}/fhir")
    back_at = START + timedelta(days=5)
    async with AsyncExitStack() as stack:
        opening = asyncio.Event()

        async def open_again() -> None:
            await opening.wait()
            await stack.enter_async_context(serving(server, port))

        opened = asyncio.create_task(open_again())
        office.times.on_wait = lambda: opening.set() if office.times.now >= back_at else None
        pause = office.times.pause

        async def wait(seconds: float) -> None:
            await pause(seconds)
            if opening.is_set():
                await opened

        office.times.pause = wait  # type: ignore[method-assign]
        await office.deliver(ehr(server.base), within_s=90)
    assert len(server.store.of("Patient")) == 20
    assert office.times.now - back_at < timedelta(seconds=LONGEST_S + 120)
    tried = [each for each in office.outbox.puts if each.status is DeliveryStatus.WAITING]
    # Some 45 minutes' worth of short delays, and then one every 15 to 30 minutes for all of them.
    assert 5 * 48 <= len(tried) <= 5 * 96 + 10
    assert {each.outcome["reason"] for each in tried} == {"connection_refused"}


async def test_one_destination_does_not_delay_another(tmp_path: Path) -> None:
    """A destination that is away, or answers nothing at all, does not hold another up."""
    office = Office(tmp_path)
    for number in range(3):
        office.outbox.add(f"s-{number}", "ehr", "away", "deaf")
    silent = socket.create_server(("127.0.0.1", 0))
    places = [
        {"name": "away", "kind": "fhir", "url": f"http://127.0.0.1:{free_port()}/fhir"},
        {"name": "deaf", "kind": "fhir", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/fhir"},
    ]
    courier = office.courier()
    async with serving(FhirServer()) as server:
        wanted = [*places, ehr(server.base)]
        await courier.serve([DESTINATION.validate_python(each) for each in wanted])
        courier.start()
        async with asyncio.timeout(20):
            while len(server.store.of("Patient")) < 3:
                office.outbox.changed.clear()
                await office.outbox.changed.wait()
        await courier.stop()
    silent.close()
    rows = office.outbox.rows.values()
    assert {each.status for each in rows if each.destination == "away"} == {DeliveryStatus.WAITING}
    assert {each.attempts for each in rows if each.destination == "deaf"} == {0}


@pytest.mark.parametrize("transactions", [True, False])
async def test_restart_at_any_moment(tmp_path: Path, transactions: bool) -> None:
    """A box that is stopped while it delivers, again and again, delivers each session once."""
    office = Office(tmp_path)
    for number in range(10):
        office.outbox.add(f"s-{number}", "ehr")
    rng = Random(11)
    async with serving(FhirServer(transactions=transactions)) as server:
        for _ in range(40):
            courier = office.courier()
            await courier.serve([DESTINATION.validate_python(ehr(server.base))])
            courier.start()
            await turns(rng.randrange(1, 60))
            await courier.stop()
        await office.deliver(ehr(server.base))
    for kind in ("Patient", "QuestionnaireResponse", "Provenance"):
        assert len(server.store.of(kind)) == 10
    assert server.store.writes == 30


async def test_a_database_in_trouble(tmp_path: Path) -> None:
    """Where an outcome cannot be stored, the session is sent again later, which does no harm."""
    office = Office(tmp_path)
    office.outbox.add("s-1", "ehr")
    office.outbox.broken = 3
    async with serving(FhirServer()) as server:
        await office.deliver(ehr(server.base))
    assert server.asked.count("POST /fhir") == 4
    assert server.store.writes == 3


async def test_purged_on_the_way(tmp_path: Path) -> None:
    """A session that is purged while it is on its way does not come back into the outbox."""
    office = Office(tmp_path)
    office.outbox.add("s-1", "ehr")
    office.outbox.add("s-2", "ehr")
    gather = office.outbox.record

    async def purged(session: str):
        if session == "s-1":
            del office.outbox.records[session]
            del office.outbox.rows[session, "ehr"]
        return await gather(session)

    office.outbox.record = purged  # type: ignore[method-assign]
    async with serving(FhirServer()) as server:
        await office.deliver(ehr(server.base))
    assert set(office.outbox.rows) == {("s-2", "ehr")}


async def test_send_now_does_not_wait(tmp_path: Path) -> None:
    """Who asks to send now is not made to wait for the back-off of a destination."""
    office = Office(tmp_path)
    office.outbox.add("s-1", "ehr")
    port = free_port()
    base = f"http://127.0.0.1:{port}/fhir"
    courier = office.courier()
    await courier.serve([DESTINATION.validate_python(ehr(base))])
    await courier.send_now()
    row = office.outbox.rows["s-1", "ehr"]
    assert row.outcome == {"reason": "connection_refused", "status": None}
    async with serving(FhirServer(base=base), port) as server:
        office.outbox.retry("s-1", "ehr", office.times.now)
        await courier.send_now()
        assert len(server.store.of("Patient")) == 1
    await courier.stop()
    assert office.times.waits == []


async def test_the_last_answer_is_kept(tmp_path: Path) -> None:
    """What a server said stays, with its time, while it cannot be reached any more."""
    office = Office(tmp_path)
    office.outbox.add("s-1", "ehr")
    page = f"<html>Down for maintenance, {SECRET}" + "!" * 5_000
    courier = office.courier()
    async with serving(FhirServer()) as server:
        server.troubles.append(Trouble(503, body=page, on="/fhir"))
        await courier.serve([DESTINATION.validate_python(ehr(server.base))])
        await courier.send_now()
    office.times.pass_by(3600)
    await courier.send_now()
    await courier.stop()
    first, second = (each.outcome for each in office.outbox.puts)
    said = {
        "at": "2026-11-27T09:00:00.000Z",
        "status": 503,
        "content_type": "text/plain; charset=utf-8",
        "body": page[:2_000],
    }
    assert first == {"reason": "busy", "status": 503, "last_answer": said}
    assert second == {"reason": "connection_refused", "status": None, "last_answer": said}


async def test_a_refusal_is_kept_while_it_is_tried_again(tmp_path: Path) -> None:
    """Who retries what was refused still sees why, until the server says something else."""
    office = Office(tmp_path)
    office.outbox.add("s-1", "ehr")
    outcome = {"resourceType": "OperationOutcome", "issue": [{"code": "value"}]}
    courier = office.courier()
    async with serving(FhirServer()) as server:
        server.troubles.append(Trouble(422, body=outcome, on="/fhir"))
        await courier.serve([DESTINATION.validate_python(ehr(server.base))])
        await courier.send_now()
    office.outbox.retry("s-1", "ehr", office.times.now)
    await courier.send_now()
    await courier.stop()
    assert office.outbox.rows["s-1", "ehr"].outcome == {
        "reason": "connection_refused",
        "status": None,
        "last_answer": {"status": 422, "body": outcome},
    }


async def test_a_destination_that_changes(tmp_path: Path) -> None:
    """A destination whose settings change is served by the new ones at once."""
    office = Office(tmp_path)
    office.outbox.add("s-1", "ehr")
    courier = office.courier()
    wrong = ehr(f"http://127.0.0.1:{free_port()}/fhir")
    await courier.serve([DESTINATION.validate_python(wrong)])
    await courier.send_now()
    office.times.pass_by(3600)
    async with serving(FhirServer()) as server:
        await courier.serve([DESTINATION.validate_python(ehr(server.base))])
        await courier.send_now()
        assert len(server.store.of("Patient")) == 1
        await courier.serve([])
        await courier.send_now()
    await courier.stop()
