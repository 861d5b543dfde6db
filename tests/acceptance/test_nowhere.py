"""Values, codes, PINs, secrets and keys are nowhere in clear but where they belong.

One run over a box as a process of its own, with TLS: values in answers of every type, refused ones
and messages that nobody can read; PINs, codes and passwords, right and wrong; deliveries, alerts
and helper processes that fail. Then each of them is searched for, in each way that it may be
written.
"""

import asyncio
import base64
import hashlib
import json
import re
import signal
import ssl
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import aiomqtt
import pytest

from clients import (
    AdminClient,
    Credential,
    FacilityClient,
    HandrailError,
    PatientClient,
    pair,
)
from schemas.base import Role
from schemas.topics import CommandTopic, RequestTopic
from schemas.wire.staff import StaffRole
from session_controller.security.recovery import RecoveryKey
from tests.acceptance.playing import place_of
from tests.acceptance.test_seen import METRICS_TOKEN, Seen, watched
from tests.cli import conftest
from tests.cli.conftest import Handrail, Serving
from tests.contract.forms import SENSITIVE, SIGNATURE, STROKES, extension, form, item, options
from tests.delivery.fhir_server import FhirServer, Trouble
from tests.machine import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

_METRE = {
    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-unitOption",
    "valueCoding": {"system": "http://unitsofmeasure.org", "code": "m", "display": "metre"},
}
_ANSWERS: dict[str, Any] = {
    "string": 'Zq1 "Ágnes" <Zoé>/+',
    "text": "Zq2 erste Zeile\nZq2 zweite „Zeile“",
    "date": "1931-07-19",
    "dateTime": "1932-08-21T09:17:43+02:00",
    "time": "09:17:53",
    "integer": 1_748_291_655,
    "decimal": 8274.918273645,
    "quantity": {
        "value": 6172.839405162,
        "unit": "metre",
        "system": "http://unitsofmeasure.org",
        "code": "m",
    },
    "url": "https://zq3.example/a?b=Zq3",
    "other": "Zq4 neither this nor that",
    "number": "Zq5-987-65-4321",
}
"""A value for each type of answer, by linkId."""

_FORM = form(
    "nowhere",
    item(
        "all",
        "group",
        item=[
            item("string", "string", maxLength=40),
            item("text", "text"),
            item("date", "date"),
            item("dateTime", "dateTime"),
            item("time", "time"),
            item("integer", "integer"),
            item("decimal", "decimal"),
            item("quantity", "quantity", extension=[_METRE]),
            item("url", "url"),
            item("other", "open-choice", answerOption=options("this")),
            item("number", "string", extension=[SENSITIVE]),
            item("card", "attachment"),
        ],
    ),
    item(
        "consent",
        "group",
        item=[
            item("notice", "display", extension=[extension("consent", "Boolean", True)]),
            item("agree", "display", extension=[SIGNATURE]),
        ],
    ),
)

PINS = {
    "first PIN": "271828459045",
    "new PIN": "161803398874",
    "wrong PIN": "314159265358",
    "simple PIN": "999999999999",
}
DOCUMENT = "Zq6 what the insurance card says. "
BUG = "Zq7 what meets a bug"
_PROGRAM = f"""
from hashlib import sha256
from session_controller.service import service
handle = service.handle_command
def handle_command(work, store, topic, command):
    value = str(getattr(command, "value", "")).encode()
    if sha256(value).hexdigest() == {hashlib.sha256(BUG.encode()).hexdigest()!r}:
        raise ValueError(repr(command))
    handle(work, store, topic, command)
service.handle_command = handle_command
import cli
cli.main()
"""
"""The program, with a bug whose exception quotes what somebody entered."""


