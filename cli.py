"""The `handrail` program: what it can do, and the only place that wires the rest together."""

import json
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from clients import console_serve_options as o
from clients.console import (
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
    bare,
)
from clients.console_loading import LazyGroup
from session_controller.errors import (
    BrokerUrlError,
    KeyringError,
    NoFreeSlotError,
    ReceiptError,
    SiteError,
    StoreBusyError,
    StoreDamagedError,
    StoreError,
)
from session_controller.reaching import BOX_FILE, SLOTS, take_slot

if TYPE_CHECKING:
    from session_controller.box import BrokerOrder, EmbeddedBroker

# A command loads what it needs when it runs: all of it takes a second and 20 MB more.

FLOWS = Path(__file__).parent / "flows"
"""Our own example questionnaires, in a checkout and in an installed wheel alike."""

_PRIVATE_FILES = ("handrail.sqlite", "admin.json", "box.key", "delivery.json", BOX_FILE)
_PATIENCE_S = 10.0
"""For another command's box to give way, or a starting one to be ready."""


class Commands(LazyGroup):
    """What the program can do, in the order of its help."""

    places: ClassVar = {
        "serve": None,
        "doctor": None,
        "backup": "clients.console_reliability",
        "soak": "clients.console_reliability",
        "restore": None,
        "simulate": "clients.console_simulate",
        "demo": "clients.demo",
        "schema": "clients.console_schema",
        "acl": "clients.console_schema",
        "reference": "clients.console_reference",
        "session": "clients.console_session:app",
        "device": "clients.console_device:app",
        "flow": "clients.console_flow:app",
        "deliver": "clients.console_deliver:app",
        "document": "clients.console_record:documents",
        "record": "clients.console_record:app",
        "key": "clients.console_keys:keys",
        "audit": "clients.console_keys:app",
        "broker": "broker.commands:app",
    }


