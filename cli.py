"""The `handrail` program: its commands, and the only module that wires the packages together."""

import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from clients.cli.context import (
    UNAVAILABLE,
    Failure,
    Place,
    Program,
    bare,
)
from clients.cli.explaining import explaining
from clients.cli.lazy import LazyGroup
from clients.cli.output import say
from session_controller.data_folder import BOX_FILE, SLOTS, take_slot
from session_controller.errors import NoFreeSlotError, StoreBusyError

if TYPE_CHECKING:
    from broker import Limits
    from session_controller.box import BrokerOrder, EmbeddedBroker

# Each command imports what it needs when it runs: importing everything costs 1 s and 20 MB.

FLOWS = Path(__file__).parent / "flows"
"""The bundled example questionnaires, in a checkout and in an installed wheel alike."""

_PATIENCE_S = 10.0
"""Seconds to wait for another command's box to stop, or for a starting box to become ready."""


class Commands(LazyGroup):
    """The program's commands, in the order of its help."""

    places: ClassVar = {
        "serve": "clients.cli.serve",
        "setup": "clients.cli.setup",
        "doctor": "clients.cli.doctor",
        "status": "clients.cli.status",
        "config": "clients.cli.config:app",
        "find": "clients.cli.find",
        "tls": "clients.cli.tls:app",
        "backup": "clients.cli.backup:app",
        "soak": "clients.cli.soak",
        "restore": "clients.cli.restore",
        "upgrade": "clients.cli.upgrade",
        "simulate": "clients.cli.simulate",
        "demo": "clients.demo.cli",
        "schema": "clients.cli.schema",
        "acl": "clients.cli.schema",
        "reference": "clients.cli.reference",
        "completion": "clients.cli.completion",
        "session": "clients.cli.session:app",
        "device": "clients.cli.device:app",
        "staff": "clients.cli.staff:app",
        "flow": "clients.cli.flow:app",
        "deliver": "clients.cli.deliver:app",
        "alert": "clients.cli.alert:app",
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
    "2 invalid usage, 3 no box can be reached or started, 4 the data cannot be used until what "
    "stderr says is done, 130 interrupted (Ctrl-C).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Run the program, without plugins of other packages for what reads patient data.

    To look for them takes 10 ms as well.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
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
    if isinstance(sys.stdout, TextIOWrapper):  # a terminal may lack a character, a name be none
        sys.stdout.reconfigure(errors="backslashreplace")
    context.obj = Program(
        visit, running, (sys.executable, "-P", "-m", "cli"), embedded_broker, FLOWS
    )


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
    from ipaddress import ip_network

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
    from clients.web.copies import add_copies
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
        listeners["http"] = Listener(
            *order.http,
            kind="http",
            tls=tls,
            hosts=order.answers_to,
            proxies=tuple(map(ip_network, order.proxies)),
        )
    if tls is not None:
        listeners["local"] = Listener()
    if order.redirect is not None:
        served = PATHS if order.ca is not None else frozenset[str]()
        listeners["redirect"] = Listener(
            *order.redirect, kind="redirect", served=served, hosts=order.answers_to
        )
    web_app = pages(order.site, ca=order.ca)
    add_health(web_app, order.failing, order.metrics, metrics_token)
    add_copies(web_app, order.take_copy)
    return Broker(
        BrokerSettings(listeners=listeners, limits=broker_limits()),
        authenticate=authenticate,
        rules={role: Rules(a.publish, a.subscribe) for role, a in order.access.items()},
        web_app=web_app,
        observer=Departures(),
    )


@contextmanager
def visit(data: Path) -> Iterator[Place]:
    """Yield the box that runs on a folder, or start one for the duration of the `with`.

    Either way a command acts through a controller, over MQTT.
    """
    deadline = time.monotonic() + _PATIENCE_S
    with ExitStack() as stack:
        with explaining(data):
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
    from clients.cli.running import hold_all, in_a_thread, upgrade_first
    from session_controller.box import Box, BoxSettings
    from session_controller.storage.site import remembered

    if done := upgrade_first(data):
        say(f"migrated the data of an earlier version; the way back is {done.backup}")
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
        yield Place(url, credential, where.get("pages"))


def _where(data: Path) -> dict[str, str]:
    """Return what a running box wrote about itself. Raises `OSError` if no box wrote it."""
    try:
        where = json.loads((data / BOX_FILE).read_text())
    except ValueError:
        where = None
    kinds = {"site": str, "mqtt": str, "http": str | None, "pages": str | None}
    if not isinstance(where, dict) or not all(
        isinstance(where.get(name), kind) for name, kind in kinds.items()
    ):
        raise ConnectionError(f"{data / BOX_FILE} is damaged")
    return where


@contextmanager
def running(data: Path) -> Iterator[Place]:
    """Yield the box that runs on a folder. Raises `Failure` if none runs."""
    with ExitStack() as stack:
        with explaining(data):
            try:
                place = stack.enter_context(_knock(data))
            except (FileNotFoundError, ConnectionError, TimeoutError):
                hint = f"start one with `handrail serve --data {data}`"
                raise Failure(f"no box runs on {data}; {hint}", UNAVAILABLE) from None
        yield place


if __name__ == "__main__":
    main()
