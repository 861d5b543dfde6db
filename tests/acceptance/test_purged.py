"""After a purge no byte of what people entered is anywhere: folder, logs, copies, restores."""

import json
import sqlite3
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from clients import AdminClient, Credential, FacilityClient, PatientClient, Refused, pair
from schemas.base import Role
from tests.acceptance.playing import OURS, Played, place_of, play
from tests.cli.conftest import Handrail, Serving
from tests.contract.forms import SENSITIVE, SIGNATURE, STROKES, extension, form, item
from tests.delivery.fhir_server import FhirServer, Trouble

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


_LOCAL = 200
"""Of a large value, SQLite keeps at least 489 bytes in one place (its file format, 1.6)."""


def leaves(value: Any) -> Iterator[str]:
    """Yield every text in a value."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from leaves(one)
    elif isinstance(value, str):
        yield value


def entered(played: Played) -> list[bytes]:
    """Return what the patient entered: texts that are not the form's own, strokes, documents."""
    form = json.dumps(played.form, ensure_ascii=False)
    texts = {text for text in leaves(list(played.said.values())) if text not in form}
    texts |= {one.printed_name for one in played.signed}
    strokes = {json.dumps(one.strokes[0][:3], separators=(",", ":")) for one in played.signed}
    words = [text.encode() for text in texts | strokes if len(text) >= 6]
    return [*words, *(data[20:60] for data in played.result.documents.values())]


def stored(data: Path, session: str) -> list[bytes]:
    """Return what the box stores of a session, as stored: its wrapped key first."""
    with closing(sqlite3.connect(f"file:{data}/handrail.sqlite?mode=ro", uri=True)) as db:
        queries = (
            "SELECT wrapped FROM keys WHERE name='session:' || ?",
            "SELECT state FROM sessions WHERE session=?",
            "SELECT content FROM events WHERE session=? AND revision IS NOT NULL",
            "SELECT outcome FROM deliveries WHERE session=?",
        )
        found = [bytes(row[0]) for query in queries for row in db.execute(query, [session])]
    files = (data / "documents" / session).iterdir()
    whole = found + [file.read_bytes() for file in files]
    return [piece[:_LOCAL] for piece in whole]


def found_in(folder: Path, pieces: list[bytes]) -> list[str]:
    """Name the files below a folder that hold any of the pieces, whatever kind of file."""
    contents = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [
        f"{path.relative_to(folder)}: {len(piece)} bytes"
        for path, content in contents.items()
        for piece in pieces
        if piece in content
    ]


def test_nothing_is_left(tmp_path: Path, handrail: Handrail, fhir_server: FhirServer) -> None:
    """In the folder, while the box serves and after; in its log; in a backup that is restored."""
    home, data = tmp_path / "box", tmp_path / "box" / "data"
    home.mkdir()
    copy = tmp_path / "stick" / "handrail.backup"
    copy.parent.mkdir()
    with Serving(data) as serving:
        handrail("deliver", "add", "ehr", "--fhir", fhir_server.base, "--data", data)
        quoting = {"resourceType": "OperationOutcome", "issue": []}
        fhir_server.troubles = deque([Trouble(422, body=quoting, on="/fhir")])
        played = play(data, OURS, seed=3)
        handrail("deliver", "now", "--data", data)
        handrail("session", "show", played.session, "--data", data)
        words = entered(played)
        assert len(words) > 20
        sealed = stored(data, played.session)
        assert len(sealed) > 60
        assert len(found_in(home, sealed)) >= len(sealed)
        assert found_in(home, words) == []
        assert handrail("backup", "--data", data).code == 0
        assert handrail("backup", "--to", copy, "--data", data).code == 0
        assert found_in(tmp_path / "stick", sealed)
        ran = handrail("session", "purge", played.session, "--undelivered", "--data", data)
        assert ran.code == 0, ran.err
        _nowhere(home, words, sealed)
        assert serving.end() == 0
    _nowhere(home, words, sealed)
    taken = sorted((data / "backups").glob("*.backup"))
    assert taken
    for backup in (*taken, copy):
        ran = handrail("restore", backup, "--data", data)
        assert ran.code == 0, ran.err
        assert found_in(home, words) == []
        _only_that_it_was(handrail, data, played, words)


