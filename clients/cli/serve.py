"""`handrail serve`: the box of a data folder, until a signal stops it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import astuple
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import typer

from clients.cli import serve_options as o
from clients.cli.context import DATA, FAILED, UNUSABLE, USAGE, Config, Data, Failure, Program, named
from clients.cli.explaining import explaining
from clients.cli.logs import log_to_stderr

if TYPE_CHECKING:
    from session_controller.configuration.reading import Configured
    from session_controller.preflight.finding import Finding

app = typer.Typer()


@app.command(
    epilog="Example: handrail serve --mqtt 0.0.0.0:8883 --http 0.0.0.0:443 "
    "--http-redirect 0.0.0.0:80"
)
def serve(
    context: typer.Context,
    *,
    data: Data = DATA,
    config: Config = None,
    site: o.Site = None,
    host: o.Host = None,
    mqtt: o.Mqtt = o.DEFAULTS["--mqtt"],
    http: o.Http = o.DEFAULTS["--http"],
    http_redirect: o.HttpRedirect = None,
    tls_cert: o.TlsCert = None,
    tls_key: o.TlsKey = None,
    tls_client_ca: o.TlsClientCa = None,
    no_tls: o.NoTls = False,
    no_mdns: o.NoMdns = False,
    broker: o.BrokerUrl = None,
    idle_limit: o.IdleLimit = o.DEFAULTS["--idle-limit"],
    screen_lock: o.ScreenLock = o.DEFAULTS["--screen-lock"],
    staff_log_off: o.StaffLogOff = o.DEFAULTS["--staff-log-off"],
    purge_completed: o.PurgeCompleted = o.DEFAULTS["--purge-completed"],
    purge_cancelled: o.PurgeCancelled = o.DEFAULTS["--purge-cancelled"],
    backup_every: o.BackupEvery = o.DEFAULTS["--backup-every"],
    keep_backups: o.KeepBackups = o.DEFAULTS["--keep-backups"],
    backup_to: o.BackupTo = None,
    backup_to_every: o.BackupToEvery = o.DEFAULTS["--backup-to-every"],
    log_level: o.LogLevelOption = o.DEFAULTS["--log-level"],
    log_format: o.LogFormatOption = o.DEFAULTS["--log-format"],
    metrics_token_file: o.MetricsTokenFile = None,
) -> None:
    """Start the box: broker, controller and store in one process. Stop it with Ctrl-C or SIGTERM.

    An option comes before the environment, and that before the configuration file. Once the box
    accepts connections, it prints a line with `ready` and its addresses. If `handrail tls create`
    made a certificate, it accepts TLS only. SIGHUP reads the configuration and certificates again.
    """
    from clients.cli.configured import (
        Reloader,
        alerts_of,
        check,
        configured,
        copies_of,
        metrics_token,
        openid_of,
        plan_of,
        settings_of,
        tls_files,
    )
    from clients.cli.running import forbid_core_dumps, run_until_told, upgrade_first
    from session_controller.backup.off_box import forget_copies
    from session_controller.box import Box, BoxSettings
    from session_controller.preflight.checks import refusals, subject_of
    from session_controller.preflight.start_options import start_options
    from session_controller.storage.site import settle

    def read() -> "Configured":
        found = configured(data, named(context), passed)
        check(found, data)
        return found

    forbid_core_dumps()
    program: Program = context.obj
    passed = o.passed(context)
    found = read()
    given = found.sections
    log_to_stderr(given.log.format, given.log.level)
    start = start_options(given)
    _refuse(refusals(subject_of(data, datetime.now(UTC), start)))
    with explaining(data):
        upgrade_first(data)
        settled = settle(data, given.site.name, settings_of(given), found.chosen())
        if given.backup.to is None:
            forget_copies(data)
    redirect = given.listen.http_redirect
    settings = BoxSettings(
        data,
        astuple(given.listen.mqtt),
        astuple(given.listen.http),
        given.broker.url,
        settled.settings,
        plan_of(given),
        tls_files(given, data),
        astuple(redirect) if redirect else None,
        given.site.host,
        copies_of(given),
        proxies=tuple((given.listen.proxies or "").split()),
        alerts=alerts_of(given),
        openid=openid_of(given),
        start=start,
        deliver=True,
        examples=program.examples if settled.fresh else None,
        mdns=not given.mdns.off,
    )

    @asynccontextmanager
    async def box() -> AsyncIterator[Box]:
        token = metrics_token(given.metrics.token_file)
        async with AsyncExitStack() as stack:
            made = Box(settings, partial(program.broker, metrics_token=token))
            if given.broker.url is not None and "listen.http" in found.sources:
                from clients.web.health import health_site  # another broker serves no pages

                where = given.listen.http.host, given.listen.http.port
                site = health_site(*where, made.failing, made.metrics, token)
                await stack.enter_async_context(site)
            yield await stack.enter_async_context(made)

    with explaining(data):
        run_until_told(box, data, Reloader(data, found, read).reload)


def _refuse(findings: "list[Finding]") -> None:
    """Raise `Failure` with all that keeps a box from starting, and what mends each."""
    if findings:
        from session_controller.preflight.checks import MAY_PASS

        lines = (f"{each.text}; {each.mend}" for each in findings)
        checks = {each.check for each in findings}
        code = USAGE if checks == {"site"} else UNUSABLE if checks - MAY_PASS else FAILED
        raise Failure("\n".join(("the box cannot start:", *lines)), code)
