"""What is checked: a data folder, and how its box is started."""

import fcntl
import json
import os
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from session_controller.configuration.openid import openid_settings
from session_controller.configuration.sections import Sections
from session_controller.configuration.values import without_password
from session_controller.errors import ConfigurationError, StoreError
from session_controller.openid.settings import OpenIdSettings
from session_controller.settings import CHOSEN
from session_controller.storage.database import DATABASE, LOCK
from session_controller.storage.reader import Reader
from session_controller.storage.room import DiskUsage

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class StartOptions:
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
    site: str | None = None
    """The site's name; None: that of the data folder."""
    host: str | None = None
    """The name or address in links to the box, if one is configured."""
    copies_to: Path | None = None
    """The folder to which backups are copied."""
    openid: OpenIdSettings | None = None
    """The OpenID Connect provider."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked, and when."""

    data: Path
    at: datetime
    start: StartOptions
    running: bool
    """Whether a box runs on the folder."""
    usage: DiskUsage
    configuration: Path | None = None
    """The configuration file that the environment or an option names."""

    @property
    def database(self) -> Path:
        """The path of the database."""
        return self.data / DATABASE


def start_options(found: Sections) -> StartOptions:
    """Return what checks need of a configuration."""
    addresses = {
        "--mqtt": found.listen.mqtt,
        "--http": found.listen.http,
        "--http-redirect": found.listen.http_redirect,
    }
    listen = {name: (each.host, each.port) for name, each in addresses.items() if each is not None}
    files = found.tls.certificate, found.tls.key
    fonts = os.environ.get("HANDRAIL_FONTS")
    return StartOptions(
        {} if found.broker.url else listen,
        certificate=(files[0], files[1]) if files[0] and files[1] else None,
        tls_off=found.tls.off,
        broker=without_password(found.broker.url) if found.broker.url else None,
        backs_up=bool(found.backup.every),
        purges=bool(found.retention.completed),
        idle_limit=found.sessions.idle_limit,
        screen_lock=found.sessions.screen_lock,
        token_file=found.metrics.token_file,
        fonts=Path(fonts) if fonts else None,
        site=found.site.name,
        host=found.site.host,
        copies_to=found.backup.to,
        openid=openid_settings(found.oidc),
    )


def known_start_options(data: Path, file: Path | None) -> StartOptions:
    """Return how the box of a data folder will be started: by its file, or as the last time.

    That of a box with the defaults where neither can be read.
    """
    # Imported here: only who reads a configuration loads pydantic-settings.
    from session_controller.configuration.reading import configuration_file, read  # noqa: PLC0415

    with suppress(ConfigurationError, OSError):
        if found := configuration_file(data, file):
            return start_options(read(found).sections)
        return start_options(read(None, _chosen(data)).sections)
    return replace(start_options(Sections()), listen={})  # where it would listen is not known


def _chosen(data: Path) -> dict[str, dict[str, str]]:
    """Return the configuration of the last start, by section and key."""
    layers: dict[str, dict[str, str]] = {}
    if (data / DATABASE).exists():
        with (
            suppress(sqlite3.Error, StoreError, ValueError, OSError),
            Reader.without_keys(data / DATABASE) as reader,
        ):
            for path, text in json.loads(reader.meta(CHOSEN) or "{}").items():
                section, _, name = path.partition(".")
                layers.setdefault(section, {})[name] = text
    return layers


def is_locked(data: Path) -> bool:
    """Return whether a process has locked a data folder: a box, or a command."""
    try:
        handle = os.open(data / LOCK, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
