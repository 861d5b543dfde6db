"""What a box announces, and under which address screens open it."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from session_controller.discovery import announcement
from session_controller.discovery.announcement import (
    Announcement,
    Service,
    announced,
    mdns_name,
    name_of,
    screen_host,
)
from session_controller.discovery.whereabouts import Whereabouts
from session_controller.security.machine import Interface, interfaces
from tests.broker import certificates


def _interface(*addresses: str) -> Interface:
    return Interface("eth0", 2, tuple(map(ip_address, addresses)))


LAN = _interface("192.168.1.5", "169.254.7.7", "fd00::5", "2001:db8::5", "fe80::5")


@pytest.fixture(autouse=True)
def _named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcement, "local_names", lambda: ("box.local", "box"))


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate for localhost and 127.0.0.1 only."""
    return certificates.make(tmp_path_factory.mktemp("made")).folder / "server.pem"


@pytest.mark.parametrize(
    ("host", "interface", "told"),
    [
        ("0.0.0.0", LAN, ["192.168.1.5"]),  # noqa: S104
        ("0.0.0.0", _interface("169.254.7.7"), ["169.254.7.7"]),  # noqa: S104
        ("::", LAN, ["fd00::5"]),
        ("::", _interface("2001:db8::5", "fe80::5"), ["2001:db8::5"]),
        ("::", _interface("fe80::5"), []),
        ("192.168.1.5", LAN, ["192.168.1.5"]),
        ("10.0.0.1", LAN, []),
        ("127.0.0.1", LAN, []),
    ],
)
def test_only_addresses_that_are_listened_on_are_told(
    host: str, interface: Interface, told: list[str]
) -> None:
    """Of each interface its own; those without a scope, and that stay."""
    said = Announcement("box.local", (Service("_http._tcp.local.", host, 80),), ())
    assert [str(each) for each in said.addresses_on(interface)] == told
    assert bool(said.services_on(interface)) is bool(told)


def test_what_is_told_to_everybody_is_little() -> None:
    """Site, version and path, nothing else; the local listener for commands is not told."""
    anywhere = ("0.0.0.0", 8080)  # noqa: S104
    listeners = {"mqtt": ("127.0.0.1", 1883), "http": anywhere, "local": ("127.0.0.1", 9)}
    said = announced(listeners, None, None, "main", "1.2.3")
    assert said is not None
    assert said.name == "box.local"
    assert said.services == (Service("_http._tcp.local.", *anywhere),)
    assert dict(said.facts) == {
        "txtvers": "1",
        "app": "handrail",
        "site": "main",
        "version": "1.2.3",
        "path": "/",
    }


def test_nothing_is_told_of_a_box_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor of a machine without a name."""
    assert announced({"http": ("127.0.0.1", 80), "mqtt": ("::1", 1)}, None, None, "x", "1") is None
    monkeypatch.setattr(announcement, "local_names", tuple)
    anywhere = ("0.0.0.0", 8080)  # noqa: S104
    assert announced({"http": anywhere}, None, None, "x", "1") is None


def test_the_name_is_that_of_the_certificate(named: Path) -> None:
    """So that a browser accepts it; the machine's, if the certificate has none of its own."""
    assert mdns_name(["clinic.example", "clinic.local"]) == "clinic.local"
    assert mdns_name(["clinic.example"]) == "box.local"
    assert mdns_name(None) == "box.local"
    assert name_of(named) == "box.local"


def test_a_long_name_fits_an_instance() -> None:
    """A label of DNS has at most 63 bytes."""
    assert len(Announcement("x" * 63 + ".local", (), ()).instance) == 63


@pytest.mark.parametrize(
    ("listened", "announced_as", "own", "host"),
    [
        ("127.0.0.1", "box.local", "192.168.1.5", "127.0.0.1"),
        ("0.0.0.0", "box.local", None, "box.local"),  # noqa: S104
        ("0.0.0.0", None, "192.168.1.5", "192.168.1.5"),  # noqa: S104
        ("0.0.0.0", None, None, None),  # noqa: S104
        ("192.168.1.5", None, None, "192.168.1.5"),
    ],
)
def test_screens_open_the_name(
    listened: str, announced_as: str | None, own: str | None, host: str | None
) -> None:
    """Where there is none, an address, if it is a certain one."""
    assert screen_host(listened, announced_as, None, own) == host


def test_a_name_that_the_certificate_lacks_is_not_used(named: Path) -> None:
    """A browser would refuse it."""
    assert screen_host("10.0.0.1", "box.local", named, None) == "10.0.0.1"
    where = Whereabouts("main", named, None)
    found = {"mqtt": ("10.0.0.1", 1), "local": ("127.0.0.1", 2), "http": ("10.0.0.1", 443)}
    assert where.of(found, "box.local") == {
        "site": "main",
        "mqtt": "mqtt://127.0.0.1:2",
        "mqtts": "mqtts://10.0.0.1:1",
        "http": "https://10.0.0.1:443",
        "pages": "https://10.0.0.1",
    }


def test_the_interfaces_of_this_machine_are_found() -> None:
    """Without loopback; each with its number."""
    assert all(each.index > 0 for each in interfaces())
    assert not [one for each in interfaces() for one in each.addresses if one.is_loopback]
