"""The broker alone, as a general MQTT 3.1.1 broker with a rules file."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path

import typer

from .broker import Broker
from .logs import logger
from .rules import NOTHING
from .rules_file import RulesFile, RulesFileError, load_rules_file
from .users import Users


def run_standalone(rules_file: Path) -> int:
    """Serve what a rules file says until told to stop; gives the exit code (0, or 2 for the file).

    Prints a line with `ready` when it serves.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    # amqtt logs what stops a start with a traceback; we say it in a line.
    logging.getLogger("amqtt.broker").setLevel(logging.CRITICAL)
    try:
        file = load_rules_file(rules_file)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(rules_file, file))
    except (RulesFileError, OSError) as error:
        typer.echo(error, err=True)
        return 2
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Prefer uvloop, which takes a quarter to a third off the time per message."""
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
    """Put users and roles of the file into force; a faulty file changes nothing.

    Listeners and limits need a restart.
    """
    try:
        new = load_rules_file(path)
    except RulesFileError as error:
        logger.error("the rules stay as they were: %s", error)
        return
    gone = users.changed(new)
    old_roles = users.roles
    users.use(new)
    for role, rules in (dict.fromkeys(old_roles, NOTHING) | new.rules()).items():
        broker.set_rules(role, rules)
    for user in gone:
        broker.revoke(user)
    logger.warning("rules read again: %d users disconnected", len(gone))
