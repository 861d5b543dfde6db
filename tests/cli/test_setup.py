"""`handrail setup`: a box from nothing; run again, it completes and changes only what is asked."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest

from clients.cli import setup_steps
from session_controller.configuration.reading import read
from session_controller.security.own_tls import OwnTls
from session_controller.security.recovery import read_recovery
from session_controller.storage.site import site_of
from tests.machine import free_port

from .conftest import INTERRUPTIBLE, READY_WITHIN_S, Handrail, Serving
from .test_owner import NOBODY, _run, needs_root, program, shared

__all__ = ["program", "shared"]  # fixtures
_LAN = "0.0.0.0"  # noqa: S104 - as a box listens


@pytest.fixture
def ports() -> tuple[str, ...]:
    """Return options with ports that are free."""
    names = ("--http", "--mqtt", "--http-redirect")
    return tuple(word for name in names for word in (name, str(free_port())))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data folder that does not exist."""
    return tmp_path / "data"


@pytest.fixture
def set_up(data: Path, ports: tuple[str, ...], handrail: Handrail) -> Callable[..., Any]:
    """Run it on the data folder without questions; return what it prints as JSON."""

    def run(*options: object) -> Any:
        ran = handrail("setup", "--yes", "--json", "--data", data, *ports, *options)
        assert ran.code == 0, ran.err
        return ran.json

    return run


def _keys(data: Path) -> dict[str, bytes]:
    """Return what must never be made again."""
    return {name: (data / name).read_bytes() for name in ("box.key", "tls/ca.pem", "tls/ca.key")}


def test_it_makes_a_box(set_up: Callable[..., Any], data: Path, handrail: Handrail) -> None:
    """That serves with TLS at its name, with a front desk and a patient screen."""
    made = set_up("--name", "clinic-a", "--host", "Clinic.lan", "--purge-completed", "2d")
    assert (made["site"], site_of(data)) == ("clinic-a", "clinic-a")
    assert OwnTls(data).hosts().names[0] == "clinic.lan"
    found = read(data / "handrail.toml").sections
    assert (found.site.name, found.site.host) == ("clinic-a", "clinic.lan")
    assert (found.retention.completed.days, found.retention.cancelled.seconds) == (2, 3600)
    assert found.listen.http.host == _LAN
    desk, tablet = made["screens"]
    assert (
        desk["link"] == f"https://clinic.lan:{found.listen.http.port}/facility#code={desk['code']}"
    )
    assert (tablet["role"], tablet["device"]) == ("patient", "kiosk-1")
    assert made["trust"] == f"http://clinic.lan:{found.listen.http_redirect.port}/trust"
    with Serving(data) as serving:
        assert "https://" in serving.ready
        assert "site clinic-a" in serving.ready
        where = json.loads((data / "box.json").read_text())
        assert where["pages"].startswith("https://clinic.lan:")
        listed = handrail("device", "list", "--data", data, "--json").json
        assert {line["name"] for line in listed} == {"Front desk", "Kiosk 1"}
        more = handrail("device", "enrol", "K", "--role=patient", "--code", "--data", data).out
        assert f"{where['pages']}/patient#code=" in more
        assert serving.end() == 0


def test_again_it_changes_nothing(set_up: Callable[..., Any], data: Path) -> None:
    """But a screen that was never connected gets a new code."""
    first = set_up("--name", "clinic-a", "--desk", "Reception")
    before, text = _keys(data), (data / "handrail.toml").read_text()
    second = set_up()
    assert _keys(data) == before
    assert (data / "handrail.toml").read_text() == text
    assert [one["device"] for one in second["screens"]] == ["reception", "kiosk-1"]
    assert second["screens"][0]["code"] != first["screens"][0]["code"]
    assert {**first, "screens": None} == {**second, "screens": None}


def test_again_it_changes_what_is_asked(
    set_up: Callable[..., Any], data: Path, handrail: Handrail
) -> None:
    """One key of the file, one name of the certificate; comments, keys and CA stay."""
    set_up("--name", "clinic-a", "--no-screens")
    file, before = data / "handrail.toml", _keys(data)
    text = file.read_text() + "# my own words\n"
    file.write_text(text)
    set_up("--no-screens", "--purge-cancelled", "3h", "--host", "new.lan")
    assert _keys(data) == before
    changed = set(file.read_text().splitlines()) - set(text.splitlines())
    assert changed == {'host = "new.lan"', 'cancelled = "3h"'}
    assert "# my own words" in file.read_text()
    assert "new.lan" in OwnTls(data).hosts().names
    assert handrail("device", "list", "--data", data, "--json").json == []


