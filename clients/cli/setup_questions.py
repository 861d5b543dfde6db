"""What `handrail setup` asks: each answer is checked at once, and asked again."""

import re
import socket
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from errno import EADDRINUSE, EADDRNOTAVAIL
from typing import TYPE_CHECKING, TypeVar

import typer

from clients.cli.context import USAGE, Failure
from clients.cli.output import say
from session_controller.configuration.sections import host_name, site_name
from session_controller.configuration.values import HostPort, host_port, span, written

if TYPE_CHECKING:
    from clients.cli.setup_state import There

Answer = TypeVar("Answer")
_MAX_PORT = 65_535
_MAX_NAME = 64
_SCREENS = {
    "facility": ("--desk", "front desk", "Front desk"),
    "patient": ("--tablet", "patient screen", "Kiosk 1"),
}
_LAN = "0.0.0.0"  # noqa: S104 - a box with a certificate serves the network
_PROPOSED = {"listen.mqtt": 8883, "listen.http": 8443, "listen.http_redirect": 8080}
_PORTS = {
    "listen.http": "Port for the pages",
    "listen.mqtt": "Port for MQTT",
    "listen.http_redirect": "Port for the page that helps screens to trust the box",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The answers; None: not asked for."""

    site: str
    host: str
    listen: dict[str, HostPort]
    """By dotted key."""
    completed: timedelta
    cancelled: timedelta
    desk: str | None
    tablet: str | None

    def configuration(self) -> dict[str, object]:
        """Return the values for the configuration, by dotted key."""
        return {
            "site.name": self.site,
            "site.host": self.host,
            **self.listen,
            "retention.completed": self.completed,
            "retention.cancelled": self.cancelled,
        }


@dataclass(frozen=True, slots=True)
class Given:
    """What was passed as options, as text; None: ask, or take what is proposed."""

    name: str | None
    host: str | None
    listen: dict[str, str | None]
    completed: str | None
    cancelled: str | None
    desk: str | None
    tablet: str | None
    screens: bool


class Asker:
    """Asks at the terminal, or takes what is proposed."""

    def __init__(self, *, interactive: bool) -> None:
        self.interactive = interactive

    def ask(
        self,
        question: str,
        given: str | None,
        proposed: str,
        parse: Callable[[str], Answer],
        option: str,
    ) -> Answer:
        """Return what was given, or else the answer of a person. Raises `Failure`."""
        if given is not None or not self.interactive:
            try:
                return parse(proposed if given is None else given)
            except ValueError as error:
                raise Failure(f"{option}: {error}", USAGE) from None
        while True:
            typed: str = typer.prompt(question, default=proposed, err=True)
            try:
                return parse(typed.strip())
            except ValueError as error:
                say(f"  {error}")


def ask_all(asker: Asker, given: Given, there: "There") -> Wanted:
    """Ask everything that is not given; what is there is proposed again."""
    site = _ask_site(asker, given, there)
    host = asker.ask(
        "Name or address by which screens reach this box",
        given.host,
        there.current.sections.site.host or there.machine_host(),
        host_name,
        "--host",
    )
    listen: dict[str, HostPort] = {}
    for key in _PORTS:
        if there.makes_certificate or key != "listen.http_redirect":
            listen[key] = _ask_port(asker, key, given.listen[key], there, listen)
    kept = there.current.sections.retention
    completed = asker.ask(
        "Delete completed check-ins so long after their delivery (0s: never)",
        given.completed,
        written(kept.completed),
        span,
        "--purge-completed",
    )
    cancelled = asker.ask(
        "Delete cancelled check-ins after (0s: never)",
        given.cancelled,
        written(kept.cancelled),
        span,
        "--purge-cancelled",
    )
    desk = _ask_screen(asker, "facility", given.desk, given, there)
    tablet = _ask_screen(asker, "patient", given.tablet, given, there)
    if desk and desk == tablet:
        raise Failure("the two screens need different names", USAGE)
    return Wanted(site, host, listen, completed, cancelled, desk, tablet)


def _ask_site(asker: Asker, given: Given, there: "There") -> str:
    if there.site is not None:
        if given.name not in (None, there.site):
            raise Failure(
                f"--name: {there.data} belongs to site {there.site!r}, which its devices know",
                USAGE,
            )
        say(f"Site: {there.site} (fixed since the first start)")
        return there.site
    return asker.ask(
        "Short name of the clinic, for topics and certificates (cannot be changed later)",
        given.name,
        there.current.sections.site.name or "main",
        _site,
        "--name",
    )


def _site(text: str) -> str:
    """Parse a site's name; propose one like it."""
    try:
        return site_name(text)
    except ValueError as error:
        plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
        like = re.sub("[^a-z0-9]+", "-", plain).strip("-")[:_MAX_NAME].strip("-")
        hint = f", such as {like}" if like else ""
        raise ValueError(f"{error}{hint}") from None


def _ask_port(
    asker: Asker, key: str, given: str | None, there: "There", others: Mapping[str, HostPort]
) -> HostPort:
    current: HostPort | None = there.value(key)
    if current is None or there.is_default(key):
        current = HostPort(_LAN, _PROPOSED[key])
    option = f"--{key.partition('.')[2].replace('_', '-')}"

    def parse(text: str) -> HostPort:
        wanted = HostPort(current.host, _port(text)) if text.isdigit() else host_port(text)
        if not wanted.port:
            raise ValueError("port 0 is any free port, which links cannot name; choose another")
        if wanted.port in {one.port for one in others.values()}:
            raise ValueError(f"port {wanted.port} is chosen already; choose another")
        if wanted != there.value(key) or there.is_default(key):
            _refuse_taken(wanted)
        return wanted

    return asker.ask(_PORTS[key], given, _proposed(current), parse, option)


def _proposed(address: HostPort) -> str:
    return str(address.port) if address.host == _LAN else str(address)


def _port(text: str) -> int:
    if not 0 < int(text) <= _MAX_PORT:
        raise ValueError(f"a port must be 1 to {_MAX_PORT}")
    return int(text)


def _refuse_taken(address: HostPort) -> None:
    """Raise `ValueError` if another program listens there; a permission is not asked for here."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            with suppress(PermissionError):
                attempt.bind((address.host, address.port))
        except OSError as error:
            why = {EADDRINUSE: "another program uses it", EADDRNOTAVAIL: "not of this machine"}
            raise ValueError(f"{address}: {why.get(error.errno or 0, error.strerror)}") from None


def _ask_screen(
    asker: Asker, role: str, named: str | None, given: Given, there: "There"
) -> str | None:
    """Return the name of the first screen of a role; None if there is one, or none is wanted."""
    if named is None and (role in there.seen or not given.screens):
        return None
    option, what, proposed = _SCREENS[role]
    question = f"Name of the first {what} (-: none)"
    return asker.ask(question, named, there.waiting.get(role, proposed), _screen, option)


def _screen(text: str) -> str | None:
    name = text.strip()
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise ValueError(f"a screen's name must be 1 to {_MAX_NAME} printable characters")
    return None if name == "-" else name
