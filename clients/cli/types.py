"""Parsers for command-line values: addresses, counts, spans and points of time."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import typer

_PART = re.compile(r"(\d{1,10})([smhdwy])")
_SPAN = re.compile(f"(?:{_PART.pattern})+")
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
    "y": timedelta(days=365),
}
_COUNTS = re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3}),(\d{1,3})")
_MAX_PORT = 65_535
_MAX_S = timedelta(days=36_500).total_seconds()


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def host_port(text: str) -> HostPort:
    """Parse `HOST:PORT`. An IPv6 address is in brackets; port 0 means any free port."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise typer.BadParameter(f"{text!r}: put an IPv6 address in brackets: [::1]:1883")
    if not colon or not host or not port.isascii() or not port.isdigit():
        raise typer.BadParameter(f"{text!r} is not HOST:PORT, such as 127.0.0.1:1883")
    if int(port) > _MAX_PORT:
        raise typer.BadParameter(f"{text!r}: the port must be at most {_MAX_PORT}")
    return HostPort(host, int(port))


@dataclass(frozen=True, slots=True)
class Counts:
    """How many backups to keep: the last ones, and one per day, week and month."""

    last: int
    daily: int
    weekly: int
    monthly: int

    def __str__(self) -> str:
        return f"{self.last},{self.daily},{self.weekly},{self.monthly}"


def counts(text: str) -> Counts:
    """Parse `LAST,DAYS,WEEKS,MONTHS`; at least the last backup is kept."""
    found = _COUNTS.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is not LAST,DAYS,WEEKS,MONTHS, such as 4,7,4,12")
    parsed = Counts(*map(int, found.groups()))
    if not parsed.last:
        raise typer.BadParameter(f"{text!r}: at least the last backup must be kept")
    return parsed


def span(text: str) -> timedelta:
    """Parse a span of time of at most 100 years: `90s`, `30m`, `24h`, `7d`, `6w`, `1y`, `1d12h`."""
    if _SPAN.fullmatch(text) is None:
        raise typer.BadParameter(f"{text!r} is not a span of time, such as 30m, 24h, 7d or 1y")
    parts = _PART.findall(text)
    if sum(int(number) * _UNITS[unit].total_seconds() for number, unit in parts) > _MAX_S:
        raise typer.BadParameter(f"{text!r}: a span of time must be at most 100y")
    return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())


def since(text: str) -> datetime:
    """Parse a moment: a date or time by ISO 8601, local if it names no zone, or a span ago."""
    if _SPAN.fullmatch(text):
        return datetime.now(UTC) - span(text)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(
            f"{text!r} is neither a date, such as 2026-11-30, nor a span of time, such as 7d"
        ) from None
