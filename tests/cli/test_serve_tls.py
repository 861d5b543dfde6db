"""`handrail serve` with a certificate: TLS and nothing else, for MQTT and for the pages."""

import base64
import http.client
import json
import socket
import sqlite3
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.x509 import load_pem_x509_certificates

from clients import Credential, FacilityClient
from schemas.base import Role
from session_controller.security.encryption import KEY_VARIABLE
from tests.broker import certificates
from tests.waiting import wait_until

from .conftest import PROGRAM, Handrail, Serving

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
    """Return the answer to a CONNECT without a password; empty if there is none."""
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
    """A browser that trusts the authority gets the page; metrics say when the certificate ends."""
    with Serving(tmp_path / "data", *_options(made)) as serving:
        url = _where(tmp_path / "data")["http"]
        browser = http.client.HTTPSConnection(*_address(url), context=made.client_context())
        with closing(browser):
            browser.request("GET", "/")
            answer = browser.getresponse()
            assert answer.status == 200
            answer.read()
            browser.request("GET", "/metrics")
            metrics = browser.getresponse().read().decode()
        assert serving.end() == 0
    (certificate, *_) = load_pem_x509_certificates((made.folder / "server.pem").read_bytes())
    ends = certificate.not_valid_after_utc.timestamp()
    assert f"handrail_certificate_end_timestamp_seconds {ends}\n" in metrics


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
    with Serving(data, *_options(made), "--mqtt", "0.0.0.0:0", "--no-mdns") as serving:
        assert _where(data)["mqtt"].startswith("mqtt://127.0.0.1:")
        assert _where(data)["mqtts"].startswith("mqtts://0.0.0.0:")
        assert serving.end() == 0


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("--tls-cert server.pem", "--tls-key"),
        ("--tls-client-ca server.pem", "--tls-cert"),
        ("--tls-cert server.pem --tls-key gone.key", "gone.key: No such file"),
        ("--tls-cert server.pem --tls-key client.key", "do not contain a matching certificate"),
        ("--tls-cert server.pem --tls-key locked.key", "do not contain a matching certificate"),
        ("--tls-cert server.key --tls-key server.key", "do not contain a matching certificate"),
        (
            "--tls-cert server.pem --tls-key server.key --tls-client-ca server.key",
            "CA certificates",
        ),
        ("--tls-cert server.pem --tls-key server.key --broker mqtt://h", "--broker"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    options: str, wanted: str, made: Made, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what is wrong, with 2, before a data folder is made."""
    monkeypatch.chdir(made.folder)
    ran = handrail("serve", "--data", "data", *options.split())
    assert ran.code == 2
    assert len(ran.err.strip().splitlines()) == 1
    assert wanted in ran.err
    assert not (made.folder / "data").exists()


def test_a_restore_lists_how_the_box_was_started(
    made: Made, tmp_path: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its configuration, without passwords, its certificate and key, and a key that is no file."""
    data, copy = tmp_path / "data", tmp_path / "box.backup"
    monkeypatch.setenv(KEY_VARIABLE, base64.b64encode(b"k" * 32).decode())
    monkeypatch.setenv("HANDRAIL_FONTS", "/usr/share/fonts")
    mine = tmp_path / "data" / "tls.key"
    data.mkdir(mode=0o700)
    mine.write_bytes((made.folder / "server.key").read_bytes())
    certificate = tmp_path / "server.pem"
    certificate.write_bytes((made.folder / "server.pem").read_bytes())
    files = ("--tls-cert", str(certificate), "--tls-key", str(mine))
    with Serving(data, *files, "--mqtt", "127.0.0.1:0", "--idle-limit", "2h") as serving:
        assert handrail("backup", "--to", copy, "--data", data).code == 0
        assert serving.end() == 0
    certificate.unlink()
    there = tmp_path / "there"
    ran = handrail("restore", copy, "--data", there)
    assert ran.code == 0, ran.err
    assert "- the box key: pass HANDRAIL_BOX_KEY" in ran.err
    assert "- the folder of fonts: set HANDRAIL_FONTS, which was /usr/share/fonts" in ran.err
    assert 'listen.mqtt = "127.0.0.1:0"' in ran.err
    assert 'sessions.idle_limit = "2h"' in ran.err
    assert f'tls.key = "{mine}"' in ran.err
    assert f"- tls.certificate: {certificate} does not exist or cannot be read" in ran.err
    assert (there / "tls.key").read_bytes() == mine.read_bytes()


def _remembers(data: Path) -> bool:
    with suppress(sqlite3.OperationalError):
        place = f"file:{data}/handrail.sqlite?mode=ro"
        with closing(sqlite3.connect(place, uri=True)) as looking:
            found = looking.execute("SELECT 1 FROM meta WHERE key='configuration'")
            return found.fetchone() is not None
    return False


def test_the_password_of_a_broker_is_not_remembered(tmp_path: Path, handrail: Handrail) -> None:
    """Of a broker's address a backup holds the host alone."""
    data = tmp_path / "data"
    order = ("--broker", "mqtt://box:sesame@127.0.0.1:1", "--data", data)
    with subprocess.Popen([*PROGRAM, "serve", *map(str, order)]) as serving:
        wait_until(lambda: _remembers(data), "the box starts", 60)
        serving.terminate()
    backup = handrail("backup", "--data", data, "--json").json["file"]
    files = [path for path in Path(backup).parent.rglob("*") if path.is_file()]
    assert not [path for path in files if b"sesame" in path.read_bytes()]
    ran = handrail("restore", backup, "--data", data)
    assert 'broker.url = "mqtt://127.0.0.1:1"' in ran.err
