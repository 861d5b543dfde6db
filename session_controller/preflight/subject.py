"""What is checked: a data folder, and how its box is started."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from session_controller.errors import StoreError
from session_controller.settings import SERVE_OPTIONS
from session_controller.storage.database import DATABASE
from session_controller.storage.reader import Reader
from session_controller.storage.room import DiskUsage

Address = tuple[str, int]
LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a box is started, as far as checks need it; the defaults are those of `serve`."""

    listen: Mapping[str, Address]
    """By the name of the option: where it listens."""
    certificate: tuple[Path, Path] | None = None
    """Certificate and key of the site's own; None: those that the box makes, or no TLS."""
    tls_off: bool = False
    broker: str | None = None
    """The URL of another broker, without user and password."""
    backs_up: bool = True
    purges: bool = True
    idle_limit: timedelta = timedelta(hours=4)
    screen_lock: timedelta = timedelta(minutes=10)
    token_file: Path | None = None
    """The file with the token that /metrics asks for."""
    fonts: Path | None = None
    """The folder with more fonts."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked, and when."""

    data: Path
    at: datetime
    plan: Plan
    running: bool
    """Whether a box runs on the folder."""
    usage: DiskUsage

    @property
    def database(self) -> Path:
        """The path of the database."""
        return self.data / DATABASE


def remembered_plan(data: Path) -> Plan:
    """Return how the box of a data folder was started last; the defaults if that is not known."""
    options: dict[str, str] = {}
    if (data / DATABASE).exists():
        with (
            suppress(sqlite3.Error, StoreError, ValueError, OSError),
            Reader.without_keys(data / DATABASE) as reader,
        ):
            options = dict(json.loads(reader.meta(SERVE_OPTIONS) or "{}"))
    return plan_of(options)


def plan_of(options: Mapping[str, str]) -> Plan:
    """Return what the options of `handrail serve` mean. Those that make no sense are left out."""
    listen = {"--mqtt": ("127.0.0.1", 1883), "--http": ("127.0.0.1", 8080)}
    for name in ("--mqtt", "--http", "--http-redirect"):
        with suppress(ValueError, KeyError):
            listen[name] = _address(options[name])
    certificate, key = options.get("--tls-cert"), options.get("--tls-key")
    token, fonts = options.get("--metrics-token-file"), options.get("HANDRAIL_FONTS")
    spans = {
        name: span
        for option, name in _SPANS.items()
        if (span := _span(options.get(option))) is not None
    }
    if broker := options.get("--broker"):
        listen = {}
    return Plan(
        listen,
        certificate=(Path(certificate), Path(key)) if certificate and key else None,
        tls_off="--no-tls" in options,
        broker=broker,
        backs_up=_span(options.get("--backup-every")) != timedelta(),
        purges=_span(options.get("--purge-completed")) != timedelta(),
        token_file=Path(token) if token else None,
        fonts=Path(fonts) if fonts else None,
        **spans,
    )


_SPANS = {"--idle-limit": "idle_limit", "--screen-lock": "screen_lock"}


def _address(text: str) -> Address:
    found = urlsplit(f"//{text}")
    if found.hostname is None or found.port is None:
        raise ValueError(text)
    return found.hostname, found.port


def _span(text: str | None) -> timedelta | None:
    """Return a span as `serve` remembers it: seconds, such as `14400s`."""
    with suppress(ValueError, OverflowError):
        return timedelta(seconds=int((text or "").removesuffix("s")))
    return None


def is_locked(data: Path) -> bool:
    """Return whether a process has locked a data folder: a box, or a command."""
    try:
        handle = os.open(data / LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
