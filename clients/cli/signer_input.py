"""Entering the fingerprint of the box that must have signed a backup."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from clients.cli.context import USAGE, Failure
from clients.cli.output import say
from session_controller.errors import SignerUnknownError

if TYPE_CHECKING:
    from session_controller.security.recovery import RecoveryKey

Done = TypeVar("Done")
_UNKNOWN = "unknown"


def with_signer(
    signed_by: str | None, key: RecoveryKey | None, act: Callable[[str | None], Done]
) -> Done:
    """Act with a fingerprint that was passed; without one, ask for it only if it is needed.

    Without a terminal it is required where a recovery key is used. A backup whose keys are in clear
    is restored with a warning then.
    """
    try:
        return act(signed_by)
    except SignerUnknownError as error:
        if sys.stdin.isatty():
            return act(_asked())
        if error.sealed or key is not None:
            raise Failure(
                "the fingerprint of the box is needed, and there is no terminal to ask for it; "
                "pass --signed-by FINGERPRINT as on the recovery sheet; nothing was changed",
                USAGE,
            ) from None
    say("warning: this backup's keys are not encrypted, and nothing shows which box made it;")
    say("compare the fingerprint with the one that you keep, or pass --signed-by")
    return act(_UNKNOWN)


def _asked() -> str:
    say("Whoever could write to the backup may have replaced it by a forged one. Type the box's")
    say("fingerprint from the recovery sheet, or of `handrail key show`. If you do not have it:")
    say(f"{_UNKNOWN} restores the backup as it is; check what is in it before the box serves.")
    typed: str = typer.prompt("Fingerprint of the box", err=True)
    return _UNKNOWN if typed.strip().lower() == _UNKNOWN else typed
