"""A FHIR server in a thread of its own, for boxes that run in another."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.delivery.fhir_server import FhirServer, serving


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
