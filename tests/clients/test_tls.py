"""The SDK over TLS, with a relay in front of the box that ends it, as a reverse proxy does."""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Self

import pytest

from clients import FacilityClient
from tests.broker import certificates
from tests.clients.conftest import prompt
from tests.pictures import png
from tests.waiting import wait_until


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until there are no more."""
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class Relay:
    """Ends TLS and passes the bytes on to a port."""

    def __init__(self, context: ssl.SSLContext, target: int) -> None:
        self._context = context
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="relay")
        self.port = 0

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._passed, "127.0.0.1", 0, ssl=self._context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _passed(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(pipe(reader, inner_writer), pipe(inner_reader, writer))

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> certificates.Certificates:
    """Make certificates once."""
    return certificates.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["mqtts", "wss"])
def url(request, clinic, made) -> Iterator[str]:
    """Yield the URL of a relay in front of the box."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.folder / "server.pem", made.folder / "server.key")
    secure_web = request.param == "wss"
    target = int(clinic.box.http.rsplit(":", 1)[1]) if secure_web else clinic.box.port
    with Relay(context, target) as relay:
        yield f"{request.param}://127.0.0.1:{relay.port}{'/mqtt' if secure_web else ''}"
        # The clients first, then the relay that they speak through.
        clinic.open_clients.pop_all().close()


def test_documents_go_both_ways_over_tls(clinic, made, url):
    """Whole, though TLS holds back bytes that the socket does not show."""
    trust = made.client_context()
    staff = clinic.staff(url=url, tls=trust)
    patient = clinic.patient(url=url, tls=trust)
    opened = staff.open_session("quick")
    patient.join_by_code(opened.code)
    data = png(500_000)
    patient.wait_for(opened.session)
    patient.upload(opened.session, "card", data, "image/png", timeout=30)
    assert staff.fetch_document(opened.session, "card", timeout=30) == data
    patient.interrupt()
    assert patient.enter_field(opened.session, "name", "Zoe").result(10).fields["name"]


# paho leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_box_that_cannot_prove_itself_is_not_spoken_to(clinic, url):
    """Without the authority that signed its certificate, no secret is sent."""
    with closing(FacilityClient(url, clinic.admin.credential, backoff=prompt())) as staff:
        staff.start(timeout=None)
        wait_until(lambda: "certificate" in staff._link.last_error, "it is refused for that")
        assert not staff.online
