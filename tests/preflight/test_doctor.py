"""The same checks by `doctor`, `serve`, `status`, the log and the metrics."""

import logging
import os
import re
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest

from clients.cli import doctor, intrusion
from clients.sdk.errors import HandrailError
from schemas.wire.status import StatusShown
from session_controller.preflight import folder
from session_controller.preflight.finding import Finding, Level, critical, ok, warning
from session_controller.preflight.start_options import StartOptions
from session_controller.service.monitoring.checks import PeriodicChecks
from tests.cli.conftest import Handrail, Serving, handrail  # noqa: F401 - a fixture
from tests.cli.test_status import shown
from tests.clients.conftest import clinic_at
from tests.conftest import ROOT, StartBox
from tests.waiting import wait_until

LISTEN = ("--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")


def test_fix_mends_what_cannot_lose_anything(data: Path, handrail: Handrail) -> None:  # noqa: F811
    """And says of the rest what to type; the exit code is the worst that is left."""
    (data / "box.key").chmod(0o644)
    (data / "share").rmdir()
    assert handrail("doctor", "--data", data).code == 2
    ran = handrail("doctor", "--data", data, "--fix", "--json")
    assert ran.code == 1
    assert ran.json["mended"] == [
        f"mended: other users of this machine can access {data / 'box.key'}"
    ]
    left = {each["check"]: each["mend"] for each in ran.json["findings"]}
    assert left["destinations"] == "create or mount it"
    (data / "share").mkdir(mode=0o700)
    assert handrail("doctor", "--data", data).code == 0


def test_what_cannot_be_mended_by_this_user_is_said(data: Path) -> None:
    """With the command for who can."""

    def fail() -> None:
        raise PermissionError(1, "Operation not permitted", str(data))

    found = Finding("any", Level.CRITICAL, "it is broken", "mend it", fail)
    assert list(doctor._mend([found])) == [
        f"not mended: it is broken: {data}: Operation not permitted; as root, type: mend it"
    ]


