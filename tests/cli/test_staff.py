"""`handrail staff`: persons, their PINs, and emergency access."""

import json
import os
import pty
import select
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from clients import Credential, FacilityClient, RequestRefused
from clients.sdk.user import os_user
from schemas.base import Role
from session_controller.openid.settings import OpenIdSettings
from session_controller.preflight.checks import subject_of
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.staff import staff_findings
from tests.conftest import ROOT, StartBox

from .conftest import PROGRAM, Handrail

ADD = ("add", "Maria Lopez", "--role", "front-desk")


@pytest.fixture
def cli(data: Path, handrail: Handrail) -> Handrail:
    """Run `handrail staff` on the running box."""
    return lambda command, *more: handrail("staff", command, *more, "--data", data)


@pytest.fixture
def desk(data: Path, handrail: Handrail) -> Credential:
    """Enroll a front-desk screen."""
    order = ("device", "enrol", "Desk", "--role", "facility", "--json", "--data", data)
    found = handrail(*order).json
    return Credential(found["site"], found["device"], Role.FACILITY, found["secret"])


def _url(data: Path) -> str:
    url: str = json.loads((data / "box.json").read_text())["mqtt"]
    return url


def test_a_person_is_added_changed_and_retired(
    cli: Handrail, data: Path, desk: Credential, handrail: Handrail
) -> None:
    """A PIN that is made is printed once, and signs in; the log names who did all of it."""
    added = cli(*ADD, "--generate", "--json").json
    assert (added["person"], added["roles"]) == ("maria-lopez", ["front-desk"])
    with FacilityClient(_url(data), desk) as client:
        assert client.sign_in("maria-lopez", added["pin"]).signed_in.name == "Maria Lopez"
        assert "signed in" in cli("list").out
        changed = cli("pin", "maria-lopez", "--generate", "--json").json
        assert changed["pin"] != added["pin"]
        with pytest.raises(RequestRefused, match="pin_refused"):
            client.sign_in("maria-lopez", added["pin"])
        assert client.show_desk().persons[0].name == "Maria Lopez"
    roles = ("--role", "it", "--role", "supervisor")
    assert cli("role", "maria-lopez", *roles, "--json").json["roles"] == ["supervisor", "it"]
    assert cli("list", "--json").json["persons"][0]["wrong_pins"] == 1
    assert cli("unlock", "maria-lopez", "--json").json["wrong_pins"] == 0
    retired = cli("retire", "maria-lopez")
    assert "retired" in retired.out
    assert "No person is left" in retired.err
    assert "maria-lopez" not in cli("list").out
    assert "1 are retired; list them with --all" in cli("list").err
    entries = handrail("audit", "list", "--json", "--data", data).out.splitlines()
    log = [json.loads(line) for line in entries]
    changes = [entry for entry in log if entry["what"] == "PersonChanged"]
    assert {entry["person"] for entry in changes} == {f"os:{os_user()}"}
    assert f"os:{os_user()}" in handrail("audit", "list", "--data", data).out
    assert added["pin"] not in json.dumps(log)


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (("unlock", "nobody"), "There is no such person"),
        (("review", "emergency-1"), "There is no such emergency access"),
        (("role", "Nobody!", "--role", "it"), "person must be 1 to 64 characters"),
        (("add", "", "--role", "it", "--generate"), "NAME must not be empty"),
    ],
)
def test_what_cannot_be_done_is_said(cli: Handrail, order: tuple[str, ...], problem: str) -> None:
    """In a sentence, without a traceback."""
    ran = cli(*order)
    assert ran.code in {1, 2}
    assert problem in ran.err


