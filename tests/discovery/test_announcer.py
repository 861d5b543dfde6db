"""An announcer follows addresses, names and conflicts; responders are replaced by records."""

import asyncio
from collections.abc import Iterable
from ipaddress import ip_address

import pytest

from session_controller.discovery import announcer as module
from session_controller.discovery.announcement import Announcement, Service
from session_controller.discovery.announcer import Announcer
from session_controller.errors import CertificateError
from session_controller.security.certificates import Address
from session_controller.security.machine import Interface
from tests.waiting import until

WANTED = Announcement("box.local", (Service("_https._tcp.local.", "0.0.0.0", 443),), ())  # noqa: S104
RIVAL = ip_address("192.168.1.9")


def interface(name: str, address: str) -> Interface:
    """Make an interface."""
    return Interface(name, 1, (ip_address(address),))


LAN, WIFI = interface("eth0", "192.168.1.5"), interface("wlan0", "10.0.0.5")


class Network:
    """A network: who answers, and what was announced on which interface."""

    def __init__(self) -> None:
        self.there = [LAN]
        self.wanted: Announcement | None = WANTED
        self.answering: set[Address] = set()
        self.broken: str | None = None
        self.said: list[str] = []
        self.open: list[FakeResponder] = []
        self.probes = 0
        self.changes = 0
        self.announcer = Announcer(self.describe, self.changed, lambda: self.there, self.make)

    def describe(self) -> Announcement | None:
        """Return what is wanted, or fail as a certificate does."""
        if self.broken == "certificate":
            raise CertificateError("box.pem: gone")
        return self.wanted

    def changed(self) -> None:
        """Count."""
        self.changes += 1

    def make(self, where: Interface) -> "FakeResponder":
        """Make a responder."""
        return FakeResponder(self, where)

    def look(self) -> None:
        """Look once more."""
        asyncio.run(self.announcer.look())

    def take(self) -> list[str]:
        """Return what was said since the last time."""
        said, self.said = self.said, []
        return said


class FakeResponder:
    """Writes down what it is told to say."""

    def __init__(self, network: Network, where: Interface) -> None:
        self.network, self.interface = network, where
        self.heard: set[Address] = set()

    async def start(self, _: str) -> None:
        """Fail, if the network is broken."""
        if self.network.broken == self.interface.name:
            raise OSError(13, "Permission denied")
        self.network.open.append(self)

    def probe(self, *_: object) -> None:
        """Note who answers."""
        self.network.probes += 1
        self.heard |= self.network.answering

    async def announce(self, wanted: Announcement, addresses: Iterable[Address]) -> None:
        """Write it down."""
        told = ",".join(map(str, addresses))
        self.network.said.append(f"{wanted.name} {self.interface.name} {told}".strip())

    async def stop(self) -> None:
        """Write it down."""
        if self in self.network.open:
            self.network.open.remove(self)
            self.network.said.append(f"bye {self.interface.name}")


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    """Return a network on which nothing needs time."""
    monkeypatch.setattr(module, "_PROBE_EVERY_S", 0)
    return Network()


def state(network: Network) -> tuple[str | None, str | None]:
    """Return the name and the problem."""
    return network.announcer.name, network.announcer.problem


def test_a_box_is_announced_once(network: Network) -> None:
    """After it asked whether the name is free; then it is quiet."""
    network.look()
    network.look()
    assert network.take() == ["box.local eth0 192.168.1.5"]
    assert network.probes == 3
    assert state(network) == ("box.local", None)
    asyncio.run(network.announcer.stop())
    assert network.take() == ["bye eth0"]


def test_a_new_address_is_announced(network: Network) -> None:
    """Also on a new interface; what stays is not touched."""
    network.look()
    network.there = [LAN, WIFI]
    network.look()
    network.there = [interface("eth0", "192.168.1.6"), WIFI]
    network.look()
    assert network.take() == [
        "box.local eth0 192.168.1.5",
        "box.local wlan0 10.0.0.5",
        "bye eth0",
        "box.local eth0 192.168.1.6",
    ]
    network.there = []
    network.look()
    assert network.take() == ["bye wlan0", "bye eth0"]
    assert state(network) == ("box.local", None)