def test_the_first_line_is_for_a_monitor(
    data: Path,
    handrail: Handrail,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worst comes first after it, and nothing is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", "80")
    (data / "box.key").chmod(0o644)
    lines = handrail("doctor", "--data", data).out.splitlines()
    assert lines.pop().endswith(f"that names no data folder with --data {data}")
    assert lines[0] == f"HANDRAIL CRITICAL - {data}: 1 critical, 0 warnings"
    assert lines[1].startswith("✗ file-modes")
    assert max(map(len, lines[1:])) <= 80


@pytest.mark.parametrize(
    "text",
    [
        '[tls]\ncertificate = "none.pem"\n',
        '[tls]\nclient_ca = "none.pem"\n',
        '[metrics]\ntoken_file = "none"\n',
        '[alerts]\nemail_to = "it@example.org"\n',
    ],
)
def test_what_keys_of_the_configuration_mean_together(
    text: str,
    data: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """What `serve` would refuse, `doctor` names."""
    (data / "handrail.toml").write_text(text)
    (data / "handrail.toml").chmod(0o600)
    ran = handrail("doctor", "--data", data, "--json")
    said = [each for each in ran.json["findings"] if each["check"] == "configuration"]
    assert "critical" in [each["level"] for each in said], said
    assert handrail("serve", "--data", data).code == 2


def test_serve_says_all_that_keeps_it_from_starting(
    data: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """In one go, each with what mends it; nothing is started."""
    (data / "box.key").unlink()
    (data / "admin.json").write_text("torn")
    ran = handrail("serve", *LISTEN, "--data", data)
    assert ran.code == 4
    assert "the box cannot start:" in ran.err
    assert f"put back {data / 'box.key'}" in ran.err
    assert f"rm {data / 'admin.json'}" in ran.err
    assert not (data / "box.json").exists()


def test_a_new_folder_and_one_in_use_are_not_refused(
    tmp_path: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """The former is made; of the latter it is said that a box runs there."""
    with Serving(tmp_path / "data") as box:
        assert "ready" in box.ready
        ran = handrail("serve", *LISTEN, "--data", tmp_path / "data")
        assert ran.code == 3
        assert "in use by a running box" in ran.err


def test_a_running_box_with_its_key_outside_is_well(
    data: Path,
    handrail: Handrail,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A credential of systemd is seen by the service alone, not by who types `doctor`."""
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    shutil.move(data / "box.key", credentials / "handrail-box-key")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    with Serving(data, "--no-tls") as box:
        monkeypatch.delenv("CREDENTIALS_DIRECTORY")
        ran = handrail("doctor", "--data", data, "--json")
        assert box.end() == 0
    assert ran.code == 0, ran.out
    found = {each["check"]: each for each in ran.json["findings"]}
    assert found["keys"]["level"] == "note"
    assert found["backup-keys"]["level"] == "ok"


def test_a_box_behind_a_proxy_is_well(
    data: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """It listens on this machine without TLS, although it has a certificate."""
    with Serving(data, "--no-tls") as box:
        assert box.end() == 0
    ran = handrail("doctor", "--data", data, "--json")
    assert ran.code == 0, ran.out
    assert {each["check"] for each in ran.json["findings"]}.isdisjoint(
        {"certificate", "clear-text"}
    )


def test_a_box_that_is_stopped_in_the_middle_is_found(
    data: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """It has locked its folder and does not answer: with where it was, or without."""
    with Serving(data, "--no-tls") as box:
        where = (data / "box.json").read_text()
        (data / "box.json").write_text("torn")
        ran = handrail("doctor", "--data", data, "--json")
        (data / "box.json").write_text(where)
        assert ran.code == 2
        found = {each["check"]: each for each in ran.json["findings"]}
        assert "cannot be reached" in found["box"]["text"]
        assert "systemctl restart handrail" in found["box"]["mend"]
        assert box.end() == 0


def _raising() -> StatusShown:
    raise HandrailError("no answer within 10 s")


@pytest.mark.parametrize(
    ("ask", "level", "text"),
    [
        (lambda: shown(version="0.0.9"), Level.WARNING, "the box runs version 0.0.9"),
        (lambda: shown(disk_error="SQLITE_FULL"), Level.CRITICAL, "SQLITE_FULL"),
        (_raising, Level.CRITICAL, "no answer within 10 s"),
    ],
)
def test_what_a_box_answers(ask: Callable[[], StatusShown], level: Level, text: str) -> None:
    """Nothing, that it cannot store, or that it is older than what is installed."""
    [found] = doctor.box_findings(ask)
    assert found.level is level
    assert text in found.text


def test_a_running_box_checks_itself(start_box: StartBox, data: Path) -> None:
    """And shows what it found in its status and its metrics."""
    (data / "backups" / "keyring").unlink()
    with start_box(data, deliver=True) as box, clinic_at(box) as clinic:
        wait_until(lambda: bool(clinic.admin.show_status().findings), "checks")
        found = {each.check: each for each in clinic.admin.show_status().findings}
        assert found["backup-keys"].level is Level.CRITICAL
        assert "handrail backup" in (found["backup-keys"].mend or "")
        metrics = urlopen(f"{box.http}/metrics").read().decode()  # noqa: S310 - our box
    assert 'handrail_findings{level="critical"} 1' in metrics


def test_a_problem_is_logged_when_it_comes_and_goes(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once each, though its text tells a growing number; what is well is not logged."""
    caplog.set_level(logging.INFO)
    checks = PeriodicChecks(data, StartOptions({}), lambda: datetime.now(UTC))
    checks.take([warning("late", "for 2 h", "hurry"), ok("disk", "free")])
    checks.take([warning("late", "for 3 h", "hurry"), ok("disk", "free")])
    checks.take([critical("late", "for 30 h", "hurry")])
    checks.take([ok("late", "arrived")])
    assert [record.getMessage() for record in caplog.records] == [
        'a check found a problem check=late text="for 2 h" mend=hurry',
        'a check found a problem check=late text="for 30 h" mend=hurry',
        "a problem has gone check=late",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "INFO"]


def test_the_checks_of_a_running_box_find_planted_faults(data: Path) -> None:
    """They are those of `doctor`: of the disk, backups, deliveries, clock, options."""
    plan = StartOptions({}, tls_off=True)
    checks = PeriodicChecks(data, plan, lambda: datetime.now(UTC))
    assert {each.level for each in checks.look()} <= {Level.OK, Level.NOTE}
    (data / "backups" / "keyring").unlink()
    (data / "share").rmdir()
    problems = {each.check for each in checks.look() if each.level.exit_code}
    assert problems == {"backup-keys", "destinations"}


def test_another_user_is_told_whose_folder_it_is(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this user cannot write is named, with the owner, or with the mode that is missing."""
    refused = data / "handrail.sqlite"
    monkeypatch.setattr(os, "access", lambda path, _: path != refused)
    [found] = folder._access(data)
    assert str(refused) in found.text
    assert found.mend == f"chmod u+rwX {refused}"
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    [found] = folder._access(data)
    assert found.mend == f"sudo -u {folder._owner(data)} handrail doctor --data {data}"
    assert found.fix is None


_NAMED_BY_CONSTANTS = {
    *("certificate", "network-name", "backup-copies", "restore-drill", "recovery-key"),
    *("file-kinds", "rows", "locked-pin", "sign-in-provider"),
}


def test_each_check_has_a_row_in_its_page() -> None:
    """And each row is of a check that there is."""
    rows = (ROOT / "docs" / "reference" / "checks.md").read_text().split("| check |")[1]
    named = set(
        re.findall(r"`([a-z-]+)`", " ".join(re.findall(r"^\| (.*?) \|", rows, re.MULTILINE)))
    )
    files = [*(ROOT / "session_controller" / "preflight").glob("*.py"), Path(doctor.__file__)]
    files.append(Path(intrusion.__file__))
    made = r'(?:Finding|ok|note|warning|critical|make)\(\s*"([a-z-]+)"'
    used = set(re.findall(made, "\n".join(path.read_text() for path in files)))
    assert used | _NAMED_BY_CONSTANTS == named
