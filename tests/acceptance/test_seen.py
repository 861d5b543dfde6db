"""What an operator sees of a box has nothing that people entered: log, metrics, checks, processes.

A session is played over a box as a process of its own, with a word of its own in each place where
people write what they like, with the log at its most detailed, and with errors of every kind.
"""

import json
import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from clients import AdminClient, FacilityClient, HandrailError, Refused, pair
from tests.acceptance.playing import place_of
from tests.acceptance.test_purged import WORDS_FORM, Visit, Words, staff_credential
from tests.cli.conftest import Handrail, Serving
from tests.delivery.fhir_server import FhirServer, Trouble
from tests.faults.mounts import needs_root, tmpfs
from tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SSN = "987-65-4321"
BIRTH = "1931-07-19"
METRICS_TOKEN, DELIVERY_TOKEN = "Zq-metrics-0123456789", "Zq-delivery-0123456789"


@dataclass
class Seen:
    """What was seen of a box from outside, as bytes, by where it was seen."""

    http: str
    log: Path
    answers: list[bytes] = field(default_factory=list)
    processes: set[bytes] = field(default_factory=set)

    def get(self, path: str) -> tuple[int, str]:
        """Ask the box over HTTP, and keep the answer; return status and text."""
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        try:
            request = Request(f"{self.http}{path}", headers=headers)  # noqa: S310 - loopback
            with urlopen(request, timeout=30) as answer:  # noqa: S310
                status, body = answer.status, answer.read()
        except HTTPError as refused:
            status, body = refused.code, refused.read()
        self.answers.append(body)
        return status, body.decode()

    def everywhere(self) -> None:
        """Ask for all that can be asked for."""
        for path in ("/healthz", "/readyz", "/metrics"):
            self.get(path)

    def with_any(self, words: list[bytes]) -> list[tuple[str, bytes]]:
        """Return which words were seen, and where."""
        places = {"log": [self.log.read_bytes()], "http": self.answers, "process": self.processes}
        return [
            (name, word)
            for name, texts in places.items()
            for word in words
            if any(word in text for text in texts)
        ]


@contextmanager
def watched(process: int, seen: Seen) -> Iterator[None]:
    """Note command line and environment of a process and of all that it starts."""
    stop, parent = threading.Event(), psutil.Process(process)

    def look() -> None:
        while not stop.wait(0.002):  # how often it looks: a child lives for some tenths of a second
            with suppress(psutil.Error, OSError):
                for one in (parent, *parent.children(recursive=True)):
                    for name in ("cmdline", "environ"):
                        content = Path(f"/proc/{one.pid}/{name}").read_bytes()
                        seen.processes.add(name.encode() + b" " + content)

    thread = threading.Thread(target=look, name="watch")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Fill a file system to its last byte for a while."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    yield
    ballast.unlink()


@needs_root
@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_people_enter_is_seen(
    tmp_path: Path, handrail: Handrail, fhir_server: FhirServer, log_format: str
) -> None:
    """No value, label, name, reason, code, secret or token; though every kind of error is there."""
    word = Words()
    token, secret = tmp_path / "metrics.token", tmp_path / "delivery.token"
    token.write_text(METRICS_TOKEN)
    secret.write_text(DELIVERY_TOKEN)
    secret.chmod(0o600)
    with tmpfs(tmp_path / "disk", "128m") as disk, ExitStack() as stack:
        data = disk / "data"
        serving = stack.enter_context(
            Serving(
                data,
                *("--log-level", "debug", "--log-format", log_format),
                *("--metrics-token-file", str(token)),
            )
        )
        found = re.search(r"http://\S+", serving.ready)
        assert found
        seen = Seen(found[0], serving.log)
        stack.enter_context(watched(serving.process.pid, seen))
        _deliveries(handrail, data, fhir_server, word, secret, tmp_path)
        url, credential = place_of(data)
        admin = stack.enter_context(AdminClient(url, credential))
        admin.add_flow(WORDS_FORM)
        staff_secret = staff_credential(admin)
        staff = stack.enter_context(FacilityClient(url, staff_secret))
        codes = _codes(handrail, data, url, word)
        visits = [Visit(data, staff, word, stack) for _ in range(2)]
        visits[0].act("enter_field", "number", SSN)
        with suppress(Refused):
            visits[0].act("enter_field", SSN, SSN)
        visits[0].fill_in()
        seen.everywhere()
        _full_disk(disk, visits[1], seen, word)
        visits[0].lead("complete")
        who = ("--family", word("family"), "--given", word("given"), "--birth-date", BIRTH)
        assert handrail("session", "identify", visits[0].session, *who, "--data", data).code == 0
        visits[1].lead("cancel", word("cancel"))
        _administered(handrail, data, visits[0].session, word)
        seen.everywhere()
        lag = re.search(r"handrail_event_loop_lag_seconds_count (\d+)", seen.get("/metrics")[1])
        assert lag
        assert int(lag[1]) > 0
        assert serving.end() == 0
        keys = [*json.loads((data / "admin.json").read_text()).values(), staff_secret.secret]
        codes += [secret for visit in visits for secret in visit.secrets]
        secrets = [*keys, *codes, METRICS_TOKEN, DELIVERY_TOKEN, SSN, BIRTH]
        _kinds_of_lines(serving.log.read_text(), visits[0].session)
        assert seen.with_any([*word.all, *(text.encode() for text in secrets)]) == []
        assert len(word.all) > 20
        modules = b" ".join(seen.processes)
        assert b"session_controller.media" in modules, "no child was seen"
        assert b"session_controller.backup" in modules, "no child was seen"
        assert b"session_controller.export.printing" in modules, "no child was seen"