def _nowhere(home: Path, words: list[bytes], sealed: list[bytes]) -> None:
    """Of what was sealed nothing is left but in backups, and there not its key (the first)."""
    assert found_in(home, words) == []
    beyond = [f for f in found_in(home, sealed) if not f.startswith("data/backups/")]
    assert beyond == []
    assert found_in(home, sealed[:1]) == []


def _only_that_it_was(handrail: Handrail, data: Path, played: Played, words: list[bytes]) -> None:
    assert handrail("audit", "verify", "--data", data).code == 0
    assert handrail("session", "export", played.session, "--format", "csv", "--data", data).code
    listed = handrail("audit", "list", "--session", played.session, "--data", data, "--json").out
    kinds = {json.loads(line)["what"] for line in listed.splitlines()}
    assert {"Signed", "Completed", "SessionPurged"} <= kinds
    assert not any(word.decode(errors="replace") in listed for word in words)


WORDS_FORM = form(
    "words",
    item(
        "person",
        "group",
        item=[item("name", "string"), item("number", "string", extension=[SENSITIVE])],
    ),
    item(
        "family",
        "group",
        extension=[extension("skippable", "Boolean", True)],
        item=[item("children", "string", required=True), item("born", "date")],
    ),
    item("papers", "group", item=[item("card", "attachment")]),
    item(
        "consent",
        "group",
        item=[
            item("notice", "display", extension=[extension("consent", "Boolean", True)]),
            item("agree", "display", extension=[SIGNATURE]),
        ],
    ),
)


class Words:
    """Words that are nowhere else: one for each place where people may write what they like."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}

    def __call__(self, place: str) -> str:
        """Return the word of a place."""
        return self.said.setdefault(place, f"Zq{len(self.said):02}x{place.title()}")

    @property
    def all(self) -> list[bytes]:
        """The words that were said, as they would be on a disk."""
        return [word.encode() for word in self.said.values()]


class Visit:
    """A session between staff and a guest's phone."""

    def __init__(self, data: Path, staff: FacilityClient, word: Words, stack: ExitStack) -> None:
        self.staff, self.word = staff, word
        opened = staff.open_session("words", label=word("label"))
        assert opened.code
        self.session = opened.session
        url, _ = place_of(data)
        credential = pair(url, opened.code, name=word("guest"))
        self.secrets = (opened.code, credential.secret)
        self.guest = stack.enter_context(PatientClient(url, credential))
        self.guest.wait_for(self.session)

    def lead(self, move: str, *arguments: Any, **more: Any) -> None:
        """Send a command of staff, and wait until the patient's screen shows what came of it."""
        view = getattr(self.staff, move)(self.session, *arguments, **more).result(10)
        self.guest.wait_for(self.session, lambda mine: mine.revision >= view.revision)

    def act(self, move: str, *arguments: Any, **more: Any) -> None:
        """Send a command of the patient."""
        getattr(self.guest, move)(self.session, *arguments, **more).result(10)

    def fill_in(self) -> None:
        """Fill the form in to its end, with a word of its own in each place for free text."""
        word = self.word
        self.act("enter_field", "name", word("answer"))
        self.act("enter_field", "number", word("sensitive"))
        with suppress(Refused):
            self.act("enter_field", "nothing", word("elsewhere"))
        self.lead("request_correction", "name", word("correction"))
        self.act("enter_field", "name", word("changed"))
        self.lead("navigate", "family")
        with suppress(Refused):
            self.act("enter_field", "born", word("birth"))
        self.act("clear_field", "born")
        self.lead("navigate", "papers", override_reason=word("override"))
        for place in ("document", "replacing"):
            self.guest.upload(self.session, "card", word(place).encode() * 9, "text/plain", 20)
            self.lead("review_document", "card", accepted=False, reason=word("review"))
        self.lead("review_document", "card", accepted=True)
        self.lead("navigate", "consent")
        self.lead("navigate", "family")
        self.act("enter_field", "children", word("children"))
        self.lead("navigate", "consent")
        self._sign()

    def _sign(self) -> None:
        """Decline, sign, withdraw, sign again."""
        word = self.word
        self.act("report_reading", "notice", 1)
        self.lead("request_signature", "agree", word("staff"))
        self.act("decline_signature", word("decline"))
        for _ in range(2):
            self.lead("request_signature", "agree")
            name, relation = word("printed"), word("relation")
            self.act("submit_signature", "agree", STROKES, printed_name=name, relationship=relation)
            if "withdraw" not in word.said:
                self.act("withdraw_signature", "agree", word("withdraw"))


