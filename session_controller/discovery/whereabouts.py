"""Under which addresses a box is reached: from this machine, and from screens on the network."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from session_controller.discovery.announcement import screen_host
from session_controller.errors import CertificateError
from session_controller.security.certificates import hosts_of
from session_controller.security.machine import LOCAL, local_names
from session_controller.security.own_tls import OwnTls, read_certificates

Listeners = Mapping[str, tuple[str, int]]
"""Host and port of `mqtt`, `http`, `redirect` and, with TLS, `local`."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The addresses of a box with a broker of its own."""

    site: str
    certificate: Path | None
    """None: without TLS."""
    own: OwnTls | None
    """The box's own CA, if it signed the certificate."""
    host: str | None = None
    """The name or address by which screens reach the box, as the configuration says."""

    @property
    def ca(self) -> Path | None:
        """The certificate of the own CA."""
        return self.own.ca_file if self.own is not None else None

    def answers_to(self, name: str, announced: str | None) -> bool:
        """Return whether a host name, in lower case, is one of this box."""
        own = local_names()
        if name in {self.host, announced, *LOCAL.names, *own, *(n.split(".")[0] for n in own)}:
            return True
        with suppress(CertificateError, OSError):
            if self.certificate is not None:
                wild = f"*.{name.partition('.')[2]}"
                names = hosts_of(read_certificates(self.certificate)[0]).names
                return not {name, wild}.isdisjoint(map(str.lower, names))
        return False

    def of(self, found: Listeners, announced: str | None) -> dict[str, Any]:
        """Return `mqtt` for this machine; `mqtts`, `pages` and `trust` for screens.

        `announced` is the name under which the network finds the box.
        """
        tls, http = self.certificate is not None, found.get("http")
        where: dict[str, Any] = {
            "site": self.site,
            "mqtt": _url("mqtt", found["local" if tls else "mqtt"]),
            "http": http and _url("https" if tls else "http", http),
        }
        if http is not None:
            where["pages"] = self._pages(http, announced)
        if tls:
            where["mqtts"] = _url("mqtts", found["mqtt"])
        if self.own is not None:
            where["trust"] = self.trust_page(found, announced)
        return where

    def _pages(self, http: tuple[str, int], announced: str | None) -> str | None:
        """Return the address that screens open, or None if it is not known."""
        scheme = "http" if self.certificate is None else "https"
        if self.host is not None:
            return _page(scheme, self.host, http[1])
        with suppress(CertificateError, OSError):
            own = self.own.host(announced) if self.own is not None else None
            if host := screen_host(http[0], announced, self.certificate, own):
                return _page(scheme, host, http[1])
        return None

    def trust_page(self, found: Listeners, announced: str | None) -> str | None:
        """Return where devices learn to trust the own CA. Raises `CertificateError`."""
        if self.own is None:
            return None
        for name, scheme in (("redirect", "http"), ("http", "https")):
            if name in found:
                host = self.host or self.own.host(announced)
                return _page(scheme, host, found[name][1]) + "/trust"
        return None


def _page(scheme: str, host: str, port: int) -> str:
    """Return a URL without a port that it has anyway."""
    return _url(scheme, (host, port)).removesuffix({"http": ":80", "https": ":443"}[scheme])


def _url(scheme: str, address: tuple[str, int]) -> str:
    host, port = address
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