app = typer.Typer(
    cls=Commands,
    help="Two paired screens for one guided patient pre-registration.",
    epilog="Exit codes: 0 done, 1 refused or failed, 2 used wrongly, 3 no box can be reached.",
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
        bool, typer.Option("--version", help="Print it.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Two paired screens for one guided patient pre-registration."""
    context.obj = Program(
        visit, running, (sys.executable, "-P", "-m", "cli"), audit=audit, entries=entries
    )


@app.command(epilog="Example: handrail serve --data /var/lib/handrail --mqtt 0.0.0.0:1883")
def serve(
    *,
    data: Data = DATA,
    mqtt: o.Mqtt = "127.0.0.1:1883",  # type: ignore[assignment]  # typer reads defaults too
    http: o.Http = "127.0.0.1:8080",  # type: ignore[assignment]
    tls_cert: o.TlsCert = None,
    tls_key: o.TlsKey = None,
    tls_client_ca: o.TlsClientCa = None,
    broker: o.BrokerUrl = None,
    site: o.Site = None,
    idle_limit: o.IdleLimit = "4h",  # type: ignore[assignment]
    backup_every: o.BackupEvery = "6h",  # type: ignore[assignment]
    keep_backups: o.KeepBackups = 28,
) -> None:
    """Run the box: broker, controller and store in one process; SIGTERM or Ctrl-C stops it.

    Prints a line with `ready` and the addresses when it serves.
    """
    from broker import Tls, tls_problem
    from clients.console_serving import log_to_stderr, run_until_told
    from session_controller.backups import BackupPlan
    from session_controller.box import Box, BoxSettings, TlsFiles
    from session_controller.settling import settle

    tls = o.tls_files(tls_cert, tls_key, tls_client_ca, broker)
    if tls and (problem := tls_problem(Tls(*tls))):
        raise Failure(f"cannot speak TLS: {problem}", USAGE)
    log_to_stderr()
    with _explaining(data):
        settled = settle(data, site, idle_limit)
    settings = BoxSettings(
        data,
        astuple(mqtt),
        astuple(http),
        broker,
        settled.settings,
        BackupPlan(backup_every or None, keep_backups),
        TlsFiles(*tls) if tls else None,
        deliver=True,
        examples=FLOWS if settled.fresh else None,
    )

    with _explaining(data):
        run_until_told(lambda: Box(settings, embedded_broker), data)


@app.command(epilog="Example: handrail doctor --data /var/lib/handrail --json")
def doctor(data: Data = DATA, as_json: AsJson = False) -> None:
    """Look a data folder over, whether a box runs or not; changes nothing. Ends with 1 if ill."""
    from sqlite_utils import Database

    from clients.console_doctor import Layout, examine, report
    from session_controller.migrations import SCHEMA
    from session_controller.verification import key_problem

    known = frozenset(m.name for m in SCHEMA.pending(Database(memory=True)))
    layout = Layout("handrail.sqlite", "lock", BOX_FILE, _PRIVATE_FILES, known)
    if not report(examine(data, layout, key_problem), as_json=as_json):
        raise typer.Exit(FAILED)


@app.command(epilog="Example: handrail restore /mnt/usb/handrail.backup")
def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A backup.")],
    *,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Put a backup in the place of the database; the box must not run.

    What was there is kept beside it. Screens that know more accept the older truth, and send again
    what they still hold.
    """
    from clients.console_printing import print_json, say
    from session_controller.restoring import restore as put_back

    with _explaining(data):
        try:
            done = put_back(data, file, datetime.now(UTC))
        except OSError as error:
            raise Failure(
                f"cannot restore into {data}: {error.strerror}; see to that, and do it again"
            ) from None
    if as_json:
        print_json({"epoch": done.epoch, "sessions": done.sessions, "kept": str(done.replaced)})
        return
    say(f"restored {done.sessions} sessions from {file}")
    if done.replaced is not None:
        say(f"the database that was there is kept in {done.replaced}")


# --- the wiring ----------------------------------------------------------------------------


def embedded_broker(order: "BrokerOrder") -> "EmbeddedBroker":
    """Make the box's own broker: who may connect and do what is the controller's to say."""
    from broker import (
        Broker,
        BrokerSettings,
        Client,
        Credentials,
        Identity,
        Limits,
        Listener,
        Observer,
        Reason,
        Rules,
        Tls,
    )
    from clients.pages import pages
    from schemas.access import PAIRING_USER

    class Departures(Observer):
        def disconnected(self, client: Client, _: Reason) -> None:
            order.left(client.client_id)

    async def authenticate(shown: Credentials) -> Identity | None:
        role = order.role_of(shown.client_id, shown.username, shown.password)
        if role is None:
            return None
        # Everyone who pairs shares a user name; to the broker each connection is its own user.
        user = shown.client_id if role == PAIRING_USER else shown.username or ""
        return Identity(user=user, role=role, client_id=shown.client_id)

    tls = Tls(*astuple(order.tls)) if order.tls else None
    # Behind a clinic's NAT all screens come from one address: one that is set up wrongly must not
    # shut the others out, and secrets of 256 random bits are not guessed at ten tries a second.
    # What is retained is counted per screen; the lobby is the same bytes for all of them. A
    # document of 20 MiB that staff fetches waits whole for a slow screen.
    limits = Limits(
        connections_per_address=4_000,
        failures_per_address=600,
        retained_bytes=512 << 20,
        queue_bytes=32 << 20,
    )
    listeners = {"mqtt": Listener(*order.mqtt, tls=tls)}
    if order.http is not None:
        listeners["http"] = Listener(*order.http, kind="http", tls=tls)
    if tls is not None:
        listeners["local"] = Listener()
    return Broker(
        BrokerSettings(listeners=listeners, limits=limits),
        authenticate=authenticate,
        rules={role: Rules(a.publish, a.subscribe) for role, a in order.access.items()},
        web_app=pages(order.site),
        observer=Departures(),
    )


@contextmanager
def _explaining(data: Path) -> Iterator[None]:
    """Turn what a box cannot start for into what its operator reads."""
    try:
        yield
    except StoreBusyError as error:
        raise Failure(
            f"{error}; stop it, or name another folder with --data", UNAVAILABLE
        ) from None
    except SiteError as error:
        raise Failure(str(error), USAGE) from None
    except StoreDamagedError as error:
        from session_controller.backups import advice

        raise Failure(f"{error}; nothing was written to it; {advice(data)}") from None
    except (StoreError, KeyringError) as error:
        raise Failure(str(error)) from None
    except (BrokerUrlError, ReceiptError) as error:
        raise Failure(str(error), USAGE) from None
    except NoFreeSlotError as error:
        raise Failure(str(error), UNAVAILABLE) from None
    except OSError as error:
        what = error.strerror or str(error)
        raise Failure(f"cannot serve on {data}: {what}; choose another", UNAVAILABLE) from None


@contextmanager
def visit(data: Path) -> Iterator[Place]:
    """Give the box that runs on a folder; where none does, start one there meanwhile.

    Either way what a command does goes through a controller, over MQTT.
    """
    deadline = time.monotonic() + _PATIENCE_S
    with ExitStack() as stack:
        with _explaining(data):
            while (place := _enter(data, stack)) is None:
                if time.monotonic() > deadline:
                    raise NoFreeSlotError(f"{data} is in use, and does not answer; try again")
                time.sleep(0.1)
        yield place


def _enter(data: Path, stack: ExitStack) -> Place | None:
    """Try once; None: somebody is just starting or stopping there."""
    with suppress(NoFreeSlotError, FileNotFoundError, ConnectionError, TimeoutError):
        return stack.enter_context(_knock(data))
    with suppress(StoreBusyError):
        return stack.enter_context(_private(data))
    return None


@contextmanager
def _private(data: Path) -> Iterator[Place]:
    """Serve on a free loopback port until the command, and all that joined it, are done."""
    from clients.console_serving import hold_all, in_a_thread
    from session_controller.box import Box, BoxSettings
    from session_controller.settling import remembered

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
        finally:  # let others finish who use this box too, and no more in
            hold_all(lambda: take_slot(data), len(SLOTS), NoFreeSlotError, slots)


@contextmanager
def _knock(data: Path) -> Iterator[Place]:
    """Take an admin's device, and give the box that the folder names, if it is there."""
    from clients.address import Address
    from clients.credential import Credential
    from schemas.base import Role

    with take_slot(data) as (device, secret):
        where = json.loads((data / BOX_FILE).read_text())
        url = bare(where["mqtt"])
        address = Address.parse(url)
        socket.create_connection((address.host, address.port), timeout=2).close()
        yield Place(url, Credential(where["site"], device, Role.ADMIN, secret))


def audit(data: Path, receipt: str | None) -> Audit:
    """Go through the log of a data folder, its states and its documents."""
    from session_controller.verification import audit_folder

    with _explaining(data):
        return Audit(*astuple(audit_folder(data, receipt)))


def entries(data: Path, after: int, session: str | None) -> Iterator[Mapping[str, Any]]:
    """Give the log of a data folder; nothing that was entered."""
    from session_controller.verification import told_entries

    with _explaining(data):
        yield from told_entries(data, after, session)


@contextmanager
def running(data: Path) -> Iterator[Place]:
    """Give the box that runs on a folder."""
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
