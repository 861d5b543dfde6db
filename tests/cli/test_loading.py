"""What is seldom needed is loaded when it is needed."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import clients
from cli import Commands, app
from session_controller.storage.store import Store

from .conftest import STOP_WITHIN_S

SELDOM = {
    "clients.sdk.client",
    "clients.cli.simulate",
    "clients.demo.cli",
    "jwt",
    "paho",
    "regex",
    "rich",
    "session_controller.export.fhir",
    "session_controller.transport.mqtt",
    "session_controller.export.printing",
    "zeroconf",
}
"""What a box needs for other commands, external brokers, deliveries, exports, patterns, networks.
"""

_PROGRAM = """
import atexit, sys
atexit.register(lambda: print(*sys.modules))
import cli
cli.main()
"""
"""Prints at its end what it has loaded."""


def _loaded_by_a_box(data: Path) -> set[str]:
    free = ("--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
    order = [sys.executable, "-P", "-c", _PROGRAM, "serve", "--data", str(data), *free]
    with subprocess.Popen(
        order, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert "ready" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        return set(process.communicate(timeout=STOP_WITHIN_S)[0].split())


def test_a_box_loads_only_what_it_needs(tmp_path: Path) -> None:
    """Neither at its first start, when it adds the example flows, nor at the next."""
    for _ in range(2):
        loaded = _loaded_by_a_box(tmp_path / "data")
        assert {"session_controller.box", "broker.broker"} <= loaded
        assert loaded & SELDOM == set()


HEAVY = {"pydantic", "paho", "rich.progress", "aiohttp", "cryptography", "sqlite_utils", "amqtt"}
HEAVY |= {"zeroconf"}
"""What no help needs: each of them takes as long to load as all the rest."""


_ALL_COMMANDS = """
import sys, typer
import cli

def load(group):
    for command in getattr(group, "commands", {}).values():
        load(command)

load(typer.main.get_command(cli.app))
print(*sys.modules)
"""


def test_help_loads_nothing_heavy() -> None:
    """All commands can be listed, with their options, before any of them needs the protocol."""
    order = [sys.executable, "-P", "-c", _ALL_COMMANDS]
    ran = subprocess.run(order, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert {"clients.cli.session", "clients.demo.cli", "broker.standalone.commands"} <= loaded
    assert loaded & HEAVY == set()


NEEDLESS = {
    "--help": {"rich", "pydantic", "asyncio"},
    "--version": {"rich", "pydantic", "asyncio"},
    "session list --limit x": {"rich", "asyncio", "paho"},
    "acl --format mosquitto": {"rich", "paho", "sqlite_utils"},
    "flow check {flow}": {"rich", "paho", "asyncio", "sqlite_utils", "cryptography"},
    "record verify {flow}": {"rich", "paho", "sqlite_utils"},
    "audit list --data {data}": {"rich", "paho", "clients.sdk.client"},
    "audit verify --data {data}": {"rich", "paho", "clients.sdk.client"},
    "upgrade --check --data {data}": {"rich", "paho", "clients.sdk.client"},
    "tls show --data {data}": {"rich", "paho", "sqlite_utils"},
}
"""By command line, what it does without: to load it would take a third of its time."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which a box has been."""
    folder = tmp_path_factory.mktemp("loading") / "data"
    Store(folder).close()
    return folder


@pytest.mark.parametrize("line", NEEDLESS)
def test_a_command_that_asks_no_box_loads_little(line: str, data: Path) -> None:
    """It answers at once: no library for tables, connections or checks that it does not need."""
    flow = Path(clients.__file__).parents[1] / "flows" / "quick-check-in.json"
    words = line.format(data=data, flow=flow).split()
    order = [sys.executable, "-P", "-c", _PROGRAM, *words]
    ran = subprocess.run(order, capture_output=True, text=True, check=False)
    loaded = set(ran.stdout.splitlines()[-1].split())
    assert "cli" in loaded
    assert loaded & NEEDLESS[line] == set()


def test_each_command_is_where_it_is_said_to_be() -> None:
    """All that the help lists can be loaded, and none that `cli.py` has is left out."""
    commands = typer.main.get_command(app).commands
    assert {name: command.name for name, command in commands.items()} == {
        name: name for name in Commands.places
    }
    here = {info.name or info.callback.__name__ for info in app.registered_commands}
    assert here == {name for name, place in Commands.places.items() if place is None}


def test_the_sdk_gives_all_that_it_names() -> None:
    """`from clients import …` works for each public name, and for no other."""
    assert all(getattr(clients, name) is not None for name in clients.__all__)
    with pytest.raises(AttributeError):
        clients.no_such_thing  # noqa: B018
