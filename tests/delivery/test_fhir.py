"""Delivery to a FHIR server: once, whatever the network and the server do."""

import hashlib
import logging
from collections import Counter, deque
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from schemas.wire.destinations import DESTINATION
from session_controller.delivery.courier import Courier
from session_controller.export.fhir import singles, transaction
from session_controller.export.writers import encoded
from session_controller.storage.deliveries import DeliveryStatus
from tests.delivery.fhir_server import Cutter, FhirServer, Trouble, serving
from tests.delivery.parcels import KINDS, SECRET, START, FakeRecord, Office, bundle_of, ehr
from tests.faults.conftest import FULL
from tests.fhir.records import filled, record_of
from tests.flow.filling import our_flow

_OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "value", "diagnostics": f"{SECRET} is no name"}],
}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A courier with one session that waits."""
    made = Office(tmp_path)
    made.outbox.add("s-1", "ehr")
    return made


def _counts(server: FhirServer) -> Counter[str]:
    return Counter(each["resourceType"] for each in server.store.resources.values())


_ONCE = Counter(KINDS)


@pytest.mark.parametrize("transactions", [True, False])
async def test_the_hash_is_of_what_was_sent(office: Office, *, transactions: bool) -> None:
    """In one request or resource by resource: of the whole transaction, as it would be posted."""
    async with serving(FhirServer(transactions=transactions)) as server:
        await office.deliver(ehr(server.base))
        whole = encoded(bundle_of(FakeRecord("s-1")))
        assert office.outbox.rows["s-1", "ehr"].sha256 == hashlib.sha256(whole).hexdigest()
        assert (whole in server.bodies) is transactions


async def test_what_is_refused_has_its_hash(office: Office) -> None:
    """What was sent in vain can be told from what is sent after a correction."""
    async with serving(FhirServer()) as server:
        server.troubles.append(Trouble(422, body=_OUTCOME, on="/fhir"))
        await office.deliver(ehr(server.base))
        row = office.outbox.rows["s-1", "ehr"]
        assert row.status is DeliveryStatus.REFUSED
        assert row.sha256 == hashlib.sha256(server.bodies[-1]).hexdigest()


async def test_a_session_is_delivered(office: Office) -> None:
    """A completed session's resources are at the server, and refer to each other there."""
    async with serving(FhirServer()) as server:
        await office.deliver(ehr(server.base))
    assert _counts(server) == _ONCE
    patient = server.store.of("Patient")[0]
    response = server.store.of("QuestionnaireResponse")[0]
    assert response["subject"]["reference"] == f"Patient/{patient['id']}"
    row = office.outbox.rows["s-1", "ehr"]
    assert row.status is DeliveryStatus.DELIVERED
    assert row.attempts == 1
    assert row.outcome == [
        f"Patient/{patient['id']}/_history/1",
        f"QuestionnaireResponse/{response['id']}/_history/1",
        "Provenance/p-s-1/_history/1",
    ]


@pytest.mark.parametrize("transactions", [True, False])
async def test_sending_twice_changes_nothing(office: Office, transactions: bool) -> None:
    """A session that is sent again, as after a crash before our commit, makes nothing double."""
    async with serving(FhirServer(transactions=transactions)) as server:
        await office.deliver(ehr(server.base))
        before = dict(server.store.resources)
        office.outbox.add("s-1", "ehr")
        await office.deliver(ehr(server.base))
    assert server.store.resources == before
    assert _counts(server) == _ONCE


_WAYS = [
    {},
    {"says_so": False},
    {"honours_if_none_exist": False},
    {"gives_location": False},
    {"honours_if_none_exist": False, "gives_location": False},
]


@pytest.mark.parametrize("how", _WAYS)
async def test_without_transactions(office: Office, how: dict[str, bool]) -> None:
    """Where a server takes no transactions the resources go one by one, and hang together."""
    async with serving(FhirServer(transactions=False, **how)) as server:
        await office.deliver(ehr(server.base))
        office.outbox.add("s-1", "ehr")
        await office.deliver(ehr(server.base))
    assert _counts(server) == _ONCE
    patient = server.store.of("Patient")[0]
    provenance = server.store.of("Provenance")[0]
    assert provenance["agent"][0]["who"]["reference"] == f"Patient/{patient['id']}"


@pytest.mark.parametrize("transactions", [True, False])
async def test_the_real_record(office: Office, transactions: bool) -> None:
    """A whole registration is taken by a server that validates it, and twice makes it once."""
    office.formats = replace(office.formats, transaction=transaction, singles=singles)
    record: Any = record_of(filled(our_flow("pre-registration"), 1))
    wanted = Counter(e["resource"]["resourceType"] for e in transaction(record)["entry"])
    async with serving(FhirServer(transactions=transactions)) as server:
        for _ in range(2):
            office.outbox.add("s-1", "ehr")
            office.outbox.records["s-1"] = record
            await office.deliver(ehr(server.base))
    assert office.outbox.rows["s-1", "ehr"].status is DeliveryStatus.DELIVERED
    assert _counts(server) == wanted
    assert server.store.writes == wanted.total()