def test_a_name_that_another_machine_has_is_not_announced(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said once; once the name is free, it is announced."""
    network.answering = {RIVAL}
    network.look()
    network.look()
    assert network.take() == []
    name, problem = state(network)
    assert name is None
    assert problem == (
        "box.local is not announced: 192.168.1.9 on the network has this name already"
    )
    assert [one.message for one in caplog.records if one.levelname == "ERROR"] == [problem]
    network.answering = set()
    network.look()
    assert network.take() == ["box.local eth0 192.168.1.5"]
    assert state(network) == ("box.local", None)
    assert network.changes == 2


def test_a_rival_that_comes_later_is_named(network: Network) -> None:
    """The box keeps its name: otherwise anybody could take it away. When it left, all is well."""
    network.look()
    network.open[0].heard.add(RIVAL)
    network.answering = {RIVAL, ip_address("192.168.1.5")}
    network.look()
    network.look()
    name, problem = state(network)
    assert name == "box.local"
    assert problem is not None
    assert "may lead to another machine: 192.168.1.9" in problem
    network.answering = {ip_address("192.168.1.5")}
    network.look()
    assert state(network) == ("box.local", None)
    assert network.take() == ["box.local eth0 192.168.1.5"]


def test_an_earlier_address_of_its_own_is_no_rival(network: Network) -> None:
    """An access point may repeat what the box said before its address changed."""
    network.look()
    network.there = [interface("eth0", "192.168.1.6")]
    network.answering = {ip_address("192.168.1.5")}
    network.look()
    assert state(network) == ("box.local", None)


def test_where_this_machine_answers_by_itself_only_services_are_announced(
    network: Network,
) -> None:
    """Beside Avahi; when that ends, the box answers for the name too."""
    network.answering = {ip_address("192.168.1.5"), ip_address("fe80::5")}
    network.there = [Interface("eth0", 1, tuple(network.answering))]
    network.look()
    network.look()
    assert network.take() == ["box.local eth0"]
    assert state(network) == ("box.local", None)
    network.answering = set()
    network.look()
    assert network.take() == ["bye eth0", "box.local eth0 192.168.1.5"]


def test_another_name_in_the_certificate_is_announced(network: Network) -> None:
    """As after a renewal with other names."""
    network.look()
    network.take()
    network.wanted = Announcement("desk.local", WANTED.services, ())
    network.look()
    assert network.take() == ["bye eth0", "desk.local eth0 192.168.1.5"]
    assert state(network) == ("desk.local", None)


def test_what_keeps_it_from_announcing_is_said(network: Network) -> None:
    """Of an interface, of the certificate, of the machine's name; it is tried again."""
    network.there, network.broken = [LAN, WIFI], "wlan0"
    network.look()
    assert state(network) == (
        "box.local",
        "box.local is not announced on each interface: wlan0: Permission denied",
    )
    network.there = [WIFI]
    network.look()
    assert state(network)[0] is None
    network.broken = "certificate"
    network.look()
    assert state(network)[1] == "cannot be announced: box.pem: gone"
    network.broken, network.wanted = None, None
    network.look()
    assert state(network) == (None, "this machine has no name of its own to announce")
    network.wanted = WANTED
    network.look()
    assert state(network) == ("box.local", None)


async def test_it_begins_with_the_name_and_survives_an_error(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Screens are referred to the name from the start; an error of ours is named."""
    started = asyncio.Event()
    monkeypatch.setattr(network, "changes", 0)

    def fail() -> list[Interface]:
        started.set()
        raise RuntimeError("Zorblatt")

    made = Announcer(network.describe, network.changed, fail, network.make)
    made.start()
    assert made.name == "box.local"
    await started.wait()
    await until(lambda: made.problem is not None, "it says so")
    assert made.problem is not None
    assert made.problem.startswith("cannot be announced: RuntimeError at ")
    await made.stop()
