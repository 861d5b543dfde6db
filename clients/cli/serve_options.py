"""The options of `serve`."""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from clients.cli.context import USAGE, Failure, bare
from clients.cli.logs import LogFormat, LogLevel
from clients.cli.types import Counts, HostPort, counts, host_port, span

Mqtt = Annotated[
    HostPort, typer.Option(parser=host_port, metavar="HOST:PORT", help="Listen here for MQTT.")
]
Http = Annotated[
    HostPort,
    typer.Option(
        parser=host_port,
        metavar="HOST:PORT",
        help="Listen here for HTTP: the web pages, and MQTT over WebSocket at /mqtt.",
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Accept TLS only, with this certificate and chain (PEM)."),
]
TlsKey = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The certificate's key (PEM, no password).")
]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Accept only clients with a certificate signed by one of these CAs."
    ),
]
NoTls = Annotated[
    bool,
    typer.Option("--no-tls", help="Listen without TLS, although `tls create` made a certificate."),
]
HttpRedirect = Annotated[
    HostPort | None,
    typer.Option(
        parser=host_port,
        metavar="HOST:PORT",
        help="Listen here for plain HTTP and redirect it to HTTPS; serve /trust and the CA.",
    ),
]
NoMdns = Annotated[
    bool,
    typer.Option(
        "--no-mdns",
        help="Do not announce the box's name and services on the network by mDNS.",
    ),
]
BrokerUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="HANDRAIL_BROKER",
        help="Use this broker instead of the built-in one: mqtts://user:password@host.",
    ),
]
Site = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Site name in all topics; fixed at the first start."),
]
IdleLimit = Annotated[
    timedelta,
    typer.Option(parser=span, metavar="SPAN", help="Expire sessions idle for this long."),
]
ScreenLock = Annotated[
    timedelta,
    typer.Option(
        parser=span,
        metavar="SPAN",
        help="Lock patient screens at which nobody answers for this long.",
    ),
]
PurgeCompleted = Annotated[
    timedelta,
    typer.Option(
        parser=span,
        metavar="SPAN",
        help="Purge completed sessions this long after they were delivered everywhere, and expired "
        "ones this long after their end; 0s: never.",
    ),
]
PurgeCancelled = Annotated[
    timedelta,
    typer.Option(
        parser=span,
        metavar="SPAN",
        help="Purge cancelled sessions this long after their end; 0s: never.",
    ),
]
BackupEvery = Annotated[
    timedelta,
    typer.Option(
        parser=span,
        metavar="SPAN",
        help="Back up to the data folder at this interval; 0s: never.",
    ),
]
KeepBackups = Annotated[
    Counts,
    typer.Option(
        parser=counts,
        metavar="LAST,DAYS,WEEKS,MONTHS",
        help="Keep the last backups, and the newest of so many days, weeks and months.",
    ),
]
LogLevelOption = Annotated[
    LogLevel, typer.Option(help="Log lines of this level and above, to standard error.")
]
LogFormatOption = Annotated[
    LogFormat, typer.Option(help="Write log lines for people, or as JSON objects.")
]
MetricsTokenFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Show /metrics to clients that send the token in this file, on any machine.",
    ),
]
_LEAST_TOKEN = 16
"""Characters of a token: of a random one, 64 bits and more."""


_REMEMBERED = {"data", "site"}
"""Parameters whose values are in the data folder anyway."""


def given(context: typer.Context) -> dict[str, str]:
    """Return the options that were passed, as text and without passwords, to be remembered."""
    options = {}
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source and source.name != "DEFAULT" and name not in _REMEMBERED:
            options[parameter.opts[0]] = _text(context.params[name])
    fonts = os.environ.get("HANDRAIL_FONTS")
    return {**options, "HANDRAIL_FONTS": fonts} if fonts else options


def _text(value: object) -> str:
    match value:
        case Path():
            return str(value.absolute())
        case timedelta():
            return f"{int(value.total_seconds())}s"
        case str():
            return bare(value)
        case bool():
            return ""
    return str(value)


def metrics_token(file: Path | None) -> str | None:
    """Return the token in a file. Raises `Failure` if it cannot be used."""
    if file is None:
        return None
    try:
        token = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise Failure(f"cannot read the token in {file}", USAGE) from None
    if len(token) < _LEAST_TOKEN or not token.isprintable() or " " in token:
        raise Failure(
            f"the token in {file} must be one word of at least {_LEAST_TOKEN} characters; "
            f"create one with `openssl rand -hex 32 > {file}`",
            USAGE,
        )
    return token


@dataclass(frozen=True, slots=True)
class TlsChoice:
    """The options of `serve` about TLS."""

    certificate: Path | None
    key: Path | None
    client_ca: Path | None
    off: bool
    redirect: HostPort | None
    broker: str | None

    def files(self, own: tuple[Path, Path] | None) -> tuple[Path, Path, Path | None, bool] | None:
        """Return certificate, key, CAs of clients, and whether the first two are the box's own.

        `own` are those in the data folder, if there are any. None: without TLS. Raises `Failure`
        for an invalid combination.
        """
        given = self.certificate or self.key or self.client_ca
        if self.off and (given or self.redirect):
            raise Failure("--no-tls excludes the other options of TLS; omit one of them", USAGE)
        if self.broker is not None and (given or self.redirect):
            raise Failure(
                "TLS applies to the built-in broker; omit its options with --broker", USAGE
            )
        if self.certificate is not None and self.key is not None:
            return self.certificate, self.key, self.client_ca, False
        if self.certificate or self.key:
            raise Failure("TLS requires both --tls-cert FILE and --tls-key FILE", USAGE)
        if own is not None and not self.off and self.broker is None:
            return *own, self.client_ca, True
        if self.client_ca or self.redirect:
            option = "--tls-client-ca" if self.client_ca else "--http-redirect"
            raise Failure(
                f"{option} requires a certificate: make one with `handrail tls create`, or pass "
                "--tls-cert and --tls-key",
                USAGE,
            )
        return None
