"""A strict FHIR server takes what a box sends: once, however often, and wherever it is cut."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.acceptance.playing import Played
from tests.cli.conftest import Handrail
from tests.delivery.fhir_server import Cutter, FhirServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@contextmanager
def cutting(server: FhirServer) -> Iterator[tuple[Cutter, str]]:
    """Yield a proxy to the server that can be cut after any byte, and its address."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    cutter = Cutter(int(server.base.split(":")[2].split("/")[0]))
    started, ports = threading.Event(), list[int]()

    async def serve() -> None:
        async with cutter.serving() as port:
            ports.append(port)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), name="cutter")
    thread.start()
    assert started.wait(10)
    try:
        yield cutter, f"http://127.0.0.1:{ports[0]}/fhir"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def deliver(handrail: Handrail, data: Path, session: str) -> None:
    """Send a session until it is delivered: each call is a round of the courier."""
    for _ in range(20):
        if handrail("deliver", "now", session, "--data", data).code == 0:
            break
    lines = handrail("deliver", "status", session, "--data", data, "--json").json["deliveries"]
    assert {line["status"] for line in lines} == {"delivered"}


def bundle_of(handrail: Handrail, data: Path, session: str) -> Counter[str]:
    """Count by type what a session's bundle holds."""
    ran = handrail("session", "export", session, "--format", "fhir", "--data", data)
    entries = ran.json["entry"]
    return Counter(entry["resource"]["resourceType"] for entry in entries)


def identify(handrail: Handrail, data: Path, session: str) -> None:
    """Identify the patient, if the form did not ask: else the session is held."""
    ran = handrail("session", "export", session, "--format", "fhir", "--data", data)
    entries = [entry["resource"] for entry in ran.json["entry"]]
    (patient,) = (one for one in entries if one["resourceType"] == "Patient")
    if "name" not in patient or "birthDate" not in patient:
        who = ("--family", "Roe", "--given", "Ada", "--birth-date", "1980-01-31")
        assert handrail("session", "identify", session, *who, "--data", data).code == 0


def counts(server: FhirServer) -> Counter[str]:
    """Count by type what a server holds."""
    return Counter(one["resourceType"] for one in server.store.resources.values())


@contextmanager
def destination(handrail: Handrail, data: Path, name: str, url: str) -> Iterator[None]:
    """Send to a server for a while."""
    ran = handrail("deliver", "add", name, "--fhir", url, "--data", data)
    assert ran.code == 0, ran.err
    try:
        yield
    finally:
        assert handrail("deliver", "remove", name, "--undelivered", "--data", data).code == 0


def test_twice_makes_nothing_double(
    played: Played, data: Path, handrail: Handrail, fhir_server: FhirServer
) -> None:
    """The same session, sent again under another destination's name, changes nothing."""
    identify(handrail, data, played.session)
    wanted = bundle_of(handrail, data, played.session)
    for name in ("once", "twice"):
        with destination(handrail, data, name, fhir_server.base):
            deliver(handrail, data, played.session)
        assert counts(fhir_server) == wanted
        assert fhir_server.store.writes == wanted.total()
    assert fhir_server.asked.count("POST /fhir") == 4  # each is tried when it is added


@pytest.mark.parametrize("transactions", [True, False])
@pytest.mark.parametrize(("way", "share"), [("up", 0.0), ("up", 0.6), ("down", 0.01), ("down", 1)])
def test_cut_it_is_delivered_once(
    ours: Played,
    data: Path,
    handrail: Handrail,
    fhir_server: FhirServer,
    *,
    way: str,
    share: float,
    transactions: bool,
) -> None:
    """A connection that breaks on the way there or back delivers the session once in the end."""
    fhir_server.transactions = transactions
    wanted = bundle_of(handrail, data, ours.session)
    with cutting(fhir_server) as (cutter, url):
        size = {"up": 40_000 if transactions else 4_000, "down": 1_200}[way]
        setattr(cutter, way, max(1, int(size * share)))
        with destination(handrail, data, "cut", url):
            deliver(handrail, data, ours.session)
        assert cutter.cuts == 1
    assert counts(fhir_server) == wanted
    assert fhir_server.store.writes == wanted.total()


def test_what_arrives_is_what_was_entered(
    ours: Played, data: Path, handrail: Handrail, fhir_server: FhirServer
) -> None:
    """The server's response is the exported one, with references of the server's own."""
    with destination(handrail, data, "ehr", fhir_server.base):
        deliver(handrail, data, ours.session)
    (there,) = fhir_server.store.of("QuestionnaireResponse")
    (patient,) = fhir_server.store.of("Patient")
    assert there["subject"]["reference"] == f"Patient/{patient['id']}"
    for word in (ours.said["last-name"], ours.said["member-id"]):
        assert word in json.dumps(there, ensure_ascii=False)