def test_a_recovery_key_is_made_once(
    data: Path, ports: tuple[str, ...], handrail: Handrail
) -> None:
    """It is shown, also on a sheet, and opens a backup; another run leaves it, or none is made."""
    sheet, given = data.with_name("key.html"), ("--yes", "--no-screens", "--data", data)
    assert handrail("setup", *given, *ports, "--no-recovery-key").code == 0
    assert read_recovery(data) is None
    ran = handrail("setup", *given, "--recovery-sheet", sheet)
    shown = re.search(r"    AGE-SECRET-KEY-1\n((?:    \S.*\n)+)", ran.err)
    assert shown
    key = "AGE-SECRET-KEY-1" + "".join(shown[1].split())
    assert shown[1].split()[0] in sheet.read_text()
    assert "a check found a problem" not in ran.err
    file = data.with_name("key.txt")
    file.write_text(key)
    verify = ("key", "recovery", "verify", "--recovery-key-file", file, "--data", data)
    assert handrail(*verify).code == 0
    again = handrail("setup", *given)
    assert "AGE-SECRET-KEY" not in again.err
    assert "recovery key   is there, and stays" in again.err
    assert handrail(*verify).code == 0


def test_the_plan_is_shown(data: Path, ports: tuple[str, ...], handrail: Handrail) -> None:
    """And what to do next; a sheet is written for printing."""
    sheet = data.with_name("sheet.html")
    ran = handrail("setup", "--yes", "--data", data, *ports, "--sheet", sheet)
    for line in (
        f"configuration  create {data / 'handrail.toml'}",
        "keys           create",
        "enroll 'Front desk'",
        f"handrail serve --data {data}",
        "/trust and trust the box",
    ):
        assert line in ran.err.replace("\n", " ")
    codes = re.findall(r"code +(\S+)", ran.out)
    assert len(codes) == 2
    assert all(code in sheet.read_text() for code in codes)
    assert sheet.stat().st_mode & 0o777 == 0o600
    again = handrail("setup", "--yes", "--data", data)
    assert f"{data / 'handrail.toml'} stays as it is" in again.err.replace("\n", "")
    assert "keys           are there, and stay" in again.err


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("--name|Praxis Dr. Müller", "--name: .* a-z, 0-9 and -, such as praxis-dr-muller"),
        ("--name|" + "x" * 65, "must be 1 to 64 characters"),
        ("--host|no host", "--host: 'no host' is not a host name or an address"),
        ("--http|99999", "--http: a port must be 1 to 65535"),
        ("--http|203.0.113.9:8443", "--http: 203.0.113.9:8443: not of this machine"),
        ("--http|8443|--mqtt|8443", "--mqtt: port 8443 is chosen already"),
        ("--purge-completed|soon", "--purge-completed: 'soon' is not a span"),
        ("--desk|" + "x" * 65, "--desk: a screen's name must be 1 to 64"),
        ("--desk|A|--tablet|A", "the two screens need different names"),
    ],
)
def test_a_wrong_answer_is_refused_before_anything_is_done(
    options: str, wanted: str, ports: tuple[str, ...], data: Path, handrail: Handrail
) -> None:
    """With exit code 2, its option, and what is allowed."""
    given = options.split("|")
    free = [] if "--http" in given else ports
    ran = handrail("setup", "--yes", "--data", data, *free, *given)
    assert ran.code == 2
    assert re.search(wanted, " ".join(ran.err.split()))
    assert not data.exists()


def test_a_port_in_use_is_refused(data: Path, handrail: Handrail) -> None:
    """At once, not when the box starts."""
    with socket.create_server((_LAN, 0)) as taken:
        port = str(taken.getsockname()[1])
        ran = handrail("setup", "--yes", "--data", data, "--http", port)
    assert ran.code == 2
    assert f"{_LAN}:{port}: another program uses it" in ran.err


def test_a_screen_with_a_secret_gets_no_code(
    set_up: Callable[..., Any], data: Path, handrail: Handrail
) -> None:
    """It is enrolled, though it never connected: a code would take its credential away."""
    set_up("--no-screens")
    handrail("device", "enrol", "Front desk", "--role", "facility", "--data", data)
    made = set_up()
    assert [screen["role"] for screen in made["screens"]] == ["patient"]
    ran = handrail("setup", "--yes", "--data", data, "--desk", "Front desk")
    assert "'Front desk' is enrolled already" in ran.err
    assert [screen["role"] for screen in set_up()["screens"]] == ["patient"]


