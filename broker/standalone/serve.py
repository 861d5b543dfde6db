"""The standalone MQTT 3.1.1 broker, configured by a rules file."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

import typer

from broker.access.rules import NOTHING
from broker.broker import Broker
from broker.monitoring.logs import logger

from .rules_file import RulesFile, RulesFileError, load_rules_file
from .users import Users

_FAULTY_FILE, _UNAVAILABLE = 2, 3
"""Exit codes, as for all of `handrail`."""


def run_standalone(rules_file: Path) -> int:
    """Serve a rules file until SIGTERM or SIGINT, and return the exit code.

    0: stopped. 2: the file is faulty. 3: an address is in use. Prints a line with `ready` once it
    accepts connections.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    # amqtt logs a failed start with a traceback; one line is printed instead.
    logging.getLogger("amqtt.broker").setLevel(logging.CRITICAL)
    try:
        file = load_rules_file(rules_file)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(rules_file, file))
    except RulesFileError as error:
        typer.echo(error, err=True)
        return _FAULTY_FILE
    except OSError as error:
        typer.echo(error, err=True)
        return _UNAVAILABLE
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory if it is installed; it saves 25 to 33 % of the time per message."""
    try:
        import uvloop  # noqa: PLC0415 - not on every platform
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _serve(path: Path, file: RulesFile) -> None:
    users = Users(file)
    broker = Broker(file.settings(path.parent), authenticate=users.authenticate, rules=file.rules())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, lambda: reload(path, users, broker))
    await broker.start()
    where = ", ".join(f"{name} {_spell(*at)}" for name, at in broker.addresses.items())
    print(f"handrail broker ready: {where}", flush=True)  # noqa: T201 - this is the interface
    try:
        await stop.wait()
    finally:
        await broker.stop()


def _spell(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reload(path: Path, users: Users, broker: Broker) -> None:
    """Reload users, roles and certificates from their files; an invalid file changes nothing.

    Changes of listeners and limits need a restart.
    """
    try:
        new = load_rules_file(path)
    except RulesFileError as error:
        logger.error("rules file not reloaded, previous rules stay in force: %s", error)
        return
    gone = users.users_to_disconnect(new)
    old_roles = users.roles
    users.replace_file(new)
    for role, rules in (dict.fromkeys(old_roles, NOTHING) | new.rules()).items():
        broker.set_rules(role, rules)
    for user in gone:
        broker.revoke(user)
    logger.warning("rules file reloaded: %d users disconnected", len(gone))
    if problem := broker.reload_certificates():
        logger.error("certificates not reloaded, previous ones stay in use: %s", problem)
