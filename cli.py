"""The `handrail` program: its commands, and the only module that wires the packages together."""

import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, astuple
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

import typer

from clients.cli import serve_options as o
from clients.cli.context import (
    DATA,
    FAILED,
    UNAVAILABLE,
    USAGE,
    AsJson,
    Audit,
    Data,
    Failure,
    Place,
    Program,
    Wanted,
    bare,
)
from clients.cli.lazy import LazyGroup
from clients.cli.logs import LogFormat, LogLevel, log_to_stderr
from session_controller.data_folder import BOX_FILE, SLOTS, take_slot
from session_controller.errors import (
    BrokerUrlError,
    CertificateError,
    KeyringError,
    NoFreeSlotError,
    ReceiptError,
    SiteError,
    SiteTakenError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
)

if TYPE_CHECKING:
    from broker import Limits
    from schemas.questionnaire.model import Flow
    from schemas.wire.requests import PatientFields
    from session_controller.box import BrokerOrder, EmbeddedBroker
    from session_controller.security.encryption import BoxKeys
    from session_controller.security.own_tls import WantedHosts

# Each command imports what it needs when it runs: importing everything costs 1 s and 20 MB.

FLOWS = Path(__file__).parent / "flows"
"""The bundled example questionnaires, in a checkout and in an installed wheel alike."""

_PRIVATE_FILES = ("handrail.sqlite", "admin.json", "box.key", "delivery.json", BOX_FILE)
_PATIENCE_S = 10.0
"""Seconds to wait for another command's box to stop, or for a starting box to become ready."""


class Commands(LazyGroup):
    """The program's commands, in the order of its help."""

    places: ClassVar = {
        "serve": None,
        "doctor": None,
        "status": "clients.cli.status",
        "tls": "clients.cli.tls:app",
        "backup": "clients.cli.backup",
        "soak": "clients.cli.backup",
        "restore": None,
        "simulate": "clients.cli.simulate",
        "demo": "clients.demo.cli",
        "schema": "clients.cli.schema",
        "acl": "clients.cli.schema",
        "reference": "clients.cli.reference",
        "completion": "clients.cli.completion",
        "session": "clients.cli.session:app",
        "device": "clients.cli.device:app",
        "flow": "clients.cli.flow:app",
        "deliver": "clients.cli.deliver:app",
        "document": "clients.cli.record:documents",
        "record": "clients.cli.record:app",
        "key": "clients.cli.keys:keys",
        "audit": "clients.cli.keys:app",
        "broker": "broker.standalone.commands:app",
    }


app = typer.Typer(
    cls=Commands,
    help="Guided patient check-in on two paired screens: a box for one clinic.",
    epilog="Example: handrail serve --data ./data. Exit codes: 0 success, 1 refused or failed, "
    "2 invalid usage, 3 no box can be reached or started, 130 interrupted (Ctrl-C).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Run the program."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"handrail {version('handrail')}")
        raise typer.Exit


