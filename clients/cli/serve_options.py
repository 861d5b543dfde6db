"""The options of `serve`."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from clients.cli.context import USAGE, Failure, bare
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
    return str(value)


def tls_files(
    certificate: Path | None, key: Path | None, client_ca: Path | None, broker: str | None
) -> tuple[Path, Path, Path | None] | None:
    """Return the TLS files, or None without TLS. Raises `Failure` for an invalid combination."""
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise Failure("TLS requires both --tls-cert FILE and --tls-key FILE", USAGE)
    if broker is not None:
        raise Failure("--tls-cert applies to the built-in broker; omit it with --broker", USAGE)
    return certificate, key, client_ca
