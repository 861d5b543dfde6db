"""What a box announces: under which name, with which services, at which addresses."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from session_controller.security.certificates import Address, fingerprint, hosts_of, is_private
from session_controller.security.machine import LOCAL, Interface, local_names
from session_controller.security.own_tls import read_certificates

APP = "handrail"
PAGES = {True: "_https._tcp.local.", False: "_http._tcp.local."}
"""Types of service (RFC 6763, 7), by whether TLS is used."""
_MQTT = {True: "_secure-mqtt._tcp.local.", False: "_mqtt._tcp.local."}
_DOMAIN = ".local"
_LABEL_LENGTH = 63
_IPV4 = 4


@dataclass(frozen=True, slots=True)
class Service:
    """A type of service, and where the box listens for it."""

    type: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a box says of itself to everybody on its network: no secrets, nothing of patients."""

    name: str
    """Its name below `.local`."""
    services: tuple[Service, ...]
    facts: tuple[tuple[str, str], ...]
    """The TXT record (RFC 6763, 6)."""

    @property
    def instance(self) -> str:
        """What a list of services shows: unique, since the name is."""
        return f"Handrail {self.name.removesuffix(_DOMAIN)}"[:_LABEL_LENGTH]

    def addresses_on(self, interface: Interface) -> tuple[Address, ...]:
        """Return at which addresses of an interface a service is reached."""
        found = (a for service in self.services for a in _reached(service.host, interface))
        return tuple(dict.fromkeys(found))

    def services_on(self, interface: Interface) -> tuple[Service, ...]:
        """Return the services that are reached through an interface."""
        return tuple(one for one in self.services if any(_reached(one.host, interface)))


def _reached(host: str, interface: Interface) -> Iterator[Address]:
    """Yield at which addresses of an interface others reach who listens at `host`."""
    listened = ip_address(host.partition("%")[0])
    found = [each for each in interface.addresses if each.version == listened.version]
    if not listened.is_unspecified:
        yield from (each for each in found if each == listened)
    elif listened.version == _IPV4:
        yield from [each for each in found if not each.is_link_local] or found
    else:
        # Without its interface a link-local address leads nowhere; a public one changes daily.
        lasting = [each for each in found if not each.is_link_local]
        yield from [each for each in lasting if is_private(each)] or lasting


def mdns_name(names: Sequence[str] | None) -> str | None:
    """Return the name of a box below `.local`, or None if it has none.

    `names` are those of its certificate, the first one first; None: it has no certificate.
    """
    known = [name for name in names or () if name.endswith(_DOMAIN)]
    own = [name for name in local_names() if name.endswith(_DOMAIN)]
    return next(iter([*known, *own]), None)


def name_of(certificate: Path | None) -> str | None:
    """Return the name under which a box with a certificate is announced. Raises as `announced`."""
    return mdns_name(None if certificate is None else _names(certificate))


def _names(certificate: Path) -> tuple[str, ...]:
    return hosts_of(read_certificates(certificate)[0]).names


def _public(certificate: Path) -> list[str]:
    """Return the names of a certificate under which a screen can open the pages."""
    return [one for one in _names(certificate) if one not in LOCAL.names and one[0] != "*"]


def announced(
    addresses: Mapping[str, tuple[str, int]],
    certificate: Path | None,
    ca: Path | None,
    site: str,
    version: str,
) -> Announcement | None:
    """Return what is announced of listeners, by name; None if there is no name or nothing to reach.

    Raises `CertificateError`, `OSError`.
    """
    tls = certificate is not None
    types = {"http": PAGES[tls], "mqtt": _MQTT[tls]}
    services = tuple(
        Service(types[key], host, port)
        for key, (host, port) in addresses.items()
        if key in types and not is_loopback(host)
    )
    name = name_of(certificate)
    if name is None or not services:
        return None
    facts = {"txtvers": "1", "app": APP, "site": site, "version": version, "path": "/"}
    if ca is not None:
        facts["ca"] = fingerprint(read_certificates(ca)[0])
    if certificate is not None and name not in (names := _public(certificate)) and names:
        facts["host"] = names[0]
    return Announcement(name, services, tuple(facts.items()))


def screen_host(
    listened: str, announced: str | None, certificate: Path | None, own: str | None
) -> str | None:
    """Return under which name or address screens open the pages, or None if it is not known.

    `own` is that of the box's own certificate. Raises as `announced`.
    """
    if is_loopback(listened):
        return listened
    names = [] if certificate is None else _public(certificate)
    if announced is not None and (certificate is None or announced in names):
        return announced
    if own is not None:
        return own
    anywhere = ip_address(listened.partition("%")[0]).is_unspecified
    return next(iter(names), None if anywhere else listened)


def is_loopback(host: str) -> bool:
    """Return whether who listens at a host is reached from this machine only."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in LOCAL.names
