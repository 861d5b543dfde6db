"""`handrail serve` with a certificate: TLS and nothing else, for MQTT and for the pages."""

import http.client
import json
import shutil
import socket
import subprocess
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clients import Credential, FacilityClient
from schemas.base import Role
from tests.broker import certificates

from .conftest import Handrail, Serving

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not here")

Made = certificates.Certificates


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Make the files."""
    return certificates.make(tmp_path_factory.mktemp("certificates"))


def _options(made: Made, *more: str) -> tuple[str, ...]:
    folder = made.folder
    files = ("--tls-cert", str(folder / "server.pem"), "--tls-key", str(folder / "server.key"))
    return (*files, *more)


def _where(data: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((data / "box.json").read_text())
    return found


def _enrolled(handrail: Handrail, data: Path) -> Credential:
    given = handrail("device", "enrol", "Desk", "--role", "facility", "--data", data, "--json").json
    return Credential(given["site"], given["device"], Role(given["role"]), given["secret"])


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 0


def _answer(stream: socket.socket) -> bytes:
    """Give what the box answers to a CONNECT without a password; nothing, if it hears none."""
    try:
        stream.sendall(b"\x10\x0d\0\4MQTT\4\2\0\0\0\1x")
        return stream.recv(4)
    except OSError:
        return b""


def test_screens_connect_over_tls_alone(made: Made, tmp_path: Path, handrail: Handrail) -> None:
    """MQTT over TLS, and over WebSocket and TLS, as the ready line says; no plain MQTT."""
    data = tmp_path / "data"
    with Serving(data, *_options(made)) as serving:
        where = _where(data)
        assert where["mqtts"] in serving.ready
        assert where["http"] in serving.ready
        credential = _enrolled(handrail, data)
        pages = where["http"].replace("https", "wss") + "/mqtt"
        for url in (where["mqtts"], pages):
            with FacilityClient(url, credential, tls=made.client_context()) as client:
                assert client.online
        with socket.create_connection(_address(where["mqtts"]), timeout=10) as plain:
            assert not _answer(plain).startswith(b"\x20")
        assert serving.end() == 0


def test_the_pages_come_over_https(made: Made, tmp_path: Path) -> None:
    """A browser that trusts the authority gets the page."""
    with Serving(tmp_path / "data", *_options(made)) as serving:
        url = _where(tmp_path / "data")["http"]
        browser = http.client.HTTPSConnection(*_address(url), context=made.client_context())
        with closing(browser):
            browser.request("GET", "/")
            assert browser.getresponse().status == 200
        assert serving.end() == 0


def test_who_shows_no_certificate_is_not_heard(
    made: Made, tmp_path: Path, handrail: Handrail
) -> None:
    """With `--tls-client-ca` a screen needs a certificate; the box's own commands need none."""
    data = tmp_path / "data"
    with Serving(data, *_options(made, "--tls-client-ca", str(made.authority))) as serving:
        credential, where = _enrolled(handrail, data), _where(data)
        shown = made.client_context(with_certificate=True)
        with FacilityClient(where["mqtts"], credential, tls=shown) as client:
            assert client.online
        for context, heard in ((made.client_context(), False), (shown, True)):
            with (
                socket.create_connection(_address(where["mqtts"]), timeout=10) as bare,
                context.wrap_socket(bare, server_hostname="127.0.0.1") as stream,
            ):
                assert _answer(stream).startswith(b"\x20") is heard
        assert serving.end() == 0


def test_the_way_for_the_boxs_own_commands_is_on_loopback(made: Made, tmp_path: Path) -> None:
    """Wherever the box listens with TLS, it listens without on 127.0.0.1 alone."""
    data = tmp_path / "data"
    with Serving(data, *_options(made), "--mqtt", "0.0.0.0:0") as serving:
        assert _where(data)["mqtt"].startswith("mqtt://127.0.0.1:")
        assert _where(data)["mqtts"].startswith("mqtts://0.0.0.0:")
        assert serving.end() == 0


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("--tls-cert server.pem", "--tls-key"),
        ("--tls-client-ca server.pem", "--tls-cert"),
        ("--tls-cert server.pem --tls-key gone.key", "gone.key: No such file"),
        ("--tls-cert server.pem --tls-key client.key", "no certificate with its key"),
        ("--tls-cert server.pem --tls-key locked.key", "no certificate with its key"),
        ("--tls-cert server.key --tls-key server.key", "no certificate with its key"),
        ("--tls-cert server.pem --tls-key server.key --tls-client-ca server.key", "authorities"),
        ("--tls-cert server.pem --tls-key server.key --broker mqtt://h", "--broker"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    options: str, wanted: str, made: Made, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what is wrong, with 2, before a data folder is made."""
    monkeypatch.chdir(made.folder)
    shut = "openssl pkey -in server.key -aes256 -passout pass:x -out locked.key"
    subprocess.run(shut.split(), check=True, capture_output=True)
    ran = handrail("serve", "--data", "data", *options.split())
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1
    assert wanted in ran.err
    assert not (made.folder / "data").exists()
