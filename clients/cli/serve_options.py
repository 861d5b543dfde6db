"""The options of `serve`: each sets a key of the configuration for one run."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from clients.cli.types import counts, host_port, span
from session_controller.configuration import sections
from session_controller.configuration.values import Counts, HostPort, LogFormat, LogLevel, written

_KEYS = sections.by_option()


def _option(name: str, **more: Any) -> Any:
    """Return an option that sets a key."""
    said = _KEYS[name].said
    return typer.Option(name, help=said.about, **more)


def _shown(value: Any) -> Any:
    """Return a default as the command line shows it."""
    return (
        value if value is None or isinstance(value, bool | LogFormat | LogLevel) else written(value)
    )


DEFAULTS = {name: _shown(one.default) for name, one in _KEYS.items()}
"""The defaults of the options."""

Site = Annotated[str | None, _option("--site", metavar="NAME")]
Host = Annotated[str | None, _option("--host", metavar="HOST")]
Mqtt = Annotated[HostPort, _option("--mqtt", parser=host_port, metavar="HOST:PORT")]
Http = Annotated[HostPort, _option("--http", parser=host_port, metavar="HOST:PORT")]
HttpRedirect = Annotated[
    HostPort | None, _option("--http-redirect", parser=host_port, metavar="HOST:PORT")
]
TlsCert = Annotated[Path | None, _option("--tls-cert", metavar="FILE")]
TlsKey = Annotated[Path | None, _option("--tls-key", metavar="FILE")]
TlsClientCa = Annotated[Path | None, _option("--tls-client-ca", metavar="FILE")]
NoTls = Annotated[bool, _option("--no-tls")]
NoMdns = Annotated[bool, _option("--no-mdns")]
BrokerUrl = Annotated[str | None, _option("--broker", metavar="URL")]
IdleLimit = Annotated[timedelta, _option("--idle-limit", parser=span, metavar="SPAN")]
ScreenLock = Annotated[timedelta, _option("--screen-lock", parser=span, metavar="SPAN")]
StaffLogOff = Annotated[timedelta, _option("--staff-log-off", parser=span, metavar="SPAN")]
PurgeCompleted = Annotated[timedelta, _option("--purge-completed", parser=span, metavar="SPAN")]
PurgeCancelled = Annotated[timedelta, _option("--purge-cancelled", parser=span, metavar="SPAN")]
BackupEvery = Annotated[timedelta, _option("--backup-every", parser=span, metavar="SPAN")]
KeepBackups = Annotated[
    Counts, _option("--keep-backups", parser=counts, metavar="LAST,DAYS,WEEKS,MONTHS")
]
BackupTo = Annotated[Path | None, _option("--backup-to", metavar="FOLDER")]
BackupToEvery = Annotated[timedelta, _option("--backup-to-every", parser=span, metavar="SPAN")]
LogLevelOption = Annotated[LogLevel, _option("--log-level")]
LogFormatOption = Annotated[LogFormat, _option("--log-format")]
MetricsTokenFile = Annotated[Path | None, _option("--metrics-token-file", metavar="FILE")]


def passed(context: typer.Context) -> dict[str, dict[str, Any]]:
    """Return the options that were passed, by section and key."""
    found: dict[str, dict[str, Any]] = {}
    for one in _KEYS.values():
        source = context.get_parameter_source(one.parameter)
        if source is not None and source.name == "COMMANDLINE":
            found.setdefault(one.section, {})[one.name] = context.params[one.parameter]
    return found
