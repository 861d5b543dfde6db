"""The options of `serve`."""

from datetime import timedelta
from typing import Annotated

import typer

from clients.console_types import HostPort, host_port, span

Mqtt = Annotated[
    HostPort, typer.Option(parser=host_port, metavar="HOST:PORT", help="Where MQTT is served.")
]
Http = Annotated[
    HostPort,
    typer.Option(parser=host_port, metavar="HOST:PORT", help="HTTP: MQTT over WebSocket at /mqtt."),
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