def written(text: str) -> Iterator[bytes]:
    """Yield each way in which a text may be written: as it is, and encoded."""
    plain = text.encode()
    yield plain
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    yield from (quote(text, safe="").encode(), quote(text).encode(), quote_plus(text).encode())
    yield json.dumps(text)[1:-1].encode()
    yield json.dumps(json.dumps(text)[1:-1])[1:-1].encode()
    yield json.dumps(text, ensure_ascii=False)[1:-1].encode()
    yield repr(text)[1:-1].encode()
    yield text.encode("utf-16-le")
    for before in range(3):  # base64 depends on where in the encoded bytes a text begins
        encoded = base64.b64encode(bytes(before) + plain)
        inner = encoded[(0, 2, 3)[before] : len(encoded) // 4 * 4 - 4]
        if len(inner) >= 8:
            yield inner
            yield inner.translate(bytes.maketrans(b"+/", b"-_"))


@dataclass
class Hidden:
    """What must not be seen, by what it is."""

    texts: dict[str, str] = field(default_factory=dict)

    def __call__(self, name: str, text: str | None = None) -> str:
        """Note a text, or make one; return it."""
        return self.texts.setdefault(name, text or f"Zq{len(self.texts):02}é {name}")

    def found_in(self, places: dict[str, bytes]) -> list[tuple[str, str]]:
        """Return what is in which place, in any way that it may be written."""
        return [
            (name, place)
            for name, text in self.texts.items()
            for way in set(written(text))
            for place, content in places.items()
            if way in content
        ]


def _files(folder: Path, ending: str = "") -> dict[str, bytes]:
    found = (path for path in folder.rglob(f"*{ending}") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@dataclass
class Run:
    """A box that serves, what must not be seen of it, and what was seen."""

    home: Path
    handrail: Handrail
    stack: ExitStack
    seen: Seen
    trust: ssl.SSLContext
    hidden: Hidden = field(default_factory=Hidden)
    printed: dict[str, bytes] = field(default_factory=dict)
    """What commands printed."""
    told: list[bytes] = field(default_factory=list)
    """What devices were told of what was refused."""

    @property
    def data(self) -> Path:
        """Its data folder."""
        return self.home / "data"

    @property
    def url(self) -> str:
        """Where its broker is, for devices on the network."""
        url: str = json.loads((self.data / "box.json").read_text())["mqtts"]
        return url

    def type(self, *words: object, code: int | None = 0) -> str:
        """Run a command on the box; what it prints is searched later."""
        ran = self.handrail(*words, "--data", self.data)
        assert code in {None, ran.code}, f"{words}: {ran.out}{ran.err}"
        self.printed[" ".join(map(str, words))] = (ran.out + ran.err).encode()
        return ran.out

    def given(self, *words: object) -> str:
        """Run a command whose very purpose is to print a secret once."""
        ran = self.handrail(*words, "--data", self.data)
        assert ran.code == 0, ran.err
        return ran.out

    def client(self, kind: Callable[..., Any], credential: Credential) -> Any:
        """Connect a client for the rest of the run."""
        return self.stack.enter_context(kind(self.url, credential, tls=self.trust))

    def in_vain(self, act: Callable[[], object]) -> None:
        """Do what is refused; the refusal is searched later."""
        with pytest.raises(HandrailError) as refused:
            act()
        self.told.append(f"{refused.value!r} {refused.value} {vars(refused.value)}".encode())

    def places(self) -> dict[str, bytes]:
        """Return all that is searched."""
        files = _files(self.data)
        return {
            "log": self.seen.log.read_bytes(),
            "http": b"\0".join(self.seen.answers),
            "processes": b"\0".join(self.seen.processes),
            "refusals": b"\0".join(self.told),
            **{f"`{words}`": said for words, said in self.printed.items()},
            **{name: content for name, content in files.items() if name != "admin.json"},
        }


def _configured(home: Path, server: FhirServer, hidden: Hidden) -> tuple[str, ...]:
    """Write the configuration, with channels of alerts that fail, and files with secrets."""
    secrets = {
        "metrics": METRICS_TOKEN,
        "alert": "Zq-alert-token-01234",
        "mail": "Zq-mail-password-012",
        "mqtt": "Zq-mqtt-password-012",
        "delivery": "Zq-delivery-token-01",
    }
    for name, secret in secrets.items():
        (home / f"{name}.secret").write_text(hidden(f"secret of {name}", secret))
        (home / f"{name}.secret").chmod(0o600)
    lines = [
        "[alerts]",
        'email_to = "it@clinic.example"',
        'email_from = "box@clinic.example"',
        f'email_server = "127.0.0.1:{free_port()}"',
        'email_security = "none"',
        'email_username = "box"',
        f'email_password_file = "{home}/mail.secret"',
        f'webhook_url = "{server.base}/hook"',
        f'webhook_token_file = "{home}/alert.secret"',
        f'mqtt_url = "mqtt://127.0.0.1:{free_port()}"',
        'mqtt_username = "box"',
        f'mqtt_password_file = "{home}/mqtt.secret"',
    ]
    file = home / "handrail.toml"
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    log = ("--log-level", "debug", "--log-format", "json")
    return ("--config", str(file), *log, "--metrics-token-file", str(home / "metrics.secret"))


def test_all_of_it(
    tmp_path: Path,
    handrail: Handrail,
    fhir_server: FhirServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Entered, provoked and searched for: in log, processes, HTTP, refusals, commands and files."""
    monkeypatch.setattr(conftest, "PROGRAM", (sys.executable, "-P", "-c", _PROGRAM))
    home, hidden = tmp_path / "box", Hidden()
    data = home / "data"
    home.mkdir()
    names = ("--name", "clinic.local", "--address", "127.0.0.1")
    assert handrail("tls", "create", *names, "--data", data).code == 0
    options_, ca = _configured(home, fhir_server, hidden), str(data / "tls" / "ca.pem")
    with ExitStack() as stack:
        serving = stack.enter_context(Serving(data, *options_))
        for variable in ("HANDRAIL_CA", "SSL_CERT_FILE"):
            monkeypatch.setenv(variable, ca)
        seen = Seen(_pages(serving), serving.log)
        stack.enter_context(watched(serving.process.pid, seen))
        trust = ssl.create_default_context(cafile=ca)
        run = Run(home, handrail, stack, seen, trust, hidden)
        _play(run, fhir_server)
        serving.end(signal.SIGKILL)
    with Serving(data, *options_) as again, watched(again.process.pid, seen):
        seen.http = _pages(again)
        seen.everywhere()
        _looked_at(run)
        assert again.end() == 0
    _was_there(run)
    found = hidden.found_in(run.places())
    assert not found, found


def _pages(serving: Serving) -> str:
    found = re.search(r"https://\S+", serving.ready)
    assert found, serving.ready
    return found[0]


def _play(run: Run, server: FhirServer) -> None:
    """Enter, provoke and look at all of it."""
    admin = run.client(AdminClient, place_of(run.data)[1])
    for device, secret in json.loads((run.data / "admin.json").read_text()).items():
        run.hidden(f"secret of {device}", secret)
    _deliveries(run, server)
    _recovery(run)
    admin.add_flow(_FORM)
    desk = _enrolled(run, admin)
    tablet = _paired(run)
    staff = run.client(FacilityClient, desk)
    _signed_in(run, admin, staff)
    guest, session = _visited(run, staff)
    _entered(run, guest, session)
    run.seen.everywhere()
    _unreadable(run, tablet, session)
    _looked_at(run)
    _signed(run, staff, guest, session)
    _administered(run, session)
    run.seen.everywhere()


def _deliveries(run: Run, server: FhirServer) -> None:
    """Add a server that refuses and quotes, a broker that is not there, and a damaged folder."""
    out = run.home / "out"
    out.mkdir()
    token, password = run.home / "delivery.secret", run.home / "mqtt.secret"
    run.type("deliver", "add", "ehr", "--fhir", server.base, "--token-file", token)
    run.type("deliver", "add", "lab", "--fhir", server.base, "--token-file", token)
    broker = ("--mqtt", f"mqtt://127.0.0.1:{free_port()}", "--plain", "--username", "box")
    hub = (*broker, "--topic", "zq/{session}", "--password-file", password)
    run.type("deliver", "add", "hub", *hub, code=None)
    run.type("deliver", "add", "share", "--folder", out)
    out.rmdir()
    out.write_text("no folder any more")
    text = run.hidden("refusal of a server")
    quoting = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": text}]}
    answers = [Trouble(422, body=quoting, on="/fhir"), Trouble(503, body=text, on="/fhir")]
    server.troubles = deque(50 * answers)


def _recovery(run: Run) -> None:
    """Make a recovery key, which is on paper only, and back up for it."""
    paper = run.given("key", "recovery", "create")
    key = RecoveryKey.read(paper[: paper.index("recipient")])
    run.hidden("recovery key", key.text)
    run.hidden("recovery key, as printed", key.lines[1])
    run.type("backup")


def _enrolled(run: Run, admin: AdminClient) -> Credential:
    """Enroll a front-desk screen; try a wrong secret for it."""
    one = admin.enrol_device("Front desk", Role.FACILITY)
    assert one.secret
    wrong = run.hidden("wrong secret", "Zq-wrong-secret-0123456789")
    bad = Credential(one.site, one.device, Role.FACILITY, wrong)
    run.in_vain(lambda: FacilityClient(run.url, bad, tls=run.trust).start(10))
    secret = run.hidden("secret of the desk", one.secret)
    return Credential(one.site, one.device, Role.FACILITY, secret)


def _paired(run: Run) -> Credential:
    """Pair a screen by its code; try wrong codes."""
    order = ("device", "enrol", "Tablet", "--role", "patient", "--code", "--json")
    code = run.hidden("code of a screen", json.loads(run.given(*order))["code"])
    run.hidden("the same without its hyphen", code.replace("-", ""))
    wrong = run.hidden("wrong code", "ZQXW-VTSR")
    for _ in range(2):
        run.in_vain(lambda: pair(run.url, wrong, tls=run.trust))
    run.in_vain(lambda: pair(run.url, run.hidden("no code", "Zq no code"), tls=run.trust))
    tablet = pair(run.url, code, tls=run.trust)
    run.hidden("secret of a screen", tablet.secret)
    return tablet


def _signed_in(run: Run, admin: AdminClient, staff: FacilityClient) -> None:
    """Sign in with right and wrong PINs, changed ones, and ones that are none."""
    pins = {name: run.hidden(name, pin) for name, pin in PINS.items()}
    roles = (StaffRole.FRONT_DESK, StaffRole.SUPERVISOR)
    ana = admin.add_person("Ana Roe", roles, pins["first PIN"]).person
    run.in_vain(lambda: staff.sign_in(ana, pins["wrong PIN"]))
    staff.sign_in(ana, pins["first PIN"])
    staff.sign_out()
    admin.change_pin(ana, pins["new PIN"])
    run.in_vain(lambda: admin.change_pin(ana, pins["simple PIN"]))
    run.in_vain(lambda: admin.change_pin("nobody", pins["new PIN"]))
    run.in_vain(lambda: staff.sign_in(ana, pins["first PIN"]))
    reason = run.hidden("reason of emergency access")
    staff.begin_emergency_access("Dr Day", reason)
    staff.sign_out()
    staff.sign_in(ana, pins["new PIN"])


def _visited(run: Run, staff: FacilityClient) -> tuple[PatientClient, str]:
    """Open a session with a label for a guest's phone."""
    opened = staff.open_session("nowhere", label=run.hidden("label"))
    assert opened.code
    code = run.hidden("code of a session", opened.code)
    credential = pair(run.url, code, name=run.hidden("name of a phone"), tls=run.trust)
    run.hidden("secret of a phone", credential.secret)
    guest: PatientClient = run.client(PatientClient, credential)
    guest.wait_for(opened.session)
    return guest, opened.session


def _entered(run: Run, guest: PatientClient, session: str) -> None:
    """Enter a value of each type; ones that are refused; one that meets a bug; documents."""
    for link, value in _ANSWERS.items():
        guest.enter_field(session, link, value).result(10)
        for leaf in value.values() if isinstance(value, dict) else [value]:
            if str(leaf) not in {"metre", "m", "http://unitsofmeasure.org"}:
                run.hidden(f"{link}: {leaf}"[:30], str(leaf))
    refused = {
        "string": run.hidden("too long") * 9,
        "date": run.hidden("no date"),
        "integer": run.hidden("no number"),
        "quantity": {"value": run.hidden("no quantity"), run.hidden("key"): 1},
        "no-such-field": run.hidden("elsewhere"),
        run.hidden("field id"): "x",
        "text": run.hidden("bug", BUG),
    }
    for link, value in refused.items():
        pending = guest.enter_field(session, link, value)
        if link in {"string", "date"}:
            pending.result(10)  # stored with what is wrong with it
        else:
            run.in_vain(partial(pending.result, 10))
    _uploaded(run, guest, session)


def _uploaded(run: Run, guest: PatientClient, session: str) -> None:
    """Upload a document, and ones that are not what they say."""
    text = run.hidden("document", DOCUMENT)
    content = text.encode() * 40
    for media_type in ("image/png", "application/pdf", "Zq8/Zq9-no-media-type"):
        run.in_vain(partial(guest.upload, session, "card", content, media_type, 20))
    run.hidden("media type", "Zq9-no-media-type")
    guest.upload(session, "card", content, "text/plain", 20)


def _unreadable(run: Run, credential: Credential, session: str) -> None:
    """Send messages that nobody can read, each with words of its own."""
    words = [run.hidden(f"unreadable {n}") for n in range(6)]
    command = {"v": 1, "type": "ENTER_FIELD", "command_id": "x", "seq": 1, "field_id": "string"}
    bodies = [
        json.dumps({**command, "value": words[0]}).encode()[:-2],
        json.dumps({**command, "value": "x", words[1]: words[1]}).encode(),
        json.dumps({**command, "type": words[2]}).encode(),
        words[3].encode("utf-16"),
        b"[" * 5_000 + words[4].encode(),
        json.dumps({**command, "seq": words[5]}).encode(),
    ]
    topics = (CommandTopic(session, credential.device), RequestTopic(credential.device))
    where = urlsplit(run.url)

    async def send() -> None:
        client = aiomqtt.Client(
            str(where.hostname),
            int(where.port or 0),
            username=credential.device,
            password=credential.secret,
            identifier=credential.device,
            tls_context=run.trust,
        )
        async with client, asyncio.timeout(30):
            for topic in topics:
                for body in bodies:
                    await client.publish(topic.under(credential.site), body, qos=1)

    asyncio.run(send())


def _looked_at(run: Run) -> None:
    """Ask the box in each way that is not for reading what people entered."""
    run.type("status")
    run.type("status", "--json")
    run.type("doctor", code=None)  # deliveries fail: it finds faults
    run.type("doctor", "--json", code=None)
    run.given("session", "list", "--all", "--json")  # it lists the labels, for staff's use
    run.type("device", "list", "--json")
    run.given("staff", "list", "--all")  # it lists the reasons of emergency access, to review them
    run.type("audit", "list", "--json")
    run.type("audit", "verify")
    run.type("deliver", "status", "--json", code=None)
    run.type("deliver", "list", "--json")
    run.type("config", "show")
    run.type("tls", "show")
    run.type("key", "show")
    run.type("key", "recovery", "show")


def _signed(run: Run, staff: FacilityClient, guest: PatientClient, session: str) -> None:
    """Sign, complete, and identify."""
    for field_id in ("string", "date"):
        guest.clear_field(session, field_id).result(10)
    staff.review_document(session, "card", accepted=True).result(10)
    staff.navigate(session, "consent", override_reason=run.hidden("override")).result(10)
    guest.report_reading(session, "notice", 1).result(10)
    staff.request_signature(session, "agree", run.hidden("name of staff")).result(10)
    guest.wait_for(session, lambda view: view.signature is not None)
    name, kin = run.hidden("printed name"), run.hidden("relationship")
    signed = {"printed_name": name, "relationship": kin}
    guest.submit_signature(session, "agree", STROKES, **signed).result(10)
    staff.complete(session, run.hidden("override at the end")).result(10)


def _administered(run: Run, session: str) -> None:
    """Deliver in vain, alert in vain, identify, export, back up, rotate, purge."""
    family, given = run.hidden("family"), run.hidden("given")
    who = ("--family", family, "--given", given, "--birth-date", run.hidden("born", "1930-01-31"))
    assert run.handrail("session", "identify", session, *who, "--data", run.data).code == 0
    run.type("alert", "test", code=1)
    for _ in range(20):
        run.handrail("deliver", "now", "--data", run.data)
        listed = json.loads(run.type("deliver", "status", session, "--json", code=None))
        if all(one["status"] == "refused" or one["attempts"] for one in listed["deliveries"]):
            break
    run.type("session", "export", session, "--format", "pdf", "--output", run.home / "x.pdf")
    run.type("backup")
    run.type("key", "rotate")
    run.type("session", "timeline", "s-000000000000", code=1)


def _was_there(run: Run) -> None:
    """See that what was searched has what it should have, and that the search finds it."""
    log = run.seen.log.read_text()
    wanted = ["command refused", "pairing code refused", "PIN refused", "ValueError at", "alert"]
    assert [line for line in wanted if line not in log] == []
    assert "Traceback" not in log
    processes = b" ".join(run.seen.processes)
    for child in (b"session_controller.media", b"session_controller.backup"):
        assert child in processes, "no child was seen"
    secrets = {n: t for n, t in run.hidden.texts.items() if n.startswith("secret of admin-")}
    assert Hidden(secrets).found_in({"admin.json": (run.data / "admin.json").read_bytes()})


@pytest.mark.parametrize("way", list(written('Zq "Ágnes" a/b+c')))
def test_each_way_would_be_found(way: bytes) -> None:
    """In the middle of other bytes."""
    hidden = Hidden({"name": 'Zq "Ágnes" a/b+c'})
    assert ("name", "log") in hidden.found_in({"log": b"x" + way + b"x"})