def test_a_port_that_links_cannot_name_is_refused(data: Path, handrail: Handrail) -> None:
    """Port 0 is another one at each start."""
    ran = handrail("setup", "--yes", "--data", data, "--http", "0.0.0.0:0")
    assert ran.code == 2
    assert "port 0 is any free port, which links cannot name" in ran.err
    assert not data.exists()


def test_a_site_has_one_name(set_up: Callable[..., Any], data: Path, handrail: Handrail) -> None:
    """Its devices know it."""
    set_up("--name", "clinic-a", "--no-screens")
    ran = handrail("setup", "--yes", "--data", data, "--name", "clinic-b")
    assert ran.code == 2
    assert "belongs to site 'clinic-a'" in ran.err


def test_a_certificate_of_your_own_is_used(
    set_up: Callable[..., Any], data: Path, tmp_path: Path
) -> None:
    """Or none, behind a proxy: no CA is made, and nothing is redirected."""
    (tmp_path / "own.toml").write_text("[tls]\noff = true\n")
    made = set_up("--config", tmp_path / "own.toml", "--no-screens")
    assert not (data / "tls").exists()
    assert "trust" not in made
    assert made["pages"].startswith("http://")


_STEPS = ("write_changes", "make_keys", "make_certificate", "make_recovery_key", "enrol_screens")


@pytest.fixture
def interrupted(data: Path, ports: tuple[str, ...], handrail: Handrail) -> Callable[[], None]:
    """Run it until it is interrupted."""

    def run() -> None:
        ran = handrail("setup", "--yes", "--data", data, *ports, "--name", "clinic-a")
        assert ran.code == 130
        assert "run `handrail setup` again" in ran.err

    return run


@pytest.mark.parametrize("moment", [f"{when} {s}" for s in _STEPS for when in ("before", "after")])
def test_what_was_interrupted_is_completed(
    moment: str,
    interrupted: Callable[[], None],
    set_up: Callable[..., Any],
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C before or after each step: the next run does the rest, and makes no key again."""
    when, step = moment.split()
    real = getattr(setup_steps, step)

    def stopped(*arguments: Any, **more: Any) -> None:
        if when == "after":
            real(*arguments, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(setup_steps, step, stopped)
    interrupted()
    monkeypatch.setattr(setup_steps, step, real)
    names = ("box.key", "tls/ca.pem", "tls/ca.key")
    before = {name: (data / name).read_bytes() for name in names if (data / name).exists()}
    made = set_up("--name", "clinic-a")
    assert before.items() <= _keys(data).items()
    assert (made["site"], site_of(data), OwnTls(data).fits()) == ("clinic-a", "clinic-a", True)
    assert len(made["screens"]) == 2
    assert read_recovery(data) is not None


def test_an_interrupted_certificate_is_completed(
    interrupted: Callable[[], None],
    set_up: Callable[..., Any],
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The CA that was made is kept."""

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(OwnTls, "_write", stopped)
        interrupted()
    before = _keys(data)
    set_up("--no-screens")
    assert _keys(data) == before
    assert OwnTls(data).fits()


def test_without_a_terminal_it_does_not_ask(data: Path, handrail: Handrail) -> None:
    """It says what to pass instead."""
    ran = handrail("setup", "--data", data)
    assert ran.code == 2
    assert "there is no terminal to ask on; pass --yes" in ran.err
    assert not data.exists()


class Terminal:
    """The program at a terminal of its own."""

    def __init__(self, *words: object) -> None:
        self._terminal, inside = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "NO_COLOR": "1", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [*INTERRUPTIBLE, *map(str, words)],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env=environment,
            start_new_session=True,
        )
        os.close(inside)
        self.said = ""
        self._read_up_to = 0

    def wait(self, text: str) -> None:
        """Wait until it has said something more."""
        while text not in self.said[self._read_up_to :]:
            assert select.select([self._terminal], [], [], READY_WITHIN_S)[0], self.said
            self.said += self._read()
        self._read_up_to = self.said.index(text, self._read_up_to) + len(text)

    def _read(self) -> str:
        try:
            return os.read(self._terminal, 65_536).decode()
        except OSError:  # it has ended
            pytest.fail(f"it ended: {self.said}")

    def answer(self, question: str, text: str = "") -> None:
        """Answer a question once it is asked; with nothing, take what is proposed."""
        self.wait(question)
        os.write(self._terminal, f"{text}\n".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._terminal)


