"""Values of the configuration and of the command line, as people write them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

_PART = re.compile(r"(\d{1,10})([smhdwy])")
SPAN = re.compile(f"(?:{_PART.pattern})+")
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
_LONGEST_BUTTON = 40
_CLAIM = re.compile(r"[\x21-\x7e]{1,128}")
_MAX_S = timedelta(days=36_500).total_seconds()


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """The least level that is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class MailSecurity(StrEnum):
    """How the connection to a mail server is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class HostPort:
    """An address to listen on."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def host_port(text: str) -> HostPort:
    """Parse `HOST:PORT`. An IPv6 address is in brackets; port 0 means any free port.

    Like all parsers here, raises `ValueError` with a message for a person.
    """
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: put an IPv6 address in brackets: [::1]:1883")
    if not colon or not host or not port.isascii() or not port.isdigit():
        raise ValueError(f"{text!r} is not HOST:PORT, such as 127.0.0.1:1883")
    if int(port) > _MAX_PORT:
        raise ValueError(f"{text!r}: the port must be at most {_MAX_PORT}")
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
        raise ValueError(f"{text!r} is not LAST,DAYS,WEEKS,MONTHS, such as 4,7,4,12")
    parsed = Counts(*map(int, found.groups()))
    if not parsed.last:
        raise ValueError(f"{text!r}: at least the last backup must be kept")
    return parsed


def span(text: str) -> timedelta:
    """Parse a span of time of at most 100 years: `90s`, `30m`, `24h`, `7d`, `6w`, `1y`, `1d12h`."""
    if SPAN.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a span of time, such as 30m, 24h, 7d or 1y")
    parts = _PART.findall(text)
    if sum(int(number) * _UNITS[unit].total_seconds() for number, unit in parts) > _MAX_S:
        raise ValueError(f"{text!r}: a span of time must be at most 100y")
    return sum((int(number) * _UNITS[unit] for number, unit in parts), timedelta())


def mail_server(text: str) -> str:
    """Parse the name of a mail server, with or without a port."""
    if ":" in text:
        host_port(text)
    if not text or " " in text:
        raise ValueError("must be a name, such as mail.clinic.example:587")
    return text


def web_address(text: str) -> str:
    """Parse an address of the web; one that is not encrypted only of this machine."""
    return _address(text, {"https": True, "http": False}, "https://host/path")


def issuer_address(text: str) -> str:
    """Parse the issuer of an OpenID Connect provider, which is compared to the letter."""
    return _bare_address(web_address(text))


def page_address(text: str) -> str:
    """Parse the address of the front-desk page, to which a provider returns."""
    return _bare_address(web_address(text))


def _bare_address(text: str) -> str:
    if "?" in text or "#" in text:
        raise ValueError("must not have a query or a fragment")
    return text


def words(text: str) -> str:
    """Parse words that are separated by spaces."""
    if not text.isascii() or not text.isprintable():
        raise ValueError("must be words separated by spaces")
    return " ".join(text.split())


def networks(text: str) -> str:
    """Parse IP addresses and networks that are separated by spaces."""
    from ipaddress import ip_network  # noqa: PLC0415 - seldom

    try:
        return " ".join(str(ip_network(one)) for one in words(text).split())
    except ValueError:
        raise ValueError(
            f"{text!r} are not addresses or networks, such as 127.0.0.1 or 10.0.5.0/24"
        ) from None


def button(text: str) -> str:
    """Parse what is on a button."""
    if not text.isprintable() or not 0 < len(text.strip()) <= _LONGEST_BUTTON:
        raise ValueError(f"must be text on one line, of at most {_LONGEST_BUTTON} characters")
    return text.strip()


def claim_name(text: str) -> str:
    """Parse the name of a claim."""
    if _CLAIM.fullmatch(text) is None:
        raise ValueError("must be the name of a claim, such as sub")
    return text


def mqtt_address(text: str) -> str:
    """Parse a broker's address; one that is not encrypted only of this machine."""
    return _address(text, {"mqtts": True, "mqtt": False}, "mqtts://host:8883")


def _address(text: str, schemes: Mapping[str, bool], example: str) -> str:
    from urllib.parse import urlsplit  # noqa: PLC0415 - seldom

    parts = urlsplit(text)
    if parts.scheme not in schemes or not parts.hostname or parts.username or parts.port == 0:
        raise ValueError(f"must be an address such as {example}, without user and password")
    if not schemes[parts.scheme] and parts.hostname not in ("127.0.0.1", "::1", "localhost"):
        raise ValueError(f"is not encrypted; use an address such as {example}")
    return text


def bare(url: str) -> str:
    """Return a broker URL without its user and password."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def without_password(url: str) -> str:
    """Return a URL as it is, or without its user and password if it has a password."""
    user, at, _ = url.partition("://")[2].rpartition("@")
    return bare(url) if at and ":" in user else url


def written(value: object) -> str:
    """Return a value as text that its parser accepts; `none` of no value."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case timedelta():
            return _written_span(value)
        case Path():
            return str(value.absolute())
    return str(value)


def _written_span(value: timedelta) -> str:
    left, text = int(value.total_seconds()), ""
    for unit in "dhms":
        count, left = divmod(left, int(_UNITS[unit].total_seconds()))
        text += f"{count}{unit}" if count else ""
    return text or "0s"
