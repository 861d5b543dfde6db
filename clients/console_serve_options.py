"""The options of `serve`."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from clients.console import USAGE, Failure
from clients.console_types import HostPort, host_port, span

Mqtt = Annotated[
    HostPort, typer.Option(parser=host_port, metavar="HOST:PORT", help="Where MQTT is served.")
]
Http = Annotated[
    HostPort,
    typer.Option(parser=host_port, metavar="HOST:PORT", help="HTTP: MQTT over WebSocket at /mqtt."),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Speak TLS alone: the certificate with its chain, PEM."),
]
TlsKey = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The certificate's key, PEM, no password.")
]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Let in only who shows a certificate of these authorities."),
]
BrokerUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="HANDRAIL_BROKER",
        help="Use this broker, not one of our own: mqtts://user:password@host.",
    ),
]
Site = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The site's name in all topics; fixed at the first start."),
]
IdleLimit = Annotated[
    timedelta,
    typer.Option(parser=span, metavar="SPAN", help="Sessions expire untouched after this."),
]
BackupEvery = Annotated[
    timedelta,
    typer.Option(parser=span, metavar="SPAN", help="Back up into the data folder; 0s: never."),
]
KeepBackups = Annotated[int, typer.Option(min=1, help="How many backups to keep.")]


def tls_files(
    certificate: Path | None, key: Path | None, client_ca: Path | None, broker: str | None
) -> tuple[Path, Path, Path | None] | None:
    """Settle whether TLS is spoken, and with which files. Raises `Failure`."""
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        raise Failure("TLS takes both --tls-cert FILE and --tls-key FILE", USAGE)
    if broker is not None:
        raise Failure("--tls-cert is for the box's own broker: not beside --broker", USAGE)
    return certificate, key, client_ca