async def test_one_by_one_goes_on_where_it_stopped(office: Office) -> None:
    """What a server has taken is not sent again after a restart in the middle."""
    server = FhirServer(transactions=False)
    server.troubles.append(Trouble(503, on="/QuestionnaireResponse"))
    async with serving(server):
        courier = office.courier()
        await _one_round(courier, server)
        kept = office.outbox.rows["s-1", "ehr"]
        assert kept.status is DeliveryStatus.WAITING
        assert kept.progress is not None
        office.times.pass_by(3600)
        await office.deliver(ehr(server.base))
    assert server.asked.count("POST /fhir/Patient") == 1
    assert _counts(server) == _ONCE


async def _one_round(courier: Courier, server: FhirServer) -> None:
    await courier.serve([DESTINATION.validate_python(ehr(server.base))])
    await courier.send_now()
    await courier.stop()


@pytest.mark.parametrize("way", ["up", "down"])
@pytest.mark.parametrize("transactions", [True, False])
async def test_cut_at_any_byte(tmp_path: Path, way: str, transactions: bool) -> None:
    """A connection that is cut after any byte, either way, delivers the session once in the end."""
    async with serving(FhirServer(transactions=transactions)) as server:
        cutter = Cutter(int(server.base.split(":")[2].split("/")[0]))
        async with cutter.serving() as port:
            base = f"http://127.0.0.1:{port}/fhir"
            await _through(tmp_path, base, "s-whole")
            total = cutter.carried[way]
            assert total > 500
            sent, stride = 1, 1 if FULL else 29
            for at in range(1, total, stride):
                setattr(cutter, way, at)
                await _through(tmp_path, base, f"s-{at:05}")
                sent += 1
            assert cutter.cuts == sent - 1
    assert _counts(server) == Counter(dict.fromkeys(KINDS, sent))
    assert server.store.writes == 3 * sent


async def _through(tmp_path: Path, base: str, session: str) -> None:
    office = Office(tmp_path)
    office.outbox.add(session, "ehr")
    await office.deliver(ehr(base))
    assert office.outbox.rows[session, "ehr"].status is DeliveryStatus.DELIVERED


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(500),
        Trouble(502, body="<html>Bad gateway</html>"),
        Trouble(503),
        Trouble(504),
        Trouble(408),
        Trouble(409, body=_OUTCOME),
        Trouble(429),
        Trouble(401),
        Trouble(403, body="<html>Blocked</html>"),
        Trouble(404, body="<html>Nothing here</html>"),
        Trouble(302, {"Location": "http://127.0.0.1:9/login"}),
        Trouble(307, {"Location": "http://127.0.0.1:9/fhir"}),
        Trouble(200, body="<html>Welcome to our guest network</html>"),
        Trouble(200, body={"resourceType": "Bundle", "type": "searchset"}),
        Trouble(200, body={"resourceType": "Bundle", "type": "transaction-response"}),
        Trouble(204),
        Trouble(500, after_commit=True),
        Trouble(200, body="<html>", after_commit=True),
    ],
)
async def test_trouble_passes(office: Office, trouble: Trouble) -> None:
    """What is the server's or the network's trouble of the moment is tried again, and not lost."""
    server = FhirServer(troubles=_on_base(trouble))
    async with serving(server):
        await office.deliver(ehr(server.base))
    row = office.outbox.rows["s-1", "ehr"]
    assert row.status is DeliveryStatus.DELIVERED
    assert row.attempts == 2
    assert server.asked.count("POST /fhir") == 2
    assert _counts(server) == _ONCE


def _on_base(*troubles: Trouble) -> deque[Trouble]:
    return deque(replace(each, on="/fhir") for each in troubles)


@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_retry_after(office: Office, form: str) -> None:
    """A server that asks to be left alone for a time is left alone for as long."""
    wish = "400"
    headers = {"Retry-After": wish}
    if form == "date":
        until = START + timedelta(seconds=400)
        headers = {
            "Date": format_datetime(START, usegmt=True),
            "Retry-After": format_datetime(until, usegmt=True),
        }
    server = FhirServer(troubles=_on_base(Trouble(503, headers)))
    async with serving(server):
        await office.deliver(ehr(server.base))
    assert office.times.now - START >= timedelta(seconds=400)
    assert office.times.now - START < timedelta(seconds=600)


