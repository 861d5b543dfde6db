"""Boxes and devices on a network: the name leads to the box, wherever DHCP puts it."""

import json
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from tests.cli.conftest import PROGRAM, READY_WITHIN_S, STOP_WITHIN_S, Handrail
from tests.cli.conftest import handrail as handrail  # noqa: PLC0414 - a fixture
from tests.machine import require
from tests.waiting import wait_until

from .conftest import Machine

NAME = "clinic.local"
SOON_S = 30.0
ANYWHERE = ("--mqtt", "0.0.0.0:8883", "--http", "0.0.0.0:8443", "--http-redirect", "0.0.0.0:8080")
pytestmark = pytest.mark.timeout(180)


class Box:
    """`handrail serve` on a machine of the network."""

    def __init__(self, machine: Machine, data: Path, *options: str) -> None:
        self.machine, self.data = machine, data
        self.log = data.with_suffix(".log")
        order = [*machine.wrap, *PROGRAM, "serve", "--data", str(data), *(options or ANYWHERE)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(order, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        ready = select.select([self.process.stdout], [], [], READY_WITHIN_S)[0]
        assert ready, self.log.read_text()
        self.ready = self.process.stdout.readline()

    def says(self, text: str) -> None:
        """Wait until its log has a text."""
        wait_until(lambda: text in self.log.read_text(), f"{text}\n{self.log.read_text()}", SOON_S)

    @property
    def where(self) -> dict[str, Any]:
        """What it says about itself."""
        found: dict[str, Any] = json.loads((self.data / "box.json").read_text())
        return found

    def end(self) -> int:
        """Stop it."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_WITHIN_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


def _on(machine: Machine, *order: str) -> Any:
    """Run Python on a machine; return what it prints, as JSON."""
    ran = subprocess.run(
        [*machine.wrap, sys.executable, "-P", "-m", *order],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode in (0, 1), ran.stderr
    return json.loads(ran.stdout)


def resolve(machine: Machine, kind: str = "A", name: str = NAME) -> list[str]:
    """Return the addresses that the network tells for a name."""
    found: list[str] = _on(machine, "tests.discovery.resolving", name, kind, machine.address)
    return found


def created(handrail: Handrail, data: Path) -> Path:
    """Return a data folder with a certificate for the name."""
    ran = handrail("tls", "create", "--name", NAME, "--data", data)
    assert ran.code == 0, ran.err
    return data


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show programs in a namespace find the sources."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))


def test_a_box_is_found_by_its_name(
    machines: tuple[Machine, Machine], tmp_path: Path, handrail: Handrail
) -> None:
    """Links, QR codes and the trust page have the name; a new address is announced by itself."""
    here, there = machines
    with Box(here, created(handrail, tmp_path / "data")) as box:
        box.says(f"announced as {NAME} on {here.device}: {here.address}")
        assert resolve(there) == [here.address]
        assert box.where["pages"] == f"https://{NAME}:8443"
        assert box.where["trust"] == f"http://{NAME}:8080/trust"
        assert box.where["pages"] in box.ready
        shown = handrail("tls", "show", "--json", "--data", box.data).json
        assert shown["trust_page"] == box.where["trust"]
        (found,) = _on(there, "cli", "find", "--seconds", "1", "--json")
        assert found == {
            "name": NAME,
            "pages": f"https://{NAME}:8443",
            "site": "main",
            "version": found["version"],
            "addresses": [here.address],
            "ca": shown["ca"]["fingerprint"],
        }
        enrol = ("device", "enrol", "Kiosk", "--role", "patient", "--code", "--json")
        kiosk = _on(here, "cli", *enrol, "--data", str(box.data))
        assert kiosk["link"] == f"https://{NAME}:8443/patient#code={kiosk['code']}"
        moved = here.address.rpartition(".")[0] + ".77"
        here.remove(f"{here.address}/24")
        here.add(f"{moved}/24")
        box.says(f"announced as {NAME} on {here.device}: {moved}")
        assert resolve(there) == [moved]
        assert box.end() == 0
    assert resolve(there) == []
    assert _on(there, "cli", "find", "--seconds", "1", "--json") == []


def test_a_box_on_ipv6_is_found(
    machines: tuple[Machine, Machine], tmp_path: Path, handrail: Handrail
) -> None:
    """By the address that stays, and no address of a version that is not listened on."""
    here, there = machines
    here.add("fd00:18::1/64")
    with Box(here, created(handrail, tmp_path / "data"), "--http", "[::]:8443") as box:
        box.says(f"announced as {NAME} on {here.device}: fd00:18::1")
        assert resolve(there, "AAAA") == ["fd00:18::1"]
        assert resolve(there, "A") == []
        assert box.end() == 0


def test_a_name_that_another_box_has_is_not_taken(
    machines: tuple[Machine, Machine], tmp_path: Path, handrail: Handrail
) -> None:
    """The second one says so, to whom looks after it too; it has the name once it is free."""
    here, there = machines
    with (
        Box(here, created(handrail, tmp_path / "first")) as first,
        Box(there, created(handrail, tmp_path / "second")) as second,
    ):
        first.says(f"announced as {NAME}")
        second.says(f"{NAME} is not announced: {here.address} on the network has this name")
        assert second.where["mdns"]["name"] is None
        assert NAME in second.where["mdns"]["problem"]
        assert second.where["trust"] == f"http://{NAME}:8080/trust"  # chosen: no other is known
        assert resolve(here) == [here.address]
        assert first.where["mdns"] == {"name": NAME, "problem": None}
        assert first.end() == 0
        second.says(f"announced as {NAME} on {there.device}: {there.address}")
        second.says(f"screens find this box as {NAME} now")
        assert second.where["mdns"] == {"name": NAME, "problem": None}
        assert second.end() == 0


_AVAHI = """
[server]
host-name=clinic
use-ipv6=no
enable-dbus=no
"""
_WITH_A_RUN_OF_ITS_OWN = 'mount -t tmpfs tmpfs /run && exec "$0" --file "$1" --no-drop-root --debug'


@contextmanager
def avahi(machine: Machine, folder: Path) -> Iterator[Path]:
    """Run Avahi on a machine, which answers to the name; yields its log."""
    daemon, unshare = require("avahi-daemon", "unshare")
    (folder / "avahi.conf").write_text(_AVAHI)
    order = [unshare, "--mount", "sh", "-c", _WITH_A_RUN_OF_ITS_OWN, daemon, folder / "avahi.conf"]
    with (folder / "avahi.log").open("wb") as log:
        started = subprocess.Popen([*machine.wrap, *order], stdout=log, stderr=log)
    try:
        wait_until(lambda: resolve(machine) == [machine.address], "Avahi answers")
        yield folder / "avahi.log"
    finally:
        started.terminate()
        started.wait(STOP_WITHIN_S)


def test_a_box_beside_avahi_announces_its_services(
    machines: tuple[Machine, Machine], tmp_path: Path, handrail: Handrail
) -> None:
    """Avahi has the machine's name and keeps it; when it ends, the box answers instead."""
    here, there = machines
    data = created(handrail, tmp_path / "data")
    with ExitStack() as beside:
        log = beside.enter_context(avahi(here, tmp_path))
        with Box(here, data) as box:
            box.says(f"announced as {NAME} on {here.device}: services only")
            assert resolve(there) == [here.address]
            (found,) = _on(there, "cli", "find", "--seconds", "1", "--json")
            assert (found["name"], found["addresses"][0]) == (NAME, here.address)
            assert box.where["mdns"] == {"name": NAME, "problem": None}
            beside.close()
            assert "conflict" not in log.read_text()
            box.says(f"announced as {NAME} on {here.device}: {here.address}")
            assert resolve(there) == [here.address]
            assert box.end() == 0


@pytest.mark.parametrize(
    "options", [("--no-mdns", *ANYWHERE), ("--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")]
)
def test_a_box_that_is_not_to_be_found_sends_nothing(
    machines: tuple[Machine, Machine], tmp_path: Path, handrail: Handrail, options: tuple[str, ...]
) -> None:
    """With `--no-mdns`, and on loopback only."""
    here, there = machines
    with Box(here, created(handrail, tmp_path / "data"), *options) as box:
        assert "mdns" not in box.where
        assert resolve(there) == []
        assert _joined(here) == 0
        assert box.end() == 0


def _joined(machine: Machine) -> int:
    """Count what an interface joined for mDNS."""
    order = ["ip", "-n", machine.name, "maddr", "show", "dev", machine.device]
    shown = subprocess.run(order, capture_output=True, text=True, check=True).stdout
    return len(re.findall(r"224\.0\.0\.251|ff02::fb", shown))
