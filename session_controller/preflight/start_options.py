"""How a box is started, as far as checks need it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from session_controller.configuration.openid import openid_settings
from session_controller.configuration.sections import Sections
from session_controller.configuration.values import without_password
from session_controller.openid.settings import OpenIdSettings

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