@pytest.mark.parametrize("status", [400, 412, 422, 403])
async def test_refused_then_corrected(office: Office, status: int) -> None:
    """What a server refuses is not sent again by itself; corrected, it is delivered."""
    server = FhirServer(troubles=_on_base(Trouble(status, body=_OUTCOME)))
    async with serving(server):
        await office.deliver(ehr(server.base))
        row = office.outbox.rows["s-1", "ehr"]
        assert row.status is DeliveryStatus.REFUSED
        assert row.outcome == {"status": status, "resource": None, "operation_outcome": _OUTCOME}
        assert server.asked.count("POST /fhir") == 1
        office.outbox.retry("s-1", "ehr", office.times.now)
        await office.deliver(ehr(server.base))
    assert office.outbox.rows["s-1", "ehr"].status is DeliveryStatus.DELIVERED
    assert _counts(server) == _ONCE


@pytest.mark.parametrize("transactions", [True, False])
async def test_the_servers_own_words(office: Office, transactions: bool) -> None:
    """A resource that is not valid is refused with the OperationOutcome that says why."""
    office.outbox.records["s-1"] = FakeRecord("s-1", status="")
    async with serving(FhirServer(transactions=transactions)) as server:
        await office.deliver(ehr(server.base))
        row = office.outbox.rows["s-1", "ehr"]
        assert row.status is DeliveryStatus.REFUSED
        assert row.outcome["status"] == 422
        assert row.outcome["resource"] == (None if transactions else "QuestionnaireResponse")
        assert row.outcome["operation_outcome"]["issue"][0]["code"] == "invalid"
        office.outbox.records["s-1"] = FakeRecord("s-1")
        office.outbox.retry("s-1", "ehr", office.times.now)
        await office.deliver(ehr(server.base))
    assert _counts(server) == _ONCE


async def test_a_conflict_that_stays_needs_a_person(office: Office) -> None:
    """A conflict is tried a few times; one that does not go away counts as refused."""
    conflict = Trouble(409, body=_OUTCOME)
    server = FhirServer(troubles=_on_base(*[conflict] * 10))
    async with serving(server):
        await office.deliver(ehr(server.base))
    row = office.outbox.rows["s-1", "ehr"]
    assert row.status is DeliveryStatus.REFUSED
    assert row.attempts == 5


async def test_too_large_as_one(office: Office) -> None:
    """A session that is too large for one request goes in parts."""
    server = FhirServer(troubles=_on_base(Trouble(413)))
    async with serving(server):
        await office.deliver(ehr(server.base))
    assert _counts(server) == _ONCE
    assert server.asked.count("POST /fhir/Patient") == 1


async def test_one_bad_session_delays_no_other(tmp_path: Path) -> None:
    """A session over which a server stumbles again and again waits alone."""
    office = Office(tmp_path)
    for number in range(5):
        office.outbox.add(f"s-{number}", "ehr")
    server = FhirServer(troubles=_on_base(Trouble(500)))
    async with serving(server):
        await office.deliver(ehr(server.base))
    order = [each.session for each in office.outbox.puts if each.status is DeliveryStatus.DELIVERED]
    assert order == ["s-1", "s-2", "s-3", "s-4", "s-0"]


async def test_duplicates_at_the_server_need_a_person(office: Office) -> None:
    """Where a server holds two resources of one identifier, nothing is added: it is refused."""
    server = FhirServer(transactions=False, honours_if_none_exist=False)
    identifier = [{"system": "urn:handrail:session", "value": "s-1"}]
    for key in ("a", "b"):
        twin = {"resourceType": "Patient", "id": key, "identifier": identifier}
        server.store.resources[f"Patient/{key}"] = twin
    async with serving(server):
        await office.deliver(ehr(server.base))
    row = office.outbox.rows["s-1", "ehr"]
    assert row.status is DeliveryStatus.REFUSED
    assert row.outcome["status"] == 412
    assert len(server.store.resources) == 2


async def test_nothing_of_a_patient_is_logged(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    """No log line quotes what was entered: not the record, not an OperationOutcome, not a bug."""
    caplog.set_level(logging.DEBUG)
    server = FhirServer(troubles=_on_base(Trouble(500, body=_OUTCOME), Trouble(422, body=_OUTCOME)))

    def stumble(record: FakeRecord) -> dict[str, object]:
        raise ValueError(record.family)

    async with serving(server):
        await office.deliver(ehr(server.base))
        formats = office.formats
        office.formats = replace(formats, transaction=stumble)  # type: ignore[arg-type]
        office.outbox.add("s-2", "ehr")
        await _one_round(office.courier(), server)
    assert office.outbox.rows["s-2", "ehr"].outcome == {"reason": "defect", "status": None}
    assert "ehr: server_error (500)" in caplog.text
    assert SECRET not in caplog.text
    assert "ValueError at" in caplog.text