def _deliveries(  # noqa: PLR0917
    handrail: Handrail, data: Path, server: FhirServer, word: Words, secret: Path, folder: Path
) -> None:
    """Add a server that refuses and quotes, and a folder that is damaged afterwards."""
    out = folder / "out"
    out.mkdir()
    to = ("--fhir", server.base, "--token-file", secret)
    assert handrail("deliver", "add", "ehr", *to, "--data", data).code == 0
    assert handrail("deliver", "add", "share", "--folder", out, "--data", data).code == 0
    out.rmdir()
    out.write_text("no folder any more")
    quoting = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": word("refusal")}]}
    answers = [Trouble(503, body=f"We know {word('server')}", on="/fhir")]
    server.troubles = deque([*answers, *99 * [Trouble(422, body=quoting, on="/fhir")]])


def _codes(handrail: Handrail, data: Path, url: str, word: Words) -> list[str]:
    """Enroll a screen by code, and try wrong codes; return what was typed."""
    name = word("screen")
    order = ("device", "enrol", name, "--role", "patient", "--code", "--data", data, "--json")
    enrolled = handrail(*order).json
    wrong = "ZQXW-VTSR"
    for _ in range(3):
        with suppress(HandrailError):
            pair(url, wrong, name=word("stranger"), timeout=10)
    assert pair(url, enrolled["code"], name=name).secret
    return [enrolled["code"], enrolled["code"].replace("-", ""), wrong, wrong.replace("-", "")]


def _full_disk(disk: Path, visit: Visit, seen: Seen, word: Words) -> None:
    """Enter a value while nothing can be stored: the check fails, and the value is stored later."""
    with full(disk):
        entered = visit.guest.enter_field(visit.session, "name", word("full") * 99)
        wait_until(lambda: "SQLITE_FULL" in seen.get("/readyz")[1], "the full disk is noticed")
        status, text = seen.get("/readyz")
        assert status == 503
        assert {"store", "disk"} <= json.loads(text)["failing"].keys()
        seen.everywhere()
    entered.result(60)
    wait_until(lambda: "SQLITE_FULL" not in seen.get("/readyz")[1], "the disk stores again")


def _administered(handrail: Handrail, data: Path, session: str, word: Words) -> None:
    """Deliver, show, export, back up, rotate the key, revoke and purge; some of it is refused."""
    typed = word.said["typed"] = "zq-maria-lopez"
    for command in (("session", "show"), ("session", "timeline"), ("deliver", "now")):
        assert handrail(*command, typed, "--data", data).code == 1
    for _ in range(20):
        handrail("deliver", "now", "--data", data)
        listed = handrail("deliver", "status", session, "--data", data, "--json")
        states = {one["destination"]: one["status"] for one in listed.json["deliveries"]}
        if states["ehr"] == "refused":
            break
    for command in (
        ("session", "export", session, "--format", "pdf", "--output", data.with_name("x.pdf")),
        ("backup",),
        ("key", "rotate"),
        ("session", "show", session),
        ("device", "list"),
        ("device", "revoke", "front-desk"),
        ("deliver", "remove", "share", "--undelivered"),
        ("session", "purge", session, "--undelivered"),
    ):
        ran = handrail(*command, "--data", data)
        assert ran.code == 0, ran.err


def _kinds_of_lines(log: str, session: str) -> None:
    """See that the log is not empty of what it is searched for."""
    wanted = [
        "box started",
        "flow added",
        "device enrolled",
        "device paired",
        "device online",
        "session opened",
        "patient joined",
        "command refused",
        "request refused",
        "pairing code refused",
        "the database refuses to store: SQLITE_FULL",
        "the database stores again",
        "session completed",
        "session cancelled",
        "patient identified by staff",
        "delivery refused by its destination",
        "session exported",
        "session viewed",
        "backup taken on request",
        "box key rotated",
        "device revoked",
        "destination changed",
        "session purged",
        "box stopped",
    ]
    assert [line for line in wanted if line not in log] == []
    assert session in log
    assert "Traceback" not in log


def test_words_would_be_found(tmp_path: Path) -> None:
    """The search finds a word in each of the places."""
    log = tmp_path / "log"
    log.write_text("Zq00xLog")
    seen: Any = Seen("", log, [b"", b"{Zq01xHttp}"], {b"environ A=Zq02xProcess\x00"})
    words = [b"Zq00xLog", b"Zq01xHttp", b"Zq02xProcess", b"Zq03xNowhere"]
    assert seen.with_any(words) == list(zip(("log", "http", "process"), words, strict=False))
