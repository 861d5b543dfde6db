"""The guide for facility IT: its commands, as the pages show them, do what the pages say."""

import re
import shlex
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from session_controller.security.encryption import required_box_keys
from session_controller.security.own_tls import OwnTls, WantedHosts
from tests.cli.conftest import Handrail, Ran
from tests.cli.test_docs import commands_of
from tests.conftest import ROOT
from tests.machine import free_port

HOW_TO = ROOT / "docs" / "how-to"
PAGES = ("bad-day.md", "day-and-week.md")


def section(page: str, heading: str) -> list[str]:
    """Return the commands in the blocks of a section."""
    text = (HOW_TO / page).read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return commands_of("\n".join(re.findall(r"```\n.*?\n```", text, re.DOTALL)))


_ALONE = {"handrail status": 3, "handrail find": 1}
"""How commands end that need a running box."""


class Typist:
    """Types commands of a page for a data folder."""

    def __init__(self, handrail: Handrail, data: Path) -> None:
        self._handrail, self.data = handrail, data
        self.places: dict[str, str] = {}
        """What stands on a page, and what stands for it here."""

    def type(self, line: str) -> Ran:
        """Type one command."""
        words = [self.places.get(word, word) for word in shlex.split(line)[1:]]
        asks = "restore" in words and "--forget-replaced" not in words
        if asks or words[:3] == ["key", "recovery", "verify"]:  # instead of typing the key
            words += ["--recovery-key-file", self.places["the recovery key"]]
        if asks:
            words += ["--signed-by", self.places["the fingerprint"]]
        return self._handrail(*words, *(() if "find" in words else ("--data", self.data)))

    def type_all(self, page: str, heading: str) -> list[Ran]:
        """Type all commands of a section; each succeeds, but for what needs a running box."""
        lines = section(page, heading)
        ran = [self.type(line) for line in lines]
        assert ran
        codes = {line: one.code for line, one in zip(lines, ran, strict=True) if one.code}
        assert {line: code for line, code in codes.items() if code != _ALONE.get(line)} == {}
        return ran


@pytest.fixture
def box(handrail: Handrail, tmp_path: Path) -> Typist:
    """Set up a box with a recovery key, two screens and a certificate."""
    data, key = tmp_path / "data", tmp_path / "key.txt"
    made = handrail(
        *("setup", "--yes", "--name", "clinic-a", "--host", "127.0.0.1", "--data", data),
        *(f"--{name}=127.0.0.1:{free_port()}" for name in ("mqtt", "http", "http-redirect")),
    )
    assert made.code == 0, made.err
    found = re.search(r"AGE-SECRET-KEY-1[\sA-Z0-9]+?\n\n", made.out + made.err)
    assert found
    signer = re.search(r"fingerprint of this box: ([A-Z2-7-]{29})", made.out + made.err)
    assert signer
    key.write_text(found[0])
    key.chmod(0o600)
    typist = Typist(handrail, data)
    typist.places = {
        "/mnt/backup/handrail": str(tmp_path / "copy"),
        "the recovery key": str(key),
        "the fingerprint": signer[1],
    }
    return typist


def test_a_lost_tablet(box: Typist) -> None:
    """It is not in the list any more."""
    _, _, last = box.type_all("bad-day.md", "A tablet is lost")
    assert "kiosk-1" not in last.out
    assert "front-desk" in last.out


def test_a_dead_card(box: Typist, handrail: Handrail) -> None:
    """The box comes back on a machine that has nothing but a copy and the paper."""
    copy = box.places["/mnt/backup/handrail"]
    assert handrail("backup", "--to", copy, "--data", box.data).code == 0
    shutil.rmtree(box.data)
    restored, *_, healthy = box.type_all("bad-day.md", "The card is dead")
    assert "restored" in restored.err
    assert healthy.out.startswith("HANDRAIL OK"), healthy.out
    assert {"front-desk", "kiosk-1"} <= set(
        handrail("device", "list", "--data", box.data).out.split()
    )


def test_a_stolen_box(box: Typist) -> None:
    """What it knew is of no use: keys, CA and secrets are new."""
    before = (box.data / "box.key").read_bytes(), (box.data / "tls" / "ca.pem").read_bytes()
    secrets = (box.data / "admin.json").read_bytes()
    box.type_all("bad-day.md", "The box is stolen")
    assert "sudo rm /var/lib/handrail/admin.json" in (HOW_TO / "bad-day.md").read_text()
    (box.data / "admin.json").unlink()
    assert box.type("handrail device list").code == 0
    assert (box.data / "admin.json").read_bytes() != secrets
    after = (box.data / "box.key").read_bytes(), (box.data / "tls" / "ca.pem").read_bytes()
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_an_expired_certificate(box: Typist, handrail: Handrail) -> None:
    """`doctor` names it, and what the page says mends it, with the same CA."""
    own, keys = OwnTls(box.data), required_box_keys(box.data)
    own.create("clinic-a", WantedHosts(), keys, datetime.now(UTC) - timedelta(days=398))
    ca = (box.data / "tls" / "ca.pem").read_bytes()
    assert "expired on" in handrail("doctor", "--data", box.data).out
    box.type_all("bad-day.md", "The certificate has expired")
    assert "expired on" not in handrail("doctor", "--data", box.data).out
    assert (box.data / "tls" / "ca.pem").read_bytes() == ca


@pytest.mark.parametrize("heading", ["The disk is full", "The power was cut", "The clock is wrong"])
def test_the_commands_of_a_section_run(box: Typist, heading: str) -> None:
    """On a box that runs or not; only `status` needs one that does."""
    box.type_all("bad-day.md", heading)


def test_a_moved_address(box: Typist) -> None:
    """A new certificate, and a code for a screen; `find` finds no box that does not run."""
    before = (box.data / "tls" / "box.pem").read_bytes()
    *_, code = box.type_all("bad-day.md", "The address has moved")
    assert (box.data / "tls" / "box.pem").read_bytes() != before
    assert "kiosk-1" in code.out


@pytest.mark.parametrize("heading", ["Each day", "Each week", "Each month", "Each year"])
def test_what_is_looked_at(box: Typist, heading: str) -> None:
    """All is well on a new box."""
    ran = box.type_all("day-and-week.md", heading)
    assert not [one.out for one in ran if "CRITICAL" in one.out or "whole     no" in one.out]


@pytest.mark.parametrize("page", PAGES)
def test_each_section_has_commands(page: str) -> None:
    """That the page shows in blocks."""
    headings = re.findall(r"^## (.+)$", (HOW_TO / page).read_text(), re.MULTILINE)
    assert [one for one in headings if not section(page, one)] == []
