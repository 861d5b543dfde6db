"""Certificates that are replaced while a broker runs, and handshakes that fail."""

import asyncio
import logging
import shutil
import ssl
import warnings
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from broker import Broker, Listener, Tls, tls_problem

from . import certificates
from .certificates import Certificates
from .support import DEADLINE, Peer, connect_packet, publish_packet, running

PAGE = "http://box.local/trust"


def _tls(folder: Path, client_ca: Path | None = None) -> Tls:
    return Tls(folder / "server.pem", folder / "server.key", client_ca, trust_page=PAGE)


class Warnings(logging.Handler):
    """Collects warnings of all loggers, and lets a test wait for one."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self._changed = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())
        self._changed.set()

    async def first(self) -> str:
        """Return the only line, once it is there."""
        async with asyncio.timeout(DEADLINE):
            await self._changed.wait()
        (line,) = self.lines
        return line


@pytest.fixture
async def log() -> AsyncIterator[Warnings]:
    """Collect all warnings for the length of a test."""
    handler = Warnings()
    logging.getLogger().addHandler(handler)
    yield handler
    logging.getLogger().removeHandler(handler)


def _old() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is the point
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


async def _speak_tls(broker: Broker, context: ssl.SSLContext) -> None:
    with pytest.raises(OSError):  # noqa: PT011 - the alert's wording is OpenSSL's
        await Peer.open(broker, ssl=context)


async def _speak_plainly(broker: Broker, content: bytes) -> None:
    peer = await Peer.open(broker)
    peer.send(content)
    peer.writer.write_eof()
    await peer.closed()


@pytest.mark.parametrize(
    ("speak", "words"),
    [
        (lambda b: _speak_tls(b, ssl.create_default_context()), f"open {PAGE} on it"),
        (lambda b: _speak_tls(b, _old()), "it has no TLS 1.2 or newer; update it"),
        (lambda b: _speak_plainly(b, b"GET / HTTP/1.1\r\n\r\n"), "use https://"),
        (lambda b: _speak_plainly(b, connect_packet()), "it used no TLS on a TLS port"),
        (lambda b: _speak_plainly(b, b""), "it closed the connection during the handshake"),
    ],
    ids=["untrusted", "old", "http", "mqtt", "closed"],
)
async def test_a_failed_handshake_is_logged_once_with_its_cause(
    speak: Callable[[Broker], object],
    words: str,
    certs: Certificates,
    log: Warnings,
) -> None:
    """For each address and cause, in words, and by nobody else."""
    async with running(mqtt=Listener(tls=_tls(certs.folder))) as broker:
        await speak(broker)  # type: ignore[misc]
        line = await log.first()
        assert line.startswith("127.0.0.1: TLS failed: ")
        assert words in line
        await speak(broker)  # type: ignore[misc]
        peer = await Peer.open(broker, ssl=certs.client_context())
        peer.send(connect_packet())
        await peer.expect(2)
        assert log.lines == [line]


async def test_a_missing_client_certificate_is_named(certs: Certificates, log: Warnings) -> None:
    """A client without one did not fail for its trust."""
    async with running(mqtt=Listener(tls=_tls(certs.folder, certs.authority))) as broker:
        peer = await Peer.open(broker, ssl=certs.client_context())
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await peer.reader.readexactly(1)
        line = await log.first()
        assert "it has no client certificate, which is required here" in line


async def test_what_arrives_with_the_handshake_is_kept(certs: Certificates) -> None:
    """A client need not wait: CONNECT and more right behind its Finished."""
    async with running(mqtt=Listener(tls=_tls(certs.folder))) as broker:
        peer = await Peer.open(broker, ssl=certs.client_context())
        peer.send(connect_packet(), publish_packet("a", qos=1))
        await peer.expect(2)
        await peer.expect(4)


async def test_a_new_certificate_is_for_new_connections(
    certs: Certificates, tmp_path: Path
) -> None:
    """Also one of another CA; a connection that is open stays, over MQTT and HTTPS alike."""
    old, new = _copied(certs, tmp_path), certificates.make(_made(tmp_path / "new"))
    tls = _tls(old.folder)
    async with running(mqtt=Listener(tls=tls), web=Listener(kind="http", tls=tls)) as broker:
        stays = await Peer.open(broker, ssl=old.client_context())
        stays.send(connect_packet("stays"))
        await stays.expect(2)
        before = new.client_context()
        for name in ("server.pem", "server.key"):
            shutil.copy(new.folder / name, old.folder / name)
        assert broker.reload_certificates() is None
        await _speak_tls(broker, old.client_context())
        comes = await Peer.open(broker, ssl=before)
        comes.send(connect_packet("comes"))
        await comes.expect(2)
        await stays.nothing_more()
        host, port = broker.addresses["web"]
        async with (
            aiohttp.ClientSession() as web,
            web.get(f"https://{host}:{port}/", ssl=before) as answer,
        ):
            assert answer.status == 404


async def test_an_unusable_certificate_is_refused(certs: Certificates, tmp_path: Path) -> None:
    """With the reason of `tls_problem`; the one before stays in use."""
    own = _copied(certs, tmp_path)
    tls = _tls(own.folder)
    async with running(mqtt=Listener(tls=tls)) as broker:
        shutil.copy(certs.folder / "client.pem", own.folder / "server.pem")
        problem = broker.reload_certificates()
        assert problem is not None
        assert problem == tls_problem(tls)
        assert "do not contain a matching certificate and key" in problem
        peer = await Peer.open(broker, ssl=certs.client_context())
        peer.send(connect_packet())
        await peer.expect(2)


async def test_a_redirect_listener_refers_to_https(certs: Certificates) -> None:
    """To the same path and name; what it serves itself is not referred; other names are refused."""
    tls = _tls(certs.folder)
    plain = Listener(kind="redirect", served=frozenset({"/here"}))
    async with running(web=Listener(kind="http", tls=tls), plain=plain) as broker:
        port, secure = broker.addresses["plain"][1], broker.addresses["web"][1]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as web:

            async def status(path: str, host: str = "box.local:80") -> tuple[int, str | None]:
                headers = {"Host": host}
                async with web.get(path, allow_redirects=False, headers=headers) as answer:
                    return answer.status, answer.headers.get("Location")

            assert await status("/a?b=c%20d") == (308, f"https://box.local:{secure}/a?b=c%20d")
            assert await status("/mqtt", "[::1]") == (308, f"https://[::1]:{secure}/mqtt")
            assert await status("/here") == (404, None)
            assert await status("/a", "evil/x") == (400, None)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _copied(certs: Certificates, folder: Path) -> Certificates:
    shutil.copytree(certs.folder, folder / "own")
    return Certificates(folder / "own")