@app.callback()
def wire(
    context: typer.Context,
    _: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Guided patient check-in on two paired screens: a box for one clinic."""
    context.obj = Program(
        visit,
        running,
        (sys.executable, "-P", "-m", "cli"),
        audit=audit,
        entries=entries,
        patient_fields=patient_fields,
        copy_backup=copy_backup,
        create_tls=create_tls,
        renew_tls=renew_tls,
        tls_facts=tls_facts,
    )


@app.command(
    epilog="Example: handrail serve --mqtt 0.0.0.0:8883 --http 0.0.0.0:443 "
    "--http-redirect 0.0.0.0:80"
)
def serve(
    context: typer.Context,
    *,
    data: Data = DATA,
    mqtt: o.Mqtt = "127.0.0.1:1883",  # type: ignore[assignment]  # typer reads defaults too
    http: o.Http = "127.0.0.1:8080",  # type: ignore[assignment]
    tls_cert: o.TlsCert = None,
    tls_key: o.TlsKey = None,
    tls_client_ca: o.TlsClientCa = None,
    no_tls: o.NoTls = False,
    http_redirect: o.HttpRedirect = None,
    broker: o.BrokerUrl = None,
    site: o.Site = None,
    idle_limit: o.IdleLimit = "4h",  # type: ignore[assignment]
    screen_lock: o.ScreenLock = "10m",  # type: ignore[assignment]
    purge_completed: o.PurgeCompleted = "1d",  # type: ignore[assignment]
    purge_cancelled: o.PurgeCancelled = "1h",  # type: ignore[assignment]
    backup_every: o.BackupEvery = "6h",  # type: ignore[assignment]
    keep_backups: o.KeepBackups = "4,7,4,12",  # type: ignore[assignment]
    log_level: o.LogLevelOption = LogLevel.INFO,
    log_format: o.LogFormatOption = LogFormat.TEXT,
    metrics_token_file: o.MetricsTokenFile = None,
) -> None:
    """Start the box: broker, controller and store in one process. Stop it with Ctrl-C or SIGTERM.

    Once it accepts connections, it prints a line with `ready` and its addresses. If `handrail tls
    create` made a certificate, it accepts TLS only. SIGHUP reads certificate files again.
    """
    from broker import Tls, tls_problem
    from clients.cli.serve import run_until_told
    from session_controller.backup.backups import BackupPlan
    from session_controller.backup.keeping import Keep
    from session_controller.box import Box, BoxSettings, TlsFiles
    from session_controller.security.own_tls import OwnTls
    from session_controller.settings import Settings
    from session_controller.site_settings import settle

    made = OwnTls(data)
    choice = o.TlsChoice(tls_cert, tls_key, tls_client_ca, no_tls, http_redirect, broker)
    found = choice.files((made.certificate_file, made.key_file) if made.exists else None)
    tls = TlsFiles(*found) if found else None
    # The box makes its own ones again if they cannot be used.
    if (
        tls
        and not tls.own
        and (problem := tls_problem(Tls(tls.certificate, tls.key, tls.client_ca)))
    ):
        raise Failure(f"cannot use TLS: {problem}", USAGE)
    token = o.metrics_token(metrics_token_file)
    log_to_stderr(log_format, log_level)
    given = o.given(context)
    with _explaining(data):
        wanted = Settings(
            idle_limit=idle_limit,
            screen_lock=screen_lock,
            purge_completed=purge_completed,
            purge_cancelled=purge_cancelled,
        )
        settled = settle(data, site, wanted, given)
    settings = BoxSettings(
        data,
        astuple(mqtt),
        astuple(http),
        broker,
        settled.settings,
        BackupPlan(backup_every or None, Keep(*astuple(keep_backups))),
        tls,
        astuple(http_redirect) if http_redirect else None,
        deliver=True,
        examples=FLOWS if settled.fresh else None,
    )

    @asynccontextmanager
    async def box() -> AsyncIterator[Box]:
        async with AsyncExitStack() as stack:
            made = Box(settings, partial(embedded_broker, metrics_token=token))
            if broker is not None and "--http" in given:  # another broker serves no pages
                from clients.web.health import health_site

                site = health_site(http.host, http.port, made.failing, made.metrics, token)
                await stack.enter_async_context(site)
            yield await stack.enter_async_context(made)

    with _explaining(data):
        run_until_told(box, data)


@app.command(epilog="Example: handrail doctor --data /var/lib/handrail --json")
def doctor(data: Data = DATA, as_json: AsJson = False) -> None:
    """Check a data folder for problems; exit with 1 if there are any.

    Read-only; works whether or not the box is running. Of a running box it asks for an answer, and
    tries whether its broker refuses what it must.
    """
    from sqlite_utils import Database

    from clients.cli.doctor import Layout, box_findings, examine, report
    from clients.cli.intrusion import broker_findings
    from session_controller.backup.outlook import report as backup_report
    from session_controller.delivery.configuration import delivery_problems
    from session_controller.integrity.certificates import certificate_findings
    from session_controller.integrity.data_folder import key_problem
    from session_controller.storage.schema import SCHEMA

    known = frozenset(m.name for m in SCHEMA.pending(Database(memory=True)))
    layout = Layout("handrail.sqlite", "lock", BOX_FILE, _PRIVATE_FILES, known)

    def others(data: Path) -> list[tuple[str, str, str]]:
        now = datetime.now(UTC)
        found = [*map(astuple, backup_report(data, now)), *certificate_findings(data, now)]
        with suppress(Failure), running(data) as place:
            found += [*box_findings(place.url, place.credential)]
            found += [*broker_findings(place.url, place.credential)]
        return found

    findings = examine(data, layout, key_problem, delivery_problems, others)
    if not report(findings, as_json=as_json):
        raise typer.Exit(FAILED)


@app.command(epilog="Example: handrail restore /mnt/usb/handrail")
def restore(
    backup: Annotated[
        Path | None,
        typer.Argument(exists=True, help="A backup, or a folder: its newest backup."),
    ] = None,
    *,
    forget_replaced: Annotated[
        bool,
        typer.Option(
            "--forget-replaced", help="Restore nothing; delete what earlier restores replaced."
        ),
    ] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Replace the database with a backup. Stop the box first.

    The replaced database is kept in the data folder, until `--forget-replaced` deletes it. Screens
    that are ahead of the backup return to its state and resend the commands that they still hold.
    What a backup cannot contain, such as keys outside the data folder, is listed: give it by hand.
    """
    from clients.cli.output import print_json, say
    from session_controller.backup.elsewhere import newest_in
    from session_controller.backup.restore import forget_replaced as delete_replaced
    from session_controller.backup.restore import restore as put_back

    if forget_replaced == (backup is not None):
        raise Failure("name a backup to restore, or --forget-replaced, and not both", USAGE)
    with _explaining(data):
        if backup is None:
            gone = [str(path) for path in delete_replaced(data)]
            print_json({"deleted": gone}) if as_json else say(_deleted(gone))
            return
        try:
            file = newest_in(backup)
            done = put_back(data, file, datetime.now(UTC))
        except OSError as error:
            problem = f"{error.filename or data}: {error.strerror}"
            raise Failure(
                f"cannot restore into {data}: {problem}; fix this and restore again"
            ) from None
    if as_json:
        print_json(
            {
                "epoch": done.epoch,
                "sessions": done.sessions,
                "kept": str(done.replaced),
                "by_hand": done.by_hand,
            }
        )
        return
    say(f"restored {done.sessions} sessions from {file}")
    if done.replaced is not None:
        say(f"the previous database is kept in {done.replaced}")
    if done.by_hand:
        say("still to be given by hand:")
    for missing in done.by_hand:
        say(f"- {missing}")


def _deleted(paths: list[str]) -> str:
    return f"deleted {', '.join(paths)}" if paths else "no restore has replaced anything here"


# --- the wiring ----------------------------------------------------------------------------


def broker_limits() -> "Limits":
    """Return the limits of the box's own broker, where they differ from the broker's own."""
    from broker import Limits

    # Behind a clinic's NAT all screens share one address: a misconfigured one must not lock the
    # others out, and a secret of 256 random bits cannot be guessed at ten attempts a second.
    # Retained bytes are counted per screen, although the lobby is the same bytes for all of them.
    # A 20 MiB document that staff fetch is queued whole for a slow screen.
    return Limits(failures_per_address=600, retained_bytes=512 << 20, queue_bytes=32 << 20)


def embedded_broker(order: "BrokerOrder", *, metrics_token: str | None = None) -> "EmbeddedBroker":
    """Create the box's own broker; the controller decides who may connect and do what.

    With a token, `/metrics` answers to clients that send it, otherwise to this machine.
    """
    from broker import (
        Broker,
        BrokerSettings,
        Client,
        Credentials,
        Identity,
        Listener,
        Observer,
        Reason,
        Rules,
        Tls,
    )
    from clients.web.health import add_health
    from clients.web.pages import pages
    from clients.web.trust_page import PATHS
    from schemas.access import PAIRING_USER

    class Departures(Observer):
        def disconnected(self, client: Client, reason: Reason) -> None:
            order.left(client.client_id, client.address, reason.value)

    async def authenticate(shown: Credentials) -> Identity | None:
        role = order.role_of(shown.client_id, shown.username, shown.password)
        if role is None:
            return None
        # All pairing devices share a user name; to the broker each connection is a separate user.
        user = shown.client_id if role == PAIRING_USER else shown.username or ""
        return Identity(user=user, role=role, client_id=shown.client_id)

    tls = None
    if (files := order.tls) is not None:
        tls = Tls(files.certificate, files.key, files.client_ca, trust_page=order.trust_page)
    listeners = {"mqtt": Listener(*order.mqtt, tls=tls)}
    if order.http is not None:
        listeners["http"] = Listener(*order.http, kind="http", tls=tls)
    if tls is not None:
        listeners["local"] = Listener()
    if order.redirect is not None:
        served = PATHS if order.ca is not None else frozenset[str]()
        listeners["redirect"] = Listener(*order.redirect, kind="redirect", served=served)
    web_app = pages(order.site, ca=order.ca)
    add_health(web_app, order.failing, order.metrics, metrics_token)
    return Broker(
        BrokerSettings(listeners=listeners, limits=broker_limits()),
        authenticate=authenticate,
        rules={role: Rules(a.publish, a.subscribe) for role, a in order.access.items()},
        web_app=web_app,
        observer=Departures(),
    )


@contextmanager
def _explaining(data: Path) -> Iterator[None]:
    """Translate the errors that keep a box from starting into messages for its operator."""
    try:
        yield
    except StoreBusyError as error:
        raise Failure(
            f"{error}; stop it, or choose another folder with --data", UNAVAILABLE
        ) from None
    except SiteError as error:
        raise Failure(str(error), USAGE) from None
    except StoreDamagedError as error:
        from session_controller.backup.backups import advice

        raise Failure(f"{error}; nothing was written to it; {advice(data)}") from None
    except (StoreError, KeyringError, CertificateError) as error:
        raise Failure(str(error)) from None
    except (BrokerUrlError, ReceiptError) as error:
        raise Failure(str(error), USAGE) from None
    except (NoFreeSlotError, SiteTakenError) as error:
        raise Failure(str(error), UNAVAILABLE) from None
    except OSError as error:
        what = ": ".join(filter(None, (error.filename, error.strerror))) or str(error)
        hint = "choose another address (--mqtt, --http) or folder (--data)"
        raise Failure(f"cannot start the box on {data}: {what}; {hint}", UNAVAILABLE) from None


@contextmanager
def visit(data: Path) -> Iterator[Place]:
    """Yield the box that runs on a folder, or start one for the duration of the `with`.

    Either way a command acts through a controller, over MQTT.
    """
    deadline = time.monotonic() + _PATIENCE_S
    with ExitStack() as stack:
        with _explaining(data):
            while (place := _enter(data, stack)) is None:
                if time.monotonic() > deadline:
                    raise NoFreeSlotError(
                        f"{data} is in use and the box does not answer; try again"
                    )
                time.sleep(0.1)
        yield place


def _enter(data: Path, stack: ExitStack) -> Place | None:
    """Try once; return None while another process is starting or stopping there."""
    with suppress(NoFreeSlotError, FileNotFoundError, ConnectionError, TimeoutError):
        return stack.enter_context(_knock(data))
    with suppress(StoreBusyError):
        return stack.enter_context(_private(data))
    return None


@contextmanager
def _private(data: Path) -> Iterator[Place]:
    """Serve on a free loopback port until this command, and those that joined it, are done."""
    from clients.cli.serve import hold_all, in_a_thread
    from session_controller.box import Box, BoxSettings
    from session_controller.site_settings import remembered

    settled = remembered(data)
    order = BoxSettings(
        data,
        ("127.0.0.1", 0),
        None,
        session=settled.settings,
        examples=FLOWS if settled.fresh else None,
    )
    with ExitStack() as slots, in_a_thread(lambda: Box(order, embedded_broker)):
        try:
            with _knock(data) as place:
                yield place
        finally:  # let other users of this box finish, and admit no new ones
            hold_all(lambda: take_slot(data), len(SLOTS), NoFreeSlotError, slots)


@contextmanager
def _knock(data: Path) -> Iterator[Place]:
    """Acquire an admin device and yield the box that the folder names, if it is reachable."""
    from clients.sdk.address import Address
    from clients.sdk.credential import Credential
    from schemas.base import Role

    with take_slot(data) as (device, secret):
        where = _where(data)
        url = bare(where["mqtt"])
        address = Address.parse(url)
        socket.create_connection((address.host, address.port), timeout=2).close()
        credential = Credential(where["site"], device, Role.ADMIN, secret)
        yield Place(url, credential, where.get("http"))


def _where(data: Path) -> dict[str, str]:
    """Return what a running box wrote about itself. Raises `OSError` if no box wrote it."""
    try:
        where = json.loads((data / BOX_FILE).read_text())
    except ValueError:
        where = None
    kinds = {"site": str, "mqtt": str, "http": str | None}
    if not isinstance(where, dict) or not all(
        isinstance(where.get(name), kind) for name, kind in kinds.items()
    ):
        raise ConnectionError(f"{data / BOX_FILE} is damaged")
    return where


def audit(data: Path, receipt: str | None, extent: str) -> Audit:
    """Verify the log of a data folder, its states and its documents."""
    from session_controller.integrity.data_folder import Extent, audit_folder

    with _explaining(data):
        return Audit(*astuple(audit_folder(data, receipt, Extent(extent), datetime.now(UTC))))


def entries(data: Path, wanted: Wanted) -> Iterator[Mapping[str, Any]]:
    """Yield the log entries of a data folder, newest first, without entered values."""
    from session_controller.integrity.data_folder import told_entries
    from session_controller.storage.entities import EntryFilter

    with _explaining(data):
        yield from told_entries(data, EntryFilter(**asdict(wanted)))


def copy_backup(data: Path, name: str, to: Path) -> tuple[Path, Path]:
    """Copy a backup of a data folder to a folder elsewhere; return the copy and its keys."""
    from session_controller.backup.elsewhere import copy_backup as copy

    try:
        return copy(data, name, to)
    except (StoreError, KeyringError) as error:
        raise Failure(str(error)) from None


def create_tls(data: Path, names: list[str], addresses: list[str]) -> None:
    """Create the CA of a data folder's box and its certificate."""
    from session_controller.security.own_tls import OwnTls

    with _explaining_tls():
        OwnTls(data).create(*_tls_order(data, names, addresses), datetime.now(UTC))


def renew_tls(data: Path, names: list[str], addresses: list[str]) -> None:
    """Create another certificate of the same CA."""
    from session_controller.security.own_tls import OwnTls

    own = OwnTls(data)
    with _explaining_tls():
        own.ca()
        own.renew(*_tls_order(data, names, addresses), datetime.now(UTC))


def _tls_order(
    data: Path, names: list[str], addresses: list[str]
) -> "tuple[str, WantedHosts, BoxKeys]":
    from session_controller.security.encryption import required_box_keys
    from session_controller.security.own_tls import parse_wanted
    from session_controller.site_settings import site_of

    wanted = parse_wanted(names, addresses)
    return site_of(data), wanted, required_box_keys(data)


def tls_facts(data: Path) -> dict[str, Any]:
    """Return the names, dates and fingerprints of a data folder's certificates."""
    from session_controller.security.own_tls import OwnTls

    own = OwnTls(data)
    with _explaining_tls():
        facts = own.facts()
    page = _trust_page(data, own.host())
    return {
        **facts,
        "running": page is not None,
        "trust_page": page or f"http://{own.host()}/trust",
    }


def _trust_page(data: Path, host: str) -> str | None:
    """Return the running box's page, at the name that the certificate has now."""
    try:
        page = urlsplit(str(json.loads((data / BOX_FILE).read_text())["trust"]))
    except (OSError, ValueError, KeyError):
        return None
    return page._replace(netloc=f"{host}:{page.port}" if page.port else host).geturl()


@contextmanager
def _explaining_tls() -> Iterator[None]:
    from session_controller.security.encryption import BoxKeyError

    try:
        yield
    except StoreBusyError as error:
        raise Failure(str(error), UNAVAILABLE) from None
    except (StoreError, CertificateError, BoxKeyError) as error:
        raise Failure(str(error)) from None


def patient_fields(flow: "Flow", mapping: Mapping[str, Any] | None) -> "PatientFields":
    """Return which questions of a flow say who the patient is, as a delivery would read them."""
    from schemas.wire.requests import PatientFields
    from session_controller.export.fhir import MappingError, new_mapping, yields

    try:
        found = yields(new_mapping(flow, mapping))
    except MappingError as error:
        raise Failure(f"the mapping does not fit the flow:\n{error}") from None
    return PatientFields(name=found["name"], birth_date=found["birthDate"], gender=found["gender"])


@contextmanager
def running(data: Path) -> Iterator[Place]:
    """Yield the box that runs on a folder. Raises `Failure` if none runs."""
    with ExitStack() as stack:
        with _explaining(data):
            try:
                place = stack.enter_context(_knock(data))
            except (FileNotFoundError, ConnectionError, TimeoutError):
                hint = f"start one with `handrail serve --data {data}`"
                raise Failure(f"no box runs on {data}; {hint}", UNAVAILABLE) from None
        yield place


if __name__ == "__main__":
    main()
