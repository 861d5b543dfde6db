"""How what is typed on the command line is read: addresses, spans of time."""

import re
from dataclasses import dataclass
from datetime import timedelta

import typer

_SPAN = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class HostPort:
    """Where to listen."""

    host: str
    port: int


def host_port(text: str) -> HostPort:
    """Read `HOST:PORT`; an IPv6 address stands in brackets, port 0 is any free one."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise typer.BadParameter(f"{text!r}: an IPv6 address stands in brackets: [::1]:1883")
    if not colon or not host or not port.isascii() or not port.isdigit():
        raise typer.BadParameter(f"{text!r} is not HOST:PORT, such as 127.0.0.1:1883")
    if int(port) > _MAX_PORT:
        raise typer.BadParameter(f"{text!r}: a port is at most {_MAX_PORT}")
    return HostPort(host, int(port))


def span(text: str) -> timedelta:
    """Read a span of time: `90s`, `30m`, `24h`, `7d`."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no span of time, such as 30m, 24h or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
