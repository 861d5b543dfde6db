"""Entering a recovery key: at a prompt, from a file or standard input; never as an argument."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from clients.cli.context import USAGE, Failure
from clients.cli.output import say
from session_controller.errors import RecoveryKeyError, RecoveryKeyNeededError

if TYPE_CHECKING:
    from session_controller.security.recovery import RecoveryKey

Done = TypeVar("Done")
RecoveryKeyFile = Annotated[
    Path | None,
    typer.Option(
        "--recovery-key-file",
        metavar="FILE",
        help="Read the recovery key from this file; -: from standard input.",
    ),
]
_TRIES = 3
_MAX = 4096


def read_recovery_key(file: Path | None) -> RecoveryKey:
    """Read a recovery key from a file, or ask for it. Raises `Failure`."""
    from session_controller.security.recovery import RecoveryKey

    if file is None:
        return _asked()
    try:
        with sys.stdin if str(file) == "-" else file.open(errors="replace") as source:
            return RecoveryKey.read(source.read(_MAX))
    except OSError as error:
        raise Failure(f"cannot read {file}: {error.strerror}", USAGE) from None
    except RecoveryKeyError as error:
        raise Failure(f"{error}; nothing was changed", USAGE) from None


def with_recovery_key(file: Path | None, act: Callable[[RecoveryKey | None], Done]) -> Done:
    """Act with the key in a file; without a file, ask for one only if it is needed."""
    if file is not None:
        return act(read_recovery_key(file))
    try:
        return act(None)
    except RecoveryKeyNeededError as error:
        say(str(error))
    return act(_asked())


def _asked() -> RecoveryKey:
    from session_controller.security.recovery import RecoveryKey

    if not sys.stdin.isatty():
        raise Failure(
            "a recovery key is needed, and there is no terminal to ask for it; pass "
            "--recovery-key-file FILE, or - for standard input",
            USAGE,
        )
    for _ in range(_TRIES):
        typed = typer.prompt("Recovery key (not shown while you type)", hide_input=True, err=True)
        try:
            return RecoveryKey.read(typed)
        except RecoveryKeyError as error:
            say(f"{error}; nothing was changed")
    raise Failure("no recovery key was entered; nothing was changed")
