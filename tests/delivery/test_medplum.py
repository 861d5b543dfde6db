"""The real record, to a real server that is not ours: Medplum's router, in memory."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from session_controller.export.fhir import singles, transaction
from session_controller.storage.deliveries import DeliveryStatus
from tests.delivery.parcels import Office, ehr
from tests.fhir.records import filled, record_of
from tests.flow.filling import our_flow
from tests.npm import install

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the server's packages."""
    return install(tmp_path_factory.mktemp("medplum"), "@medplum/fhir-router@4")


@pytest.fixture
def medplum(place: Path) -> Iterator[str]:
    """A server for one test; gives its base address."""
    script = Path(__file__).with_name("medplum.mjs")
    order = ["node", "--experimental-websocket", "--no-warnings", str(script)]
    with subprocess.Popen(order, cwd=place, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield f"http://127.0.0.1:{port}/fhir"
        process.kill()


@pytest.mark.parametrize("transactions", ["auto", "never"])
async def test_the_real_record(tmp_path: Path, medplum: str, transactions: str) -> None:
    """A whole registration is taken, and sent a second time makes nothing double."""
    office = Office(tmp_path)
    office.formats = replace(office.formats, transaction=transaction, singles=singles)
    record: Any = record_of(filled(our_flow("pre-registration"), 1))
    wanted = Counter(e["resource"]["resourceType"] for e in transaction(record)["entry"])
    found = []
    for _ in range(2):
        office.outbox.add("s-1", "ehr")
        office.outbox.records["s-1"] = record
        await office.deliver(ehr(medplum, transactions=transactions))
        row = office.outbox.rows["s-1", "ehr"]
        assert row.status is DeliveryStatus.DELIVERED, row.outcome
        found.append(Counter({kind: await _count(medplum, kind) for kind in wanted}))
    assert found == [wanted, wanted]


async def _count(base: str, kind: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{base}/{kind}?_count=100") as response,
    ):
        return len((await response.json()).get("entry", []))
