"""`handrail tls`, and a box that uses the CA and the certificate that it makes."""

import http.client
import json
import signal
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clients import Credential, FacilityClient
from clients.cli.output import print_facts
from clients.sdk.address import Address
from clients.sdk.errors import InvalidInput
from clients.sdk.notifications import Connectivity
from clients.sdk.trust import tls_for
from schemas.base import Role
from session_controller.security.own_tls import OwnTls
from session_controller.transport import mqtt
from tests.broker import certificates
from tests.waiting import wait_until

from .conftest import Handrail, Serving


@pytest.fixture
def data(tmp_path: Path, handrail: Handrail) -> Path:
    """Return a data folder with a CA and a certificate."""
    folder = tmp_path / "data"
    ran = handrail("tls", "create", "--name", "clinic.local", "--data", folder)
    assert ran.code == 0, ran.err
    return folder


def _where(data: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((data / "box.json").read_text())
    return found


def _facts(handrail: Handrail, data: Path) -> dict[str, object]:
    found: dict[str, object] = handrail("tls", "show", "--json", "--data", data).json
    return found


def _credential(handrail: Handrail, data: Path) -> Credential:
    given = handrail("device", "enrol", "Desk", "--role", "facility", "--data", data, "--json").json
    return Credential(given["site"], given["device"], Role(given["role"]), given["secret"])


def _get(url: str, path: str, trust: Path | None = None) -> tuple[int, str | None, bytes]:
    status, headers, body = _asked(url, path, trust)
    return status, headers.get("Location"), body


def _asked(
    url: str, path: str, trust: Path | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, Message, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    if trust is not None:
        context = ssl.create_default_context(cafile=str(trust))
        connection = http.client.HTTPSConnection(parts.netloc, timeout=10, context=context)
    with closing(connection):
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()


def _shown(data: Path) -> bytes | None:
    """Return the certificate that the box shows, verified as a screen does."""
    parts = urlsplit(_where(data)["http"])
    context = ssl.create_default_context(cafile=str(data / "tls" / "ca.pem"))
    with (
        socket.create_connection((parts.hostname, parts.port), timeout=10) as bare,
        context.wrap_socket(bare, server_hostname="127.0.0.1") as stream,
    ):
        return stream.getpeercert(binary_form=True)


def test_the_certificate_is_shown(data: Path, handrail: Handrail) -> None:
    """Its names, dates and fingerprints, and where a screen learns to trust it, also as a code."""
    own, found = OwnTls(data), _facts(handrail, data)
    assert found["names"] == ["clinic.local", "localhost"]
    assert found["trust_page"] == "http://clinic.local/trust"
    assert found["running"] is False
    ca = found["ca"]
    assert isinstance(ca, dict)
    assert ca["name"] == "Handrail CA of main"
    assert ca["file"] == str(own.ca_file)
    assert len(str(ca["fingerprint"])) == 95
    plain, coded = (handrail("tls", "show", *more, "--data", data) for more in ((), ("--qr",)))
    assert str(ca["fingerprint"]) in plain.out
    assert "handrail serve" in plain.err
    assert "█" not in plain.out
    assert "█" in coded.out


def test_a_fingerprint_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """`:CD:` and the like are no pictures."""
    print_facts({"fingerprint": "61:CD:65:ON:TV"})
    assert "61:CD:65:ON:TV" in capsys.readouterr().out


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_fingerprint_is_broken_between_octets(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is compared by eye, octet by octet."""
    monkeypatch.setenv("COLUMNS", str(width))
    fingerprint = ":".join(f"{n:02X}" for n in range(32))
    print_facts({"CA fingerprint": fingerprint})
    lines = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    assert "".join(lines) == fingerprint
    assert all(len(line) % 3 == 0 for line in lines[:-1]), lines
    assert len(lines) > 1


def test_a_ca_is_replaced_on_demand_only(data: Path, handrail: Handrail) -> None:
    """Every screen would have to trust the new one; `renew` keeps it."""
    before = _facts(handrail, data)
    refused = handrail("tls", "create", "--data", data)
    assert refused.code == 1
    assert "--force" in refused.err
    assert _facts(handrail, data) == before
    assert handrail("tls", "renew", "--address", "10.0.0.1", "--data", data).code == 0
    renewed = _facts(handrail, data)
    assert renewed["ca"] == before["ca"]
    assert renewed["fingerprint"] != before["fingerprint"]
    assert renewed["names"] == before["names"]
    assert renewed["addresses"] == ["10.0.0.1", "127.0.0.1", "::1"]
    assert handrail("tls", "create", "--force", "--data", data).code == 0
    assert _facts(handrail, data)["ca"] != before["ca"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("renew --name example.org", "may not sign for example.org"),
        ("renew --name a_b", "is not a host name"),
        ("create --force --address box", "such as 192.168.1.5"),
        ("show --data other", "ca.pem: No such file"),
        ("renew --data other", "ca.pem: No such file"),
        ("serve --no-tls --http-redirect 127.0.0.1:0", "--no-tls excludes"),
        ("serve --no-tls --tls-client-ca x", "--no-tls excludes"),
        ("serve --http-redirect 127.0.0.1:0 --data other", "handrail tls create"),
        ("serve --mqtt 0.0.0.0:0 --data other", "no TLS at --mqtt 0.0.0.0:0; make a certificate"),
        ("serve --http [::]:0 --data other", "pass --no-tls"),
        ("serve --broker mqtt://h --http-redirect 127.0.0.1:0", "--broker"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(
    words: str, said: str, data: Path, handrail: Handrail
) -> None:
    """And nothing is changed or created."""
    before = _facts(handrail, data)
    command, *options = words.split()
    group = () if command == "serve" else ("tls",)
    folder = () if "--data" in options else ("--data", str(data))
    ran = handrail(*group, command, *options, *folder)
    assert ran.code in (1, 2)
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1
    assert _facts(handrail, data) == before
    assert not Path("other").exists()


def test_a_box_uses_its_certificate_by_itself(
    data: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MQTT and WebSocket over TLS, for clients that know the data folder or the CA's file."""
    with Serving(data, "--http-redirect", "127.0.0.1:0") as serving:
        where, ca = _where(data), data / "tls" / "ca.pem"
        for part in (where["mqtts"], where["http"], where["trust"], "TLS with its own CA"):
            assert part in serving.ready
        assert where["trust"].startswith("http://clinic.local:")
        assert _facts(handrail, data)["running"] is True
        assert _facts(handrail, data)["trust_page"] == where["trust"]
        credential = _credential(handrail, data)
        urls = where["mqtts"], where["http"].replace("https", "wss") + "/mqtt"
        for name, value in (("HANDRAIL_DATA", data), ("HANDRAIL_CA", ca)):
            with monkeypatch.context() as patch:
                patch.setenv(name, str(value))
                for url in urls:
                    with FacilityClient(url, credential) as client:
                        assert client.online
        secure, plain = where["http"], f"http://127.0.0.1:{urlsplit(where['trust']).port}"
        assert _get(plain, "/patient?x=1")[:2] == (308, f"{secure}/patient?x=1")
        assert _get(plain, "/mqtt")[0] == 308
        for base, trust in ((plain, None), (secure, ca)):
            status, _, page = _get(base, "/trust", trust)
            assert status == 200
            assert b"Handrail CA of main" in page
            assert _get(base, "/ca.crt", trust)[2] == ssl.PEM_cert_to_DER_cert(ca.read_text())
        assert serving.end() == 0


def test_a_box_answers_to_its_own_names(data: Path) -> None:
    """Over TLS, a browser is told to stay with it; of other names it gets nothing."""
    ca = data / "tls" / "ca.pem"
    redirect = ("--http-redirect", "127.0.0.1:0")
    with Serving(data, *redirect, "--host", "desk.clinic.example") as serving:
        where = _where(data)
        plain = f"http://127.0.0.1:{urlsplit(where['trust']).port}"
        named = ("clinic.local", "DESK.clinic.example", "localhost", socket.gethostname())
        for host in (*named, *(f"{name}:8443" for name in named), "127.0.0.1:8443", "[::1]"):
            status, headers, _ = _asked(where["http"], "/config.json", ca, {"Host": host})
            assert status == 200, host
            keeps = host in named and host != "localhost"
            assert ("Strict-Transport-Security" in headers) is keeps, host
            assert headers["Server"] == "handrail"
            assert _asked(plain, "/", headers={"Host": host})[0] == 308
        for host in ("evil.example", "clinic.local.evil.example", "xclinic.local"):
            assert _asked(where["http"], "/config.json", ca, {"Host": host})[0] == 421
            assert _asked(plain, "/", headers={"Host": host})[0] == 421
            assert _asked(plain, "/trust", headers={"Host": host})[0] == 421
        assert serving.end() == 0


def test_a_proxy_that_is_named_is_believed(data: Path) -> None:
    """It says that TLS ended there; the page then opens its WebSocket as one of https."""
    (data / "handrail.toml").write_text("[listen]\nproxies = '10.0.0.0/8 127.0.0.1'\n")
    said = {"Host": "desk.clinic.example", "X-Forwarded-Proto": "https"}
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol": "mqtt",
        "Origin": "https://desk.clinic.example",
    }
    with Serving(data, "--no-tls", "--host", "desk.clinic.example") as serving:
        where = _where(data)["http"]
        status, headers, _ = _asked(where, "/config.json", headers=said)
        assert (status, "Strict-Transport-Security" in headers) == (200, True)
        assert _upgraded(where, said | upgrade) == 101
        del said["X-Forwarded-Proto"]
        assert _upgraded(where, said | upgrade) == 403
        assert serving.end() == 0


def _upgraded(url: str, headers: Mapping[str, str]) -> int:
    parts = urlsplit(url)
    lines = ["GET /mqtt HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    with socket.create_connection((parts.hostname, parts.port), timeout=10) as bare:
        bare.sendall("\r\n".join((*lines, "", "")).encode())
        return int(bare.recv(64).split()[1])


def test_without_tls_on_demand(data: Path) -> None:
    """`--no-tls` leaves the certificate unused."""
    with Serving(data, "--no-tls") as serving:
        assert _where(data)["http"].startswith("http://")
        assert "mqtts" not in _where(data)
        assert "TLS" not in serving.ready
        assert serving.end() == 0


def test_a_renewal_drops_no_connection(data: Path, handrail: Handrail) -> None:
    """After SIGHUP new connections get the new certificate; those that are open stay open."""
    with Serving(data) as serving:
        credential = _credential(handrail, data)
        trust = ssl.create_default_context(cafile=str(data / "tls" / "ca.pem"))
        states: list[bool] = []
        with FacilityClient(_where(data)["mqtts"], credential, tls=trust) as client:
            client.on(Connectivity, lambda now: states.append(now.online))
            before = _shown(data)
            assert handrail("tls", "renew", "--data", data).code == 0
            serving.process.send_signal(signal.SIGHUP)
            wait_until(lambda: _shown(data) != before, "the new certificate is used")
            assert client.open_session("quick-check-in").session
            assert False not in states
        renewed = handrail("tls", "renew", "--name", "new.local", "--json", "--data", data).json
        assert renewed["trust_page"] == _where(data)["trust"].replace("clinic.local", "new.local")
        assert serving.end() == 0
        log = serving.log.read_text()
        assert "new connections get the certificate in" in log


def test_own_files_are_read_again_and_broken_ones_are_not(tmp_path: Path) -> None:
    """SIGHUP with a file that does not fit: a sentence, and the old certificate stays."""
    made = certificates.make(tmp_path)
    data = tmp_path / "data"
    files = ("--tls-cert", str(tmp_path / "server.pem"), "--tls-key", str(tmp_path / "server.key"))
    with Serving(data, *files) as serving:
        content = (tmp_path / "server.pem").read_bytes()
        (tmp_path / "server.pem").write_bytes((tmp_path / "client.pem").read_bytes())
        serving.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "not reloaded" in serving.log.read_text(), "it is refused")
        assert "do not contain a matching certificate and key" in serving.log.read_text()
        assert _get(_where(data)["http"], "/config.json", made.authority)[0] == 200
        (tmp_path / "server.pem").write_bytes(content)
        serving.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "new connections get" in serving.log.read_text(), "it is read")
        assert _get(_where(data)["http"], "/config.json", made.authority)[0] == 200
        assert "Traceback" not in serving.log.read_text()
        assert serving.end() == 0


def test_sighup_ends_no_box(tmp_path: Path) -> None:
    """Also without TLS, where there is nothing to read again."""
    with Serving(tmp_path / "data") as serving:
        serving.process.send_signal(signal.SIGHUP)
        assert _get(_where(tmp_path / "data")["http"], "/config.json")[0] == 200
        assert serving.end() == 0


def test_a_screen_that_does_not_trust_the_box_is_named(data: Path) -> None:
    """Once, with the page that helps, and without a traceback, whatever a client sends."""
    with Serving(data, "--http-redirect", "127.0.0.1:0") as serving:
        parts = urlsplit(_where(data)["http"])
        for _ in range(3):
            with (
                socket.create_connection((parts.hostname, parts.port), timeout=10) as bare,
                pytest.raises(ssl.SSLCertVerificationError),
            ):
                ssl.create_default_context().wrap_socket(bare, server_hostname="127.0.0.1")
            with socket.create_connection((parts.hostname, parts.port), timeout=10) as bare:
                bare.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert bare.recv(100) == b""
        wait_until(lambda: "use https://" in serving.log.read_text(), "both are logged")
        assert serving.end() == 0
        lines = [one for one in serving.log.read_text().splitlines() if "TLS failed" in one]
        assert len(lines) == 2
        assert "if it is a screen, open http://clinic.local:" in lines[0]
        assert "Traceback" not in serving.log.read_text()


def test_a_torn_certificate_is_made_again_at_the_start(data: Path) -> None:
    """As after a power failure in the middle of a renewal."""
    (data / "tls" / "box.key").write_text("torn")
    with Serving(data) as serving:
        assert _shown(data) is not None
        assert serving.end() == 0


def test_a_certificate_beyond_repair_keeps_a_box_from_starting(
    data: Path, handrail: Handrail
) -> None:
    """With what to do, in a line behind the log's."""
    (data / "tls" / "box.key").write_text("torn")
    (data / "tls" / "ca.key").unlink()
    ran = handrail("serve", "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", data)
    assert ran.code == 1
    assert "handrail tls create --force" in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


def test_the_files_come_back_with_a_backup(data: Path, tmp_path: Path, handrail: Handrail) -> None:
    """The screens that trusted the box trust it after a restore elsewhere."""
    copy = tmp_path / "box.backup"
    assert handrail("backup", "--to", copy, "--data", data).code == 0
    ran = handrail("restore", copy, "--data", tmp_path / "there")
    assert ran.code == 0, ran.err
    there = tmp_path / "there" / "tls"
    for path in (data / "tls").iterdir():
        assert (there / path.name).read_bytes() == path.read_bytes()
        assert (there / path.name).stat().st_mode & 0o777 == 0o600
    assert handrail("tls", "renew", "--data", tmp_path / "there").code == 0


def _certificate(handrail: Handrail, data: Path) -> list[tuple[str, str]]:
    found = handrail("doctor", "--json", "--data", data).json["findings"]
    return [
        (one["level"], f"{one['text']}; {one['mend']}")
        for one in found
        if one["check"].startswith("certificate") and one["check"] != "certificate-names"
    ]


def test_the_doctor_looks_at_the_own_certificate(
    data: Path, tmp_path: Path, handrail: Handrail
) -> None:
    """Its dates, its key and mode, its CA and the CA's key, and the machine's addresses."""
    ((state, text),) = _certificate(handrail, data)
    assert (state, text.startswith("valid until ")) == ("ok", True)
    (data / "tls" / "box.key").chmod(0o640)
    ((state, text),) = _certificate(handrail, data)
    assert state == "warning"
    assert "chmod 600" in text
    (data / "tls" / "box.key").chmod(0o600)
    ca_key = (data / "tls" / "ca.key").read_bytes()
    (data / "tls" / "ca.key").write_bytes(b"x" * 100)
    assert "handrail tls create --force" in _certificate(handrail, data)[0][1]
    (data / "tls" / "ca.key").write_bytes(ca_key)
    (data / "tls" / "box.key").write_text("torn")
    assert [state for state, _ in _certificate(handrail, data)] == ["critical", "critical"]
    (data / "tls" / "box.pem").write_text("torn")
    ((state, text),) = _certificate(handrail, data)
    assert (state, "does not contain certificates" in text) == ("critical", True)
    assert (
        handrail("device", "enrol", "Desk", "--role", "facility", "--data", tmp_path / "plain").code
        == 0
    )
    ((state, text),) = _certificate(handrail, tmp_path / "plain")
    assert (state, "handrail tls create" in text) == ("note", True)


def test_the_doctor_looks_at_a_given_certificate(tmp_path: Path, handrail: Handrail) -> None:
    """The one that `serve` was last started with; its chain must be in order."""
    certificates.make(tmp_path)
    data, pem = tmp_path / "data", tmp_path / "server.pem"
    (tmp_path / "server.key").chmod(0o600)
    with Serving(data, "--tls-cert", str(pem), "--tls-key", str(tmp_path / "server.key")) as box:
        assert box.end() == 0
    (first, *_) = _certificate(handrail, data)
    assert first[0] == "warning"  # it ends tomorrow
    assert "expires on" in first[1]
    pem.write_bytes(pem.read_bytes() + (tmp_path / "ca.pem").read_bytes())
    assert not [text for _, text in _certificate(handrail, data) if "chain" in text]
    pem.write_bytes(pem.read_bytes() + (tmp_path / "client.pem").read_bytes())
    assert [text for _, text in _certificate(handrail, data) if "chain" in text]


def test_a_controller_trusts_the_ca_of_its_broker(
    tmp_path: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As clients do: the file of `HANDRAIL_CA`, which must be usable."""
    made = certificates.make(tmp_path)
    context = mqtt._tls_context({"HANDRAIL_CA": str(made.authority)})
    assert "authority" in str(context.get_ca_certs())
    monkeypatch.setenv("HANDRAIL_CA", str(tmp_path / "gone.pem"))
    ran = handrail("serve", "--broker", "mqtts://127.0.0.1:1", "--data", tmp_path / "data")
    assert ran.code == 2
    assert ran.err.splitlines()[-1].endswith("gone.pem, which cannot be used")


def test_a_client_trusts_what_it_is_told(tmp_path: Path) -> None:
    """A given context first; a file that cannot be used is refused before anything is sent."""
    secure, plain = Address.parse("mqtts://h"), Address.parse("mqtt://h")
    given = ssl.create_default_context()
    assert tls_for(plain, given, {}) is None
    assert tls_for(secure, given, {"HANDRAIL_CA": "/nowhere"}) is given
    made = certificates.make(tmp_path)
    trusting = tls_for(secure, None, {"HANDRAIL_CA": str(made.authority)})
    assert trusting is not None
    assert "authority" in str(trusting.get_ca_certs())
    (tmp_path / "empty.pem").write_text("nothing")
    for name, why in (("gone.pem", "cannot be read"), ("empty.pem", "CA certificates")):
        with pytest.raises(InvalidInput, match=why):
            tls_for(secure, None, {"HANDRAIL_CA": str(tmp_path / name)})
    assert tls_for(secure, None, {"HANDRAIL_DATA": str(tmp_path)}) is not None