@pytest.mark.parametrize(
    ("typed", "code", "said"),
    [
        (("271828", "271828"), 0, "maria-lopez"),
        (("271828", "314159", "271828", "271828"), 0, "maria-lopez"),
        (("111111", "111111"), 2, "must not repeat the same digits"),
        (("1234", "1234"), 2, "must be 6 to 12 digits"),
    ],
)
def test_a_pin_is_asked_for_twice_and_never_shown(
    tmp_path: Path, typed: tuple[str, ...], code: int, said: str
) -> None:
    """On a terminal, without echo."""
    controller, terminal = pty.openpty()
    order = [*PROGRAM, "staff", *ADD, "--data", str(tmp_path / "data")]
    process = subprocess.Popen(
        order, stdin=terminal, stdout=terminal, stderr=terminal, cwd=ROOT, start_new_session=True
    )
    os.close(terminal)
    try:
        shown = ""
        for count, pin in enumerate(typed, start=1):
            while shown.count("PIN: ") + shown.count("PIN again: ") < count:
                shown += _read(controller)
            os.write(controller, f"{pin}\n".encode())
        while more := _read(controller):
            shown += more
        assert (process.wait(60), said in shown) == (code, True), shown
    finally:
        process.kill()
        process.wait()
        os.close(controller)
    assert not any(pin in shown for pin in typed)


def test_a_person_is_linked_to_an_account(
    start_box: StartBox, tmp_path: Path, handrail: Handrail
) -> None:
    """The list shows the account; without a provider, the command says what to configure."""
    data = tmp_path / "data"
    provider = OpenIdSettings("https://login.example", "box", claim="email")
    with start_box(data, openid=provider):
        handrail("staff", *ADD, "--generate", "--data", data)
        order = ("staff", "link", "maria-lopez", "--account", "Maria@Clinic.example")
        linked = handrail(*order, "--json", "--data", data)
        assert linked.json["account"] == "maria@clinic.example"
        assert "maria@clinic.example" in handrail("staff", "list", "--data", data).out
    ran = handrail("staff", "link", "maria-lopez", "--account", "x", "--data", data)
    assert ran.code == 1
    assert "configure [oidc]" in ran.err
    unlinked = handrail("staff", "unlink", "maria-lopez", "--json", "--data", data)
    assert "account" not in unlinked.json
    log = handrail("audit", "list", "--data", data).out
    assert "change linked" in log
    assert "change unlinked" in log


def _read(terminal: int) -> str:
    """Return what comes next on a terminal; nothing at its end."""
    assert select.select([terminal], [], [], 60)[0]
    try:
        return os.read(terminal, 1024).decode()
    except OSError:  # the program has ended
        return ""


def _findings(data: Path, at: datetime) -> list[Finding]:
    return list(staff_findings(subject_of(data, at)))


def test_emergency_access_is_listed_and_reviewed(
    cli: Handrail, data: Path, desk: Credential
) -> None:
    """With the reason; findings have none, and a mend until it is reviewed."""
    now = datetime.now(UTC)
    [note] = _findings(data, now)
    assert (note.level, note.mend) == (Level.NOTE, "handrail staff add NAME --role front-desk")
    cli(*ADD, "--generate")
    [fine] = _findings(data, now)
    assert fine.level is Level.OK
    with FacilityClient(_url(data), desk) as client:
        access = client.begin_emergency_access("Eve Poe", "card reader broken").signed_in.person
    listed = cli("list")
    assert "card reader broken" in listed.out
    assert "no; review it with" in listed.out
    [_, found] = _findings(data, now)
    assert (found.level, found.mend is not None) == (Level.WARNING, True)
    assert "Eve" not in found.text
    assert "card" not in found.text
    assert cli("review", access, "--json").json == {"reviewed": access}
    assert cli("list", "--json").json["emergency_access"][0]["reviewed_by"] == f"os:{os_user()}"
    [_, found] = _findings(data, now)
    assert (found.level, found.mend) == (Level.NOTE, None)
    assert len(_findings(data, now + timedelta(days=8))) == 1


@pytest.mark.parametrize("columns", ["60", "80", "200"])
def test_the_list_fits(cli: Handrail, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """No line is longer than the terminal, and no id is cut."""
    monkeypatch.setenv("COLUMNS", columns)
    cli("add", "Maximiliane von Hohenstein-Wittelsbach", "--role", "supervisor", "--generate")
    cli(*ADD, "--generate")
    out = cli("list").out
    assert max(map(len, out.splitlines())) <= int(columns)
    assert "maximiliane-von-hohenstein-wittelsbach" in out
    assert "maria-lopez" in out