def staff_credential(admin: AdminClient) -> Credential:
    """Enroll a front-desk screen."""
    enrolled = admin.enrol_device("Front desk", Role.FACILITY)
    assert enrolled.secret
    return Credential(enrolled.site, enrolled.device, Role.FACILITY, enrolled.secret)


def test_no_word_of_anybody_is_in_clear(
    tmp_path: Path, handrail: Handrail, fhir_server: FhirServer
) -> None:
    """Of guests, patients, staff and servers: not before the purge, and not after it."""
    home, data, word = tmp_path / "box", tmp_path / "box" / "data", Words()
    home.mkdir()
    with Serving(data) as serving, ExitStack() as stack:
        handrail("deliver", "add", "ehr", "--fhir", fhir_server.base, "--data", data)
        handrail("deliver", "add", "lab", "--fhir", fhir_server.base, "--data", data)
        quoting = {"resourceType": "OperationOutcome", "issue": [{"diagnostics": word("refusal")}]}
        fhir_server.troubles = deque(
            [Trouble(422, body=quoting, on="/fhir")]
            + 99 * [Trouble(503, body=f"We know {word('server')}", on="/fhir")]
        )
        admin = stack.enter_context(AdminClient(*place_of(data)))
        admin.add_flow(WORDS_FORM)
        staff = stack.enter_context(FacilityClient(place_of(data)[0], staff_credential(admin)))
        visits = [Visit(data, staff, word, stack) for _ in range(2)]
        visits[0].fill_in()
        visits[0].lead("complete")
        who = ("--family", word("family"), "--given", word("given"), "--birth-date", "1980-01-31")
        ran = handrail("session", "identify", visits[0].session, *who, "--data", data)
        assert ran.code == 0, ran.err
        visits[1].lead("cancel", word("cancel"))
        sessions = [visit.session for visit in visits]
        sessions.append(_from_the_command_line(handrail, data, word))
        assert word("guest") in handrail("device", "list", "--all", "--data", data).out
        record = handrail("session", "export", sessions[0], "--format", "json", "--data", data)
        assert word("guest") in record.out
        shown = _answered(handrail, data, sessions[0])
        assert word("refusal") in shown
        assert word("server") in shown
        assert handrail("backup", "--data", data).code == 0
        assert found_in(home, word.all) == []
        ran = handrail("session", "purge", *sessions, "--undelivered", "--data", data)
        assert ran.code == 0, ran.err
        assert found_in(home, word.all) == []
        assert word("guest") not in handrail("device", "list", "--all", "--data", data).out
        assert serving.end() == 0
    assert found_in(home, word.all) == []
    assert len(word.all) > 20


def _answered(handrail: Handrail, data: Path, session: str) -> str:
    """Return what both destinations said of a session, once each was asked."""
    for _ in range(20):
        listed = handrail("deliver", "status", session, "--data", data, "--json")
        lines = listed.json["deliveries"]
        if all(one["attempts"] and one["reason"] != "patient_not_identified" for one in lines):
            break
        handrail("deliver", "now", "--data", data)
    return handrail("deliver", "show", session, "--data", data).out


def _from_the_command_line(handrail: Handrail, data: Path, word: Words) -> str:
    """Open and cancel a session, and ask for one by what is no id of a session."""
    label = word("desk")
    opened = handrail("session", "open", "words", "--label", label, "--data", data, "--json").json
    session: str = opened["session"]
    reason = word("ended")
    assert handrail("session", "cancel", session, "--reason", reason, "--data", data).code == 0
    typed = word.said["typed"] = "zq-maria-lopez"
    for command in (("session", "show"), ("session", "timeline"), ("deliver", "now")):
        assert handrail(*command, typed, "--data", data).code == 1
    exported = handrail("session", "export", session, "--format", "json", "--data", data)
    assert label in exported.out
    return session
