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

from .conftest import STOP_WITHIN_S, Serving

SELDOM = {
    "clients.sdk.client",
    "clients.cli.simulate",
    "amqtt",
    "clients.demo.cli",
    "jwt",
    "paho",
    "regex",
    "rich",
    "session_controller.export.fhir",
    "session_controller.transport.mqtt",
    "session_controller.export.printing",
    "websockets",
    "yaml",
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


def _installed(loaded: set[str]) -> int:
    """Return how many modules are not of Python itself: their number differs between versions."""
    return sum(name.partition(".")[0] not in sys.stdlib_module_names for name in loaded)


MOST_OF_A_BOX = 668
"""Modules that a start may load, beside those of Python."""


def test_a_box_loads_only_what_it_needs(tmp_path: Path) -> None:
    """Neither at its first start, when it adds the example flows, nor at the next."""
    for _ in range(2):
        loaded = _loaded_by_a_box(tmp_path / "data")
        assert {"session_controller.box", "broker.broker"} <= loaded
        assert loaded & SELDOM == set()
        assert _installed(loaded) <= MOST_OF_A_BOX


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
    "--help": {"rich", "pydantic", "asyncio", "importlib.metadata"},
    "--version": {"rich", "pydantic", "asyncio"},
    "session list --limit x": {"rich", "asyncio", "paho", "schemas"},
    "acl --format mosquitto": {"rich", "paho", "sqlite_utils", "schemas.wire"},
    "flow check {flow}": {
        *("rich", "paho", "asyncio", "sqlite_utils", "cryptography", "yaml"),
        *("schemas.wire.requests", "session_controller.engine"),
        "session_controller.export.fhir.bundle",
    },
    "record verify {flow}": {"rich", "paho", "sqlite_utils", "schemas.wire.requests"},
    "audit list --data {data}": {"rich", "paho", "clients.sdk.client", "schemas.wire.requests"},
    "audit verify --data {data}": {"rich", "paho", "clients.sdk.client", "schemas.wire.requests"},
    "upgrade --check --data {data}": {
        *("rich", "paho", "asyncio", "clients.sdk.client"),
        *("schemas.base", "session_controller.storage.store"),
    },
    "config check --data {data}": {
        *("rich", "aiohttp", "paho", "sqlite_utils", "broker", "session_controller.box"),
    },
    "tls show --data {data}": {"rich", "paho", "sqlite_utils", "schemas.wire.requests"},
}
"""By command line, what it does without: to load it would take a third of its time."""

MOST = {
    "--help": 91,
    "--version": 50,
    "session list --limit x": 110,
    "acl --format mosquitto": 110,
    "flow check {flow}": 172,
    "record verify {flow}": 120,
    "audit list --data {data}": 265,
    "audit verify --data {data}": 265,
    "upgrade --check --data {data}": 200,
    "config check --data {data}": 215,
    "tls show --data {data}": 180,
    "device list --data {box}": 170,
}
"""By command line, how many modules it may load, beside those of Python."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder in which a box has been."""
    folder = tmp_path_factory.mktemp("loading") / "data"
    Store(folder).close()
    return folder


def _loaded(line: str, **folders: Path) -> set[str]:
    """Return the modules that a command loads."""
    flow = Path(clients.__file__).parents[1] / "flows" / "quick-check-in.json"
    words = line.format(flow=flow, **folders).split()
    order = [sys.executable, "-P", "-c", _PROGRAM, *words]
    ran = subprocess.run(order, capture_output=True, text=True, check=False)
    return set(ran.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("line", NEEDLESS)
def test_a_command_that_asks_no_box_loads_little(line: str, data: Path) -> None:
    """It answers at once: no library for tables, connections or checks that it does not need."""
    loaded = _loaded(line, data=data)
    assert "cli" in loaded
    assert loaded & NEEDLESS[line] == set()
    assert _installed(loaded) <= MOST[line]


def test_a_command_that_asks_a_box_loads_little(tmp_path: Path) -> None:
    """It reads no flow, and has no table drawn for a pipe."""
    with Serving(tmp_path / "data"):
        loaded = _loaded("device list --data {box}", box=tmp_path / "data")
    assert loaded & {"rich", "sqlite_utils", "cryptography", "schemas.questionnaire.load"} == set()
    assert _installed(loaded) <= MOST["device list --data {box}"]


_PLUGINS = """
import atexit
import pydantic.plugin._loader as loader
atexit.register(lambda: print("plugins:", loader._plugins))
import cli
cli.main()
"""


def test_no_plugin_of_another_package_reads_what_is_parsed() -> None:
    """None is looked for: it would see patient data, and to look takes 10 ms."""
    flow = Path(clients.__file__).parents[1] / "flows" / "quick-check-in.json"
    order = [sys.executable, "-P", "-c", _PLUGINS, "flow", "check", str(flow)]
    ran = subprocess.run(order, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "plugins: None"


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