@pytest.fixture
def terminal(data: Path, ports: tuple[str, ...]) -> Iterator[Terminal]:
    """Run it at a terminal."""
    with Terminal("setup", "--data", data, *ports[2:]) as found:
        yield found


def test_it_asks_and_checks_each_answer(
    terminal: Terminal, data: Path, ports: tuple[str, ...]
) -> None:
    """A wrong answer is explained and asked again; an empty one is what is proposed."""
    terminal.answer("Short name of the clinic", "Clinic A")
    terminal.wait("such as clinic-a")
    terminal.answer("Short name of the clinic", "clinic-a")
    terminal.answer("Name or address by which screens reach this box", "clinic.lan")
    with socket.create_server((_LAN, 0)) as taken:
        terminal.answer("Port for the pages", str(taken.getsockname()[1]))
        terminal.wait("another program uses it")
    terminal.answer("Port for the pages", ports[1])
    terminal.answer("Delete completed check-ins", "30d")
    terminal.answer("Delete cancelled check-ins")
    terminal.answer("Name of the first front desk", "Reception")
    terminal.answer("Name of the first patient screen", "-")
    terminal.wait('retention.completed = "30d"')
    terminal.wait("recovery key   create, and show once")
    assert not data.exists()
    terminal.answer("Do this?", "y")
    terminal.wait("    AGE-SECRET-KEY-1")
    terminal.answer("Press Enter once it is written down")
    terminal.wait("/facility#code=")
    terminal.wait("Next:")
    terminal.wait("doctor")
    assert terminal.process.wait(READY_WITHIN_S) == 0
    found = read(data / "handrail.toml").sections
    assert (found.site.name, found.site.host) == ("clinic-a", "clinic.lan")
    assert (found.listen.http.port, found.retention.completed.days) == (int(ports[1]), 30)
    assert "retention.cancelled" not in read(data / "handrail.toml").sources


def test_ctrl_c_at_a_question_changes_nothing(terminal: Terminal, data: Path) -> None:
    """Nor does a no at the end."""
    terminal.answer("Short name of the clinic", "clinic-a")
    terminal.wait("Name or address")
    terminal.process.send_signal(signal.SIGINT)
    terminal.wait("nothing was changed")
    assert terminal.process.wait(READY_WITHIN_S) == 130
    assert not data.exists()


def test_no_at_the_end_changes_nothing(data: Path, ports: tuple[str, ...]) -> None:
    """With exit code 1."""
    given = ("--name=x", "--host=h", "--purge-completed=1d", "--purge-cancelled=1h", "--no-screens")
    with Terminal("setup", "--data", data, *ports, *given) as terminal:
        terminal.answer("Do this?", "n")
        terminal.wait("nothing was changed")
        assert terminal.process.wait(READY_WITHIN_S) == 1
    assert not data.exists()


@needs_root
def test_root_sets_up_a_box_for_the_services_user(
    program: tuple[str, ...], shared: Path, ports: tuple[str, ...]
) -> None:
    """The data is that user's; the configuration is root's, and the user's group can read it."""
    data, file = shared / "data", shared / "handrail.toml"
    data.mkdir(mode=0o700)
    os.chown(data, NOBODY, NOBODY)
    for _ in range(2):
        order = [*program, "setup", "--yes", "--data", data, "--config", file, *ports, "--json"]
        ran = _run(*order)
        assert ran.returncode == 0, ran.stderr
        assert len(json.loads(ran.stdout)["screens"]) == 2
        assert {path.stat().st_uid for path in data.rglob("*")} == {NOBODY}
        found = file.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (0, NOBODY, 0o640)
        _die_in_the_middle(program[0], data / "handrail.sqlite")


_WRITE_AND_DIE = """
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
database.execute("UPDATE meta SET value = value")
database.commit()
os._exit(0)
"""


def _die_in_the_middle(python: str, database: Path) -> None:
    """Leave a write-ahead log as after a power failure: who opens the database makes a file."""
    order = [python, "-c", _WRITE_AND_DIE, database]
    subprocess.run(order, user=NOBODY, check=True, capture_output=True)
    database.with_name(f"{database.name}-shm").unlink()
