"""A box that is killed between the server's commit and its own delivers once all the same."""

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from schemas.wire.destinations import DESTINATION
from tests.clients.conftest import clinic_at
from tests.conftest import StartBox
from tests.contract.serving import Serving, handrail_serve
from tests.delivery.fhir_server import FhirServer
from tests.delivery.test_in_a_box import _complete
from tests.machine import free_port


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("transactions", [True, False])
def test_killed_after_the_server_committed(
    start_box: StartBox, tmp_path: Path, fhir_server: FhirServer, transactions: bool
) -> None:
    """`kill -9` at each request that the server has carried out: it holds the session once."""
    fhir_server.transactions = transactions
    data = tmp_path / "data"
    destination = {"name": "ehr", "kind": "fhir", "url": fhir_server.base}
    with start_box(data) as box, clinic_at(box) as clinic:
        clinic.admin.add_destination(DESTINATION.validate_python(destination))
        _complete(clinic)
    seen: set[str] = set()
    running: list[Serving] = []
    ready, killed = threading.Event(), threading.Event()

    def kill_once(asked: str) -> None:
        writes = asked.startswith(("POST /fhir", "PUT")) and not asked.endswith("_search")
        if writes and asked not in seen and ready.wait(30):
            seen.add(asked)
            running[-1].process.kill()
            killed.set()

    fhir_server.before_answer = kill_once
    port, starts, done = free_port(), 0, False
    while not done:
        ready.clear()
        killed.clear()
        with handrail_serve(data, port) as serving:
            running.append(serving)
            ready.set()
            starts += 1
            done = _delivered(data, killed)
    assert starts == len(seen) + 1 >= 2
    kinds = [each["resourceType"] for each in fhir_server.store.resources.values()]
    assert sorted(kinds) == ["Patient", "QuestionnaireResponse"]
    assert fhir_server.store.writes == 2


def _delivered(data: Path, killed: threading.Event) -> bool:
    """Wait until the session is delivered (True), or the box is killed."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not killed.wait(0.1):
        with closing(sqlite3.connect(f"file:{data}/handrail.sqlite?mode=ro", uri=True)) as looking:
            if looking.execute("SELECT status FROM deliveries").fetchall() == [("delivered",)]:
                return True
    assert killed.is_set()
    return False
