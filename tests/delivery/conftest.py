"""A FHIR server in a thread of its own, and boxes that run in another."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Clinic, clinic_at
from tests.conftest import StartBox
from tests.delivery.fhir_server import FhirServer, serving

Start = Callable[..., Any]


@pytest.fixture
def fhir_server() -> Iterator[FhirServer]:
    """A server that is there for one test."""
    server, started, stop = FhirServer(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        async with serving(server):
            started.set()
            await stop.wait()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    thread = threading.Thread(target=run, name="fhir-server")
    thread.start()
    assert started.wait(10)
    yield server
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)


@pytest.fixture
def start(start_box: StartBox, tmp_path: Path) -> Start:
    """Start a clinic on the test's data folder: `with start(deliver=True) as clinic:`."""

    @contextmanager
    def started(*, deliver: bool = True) -> Iterator[Clinic]:
        with start_box(tmp_path / "data", deliver=deliver) as box, clinic_at(box) as clinic:
            yield clinic

    return started
