"""Errors as a person reads them: a line that says what to do next, an exit code, no traceback."""

import os
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from clients.console import FAILED, UNAVAILABLE, Failure
from clients.errors import (
    ConnectFailed,
    HandrailError,
    NotAuthorized,
    Refused,
    RequestRefused,
    TimedOut,
)
from schemas.questionnaire import FlowError
from schemas.rejections import RejectionCode

_NEXT = {
    RejectionCode.UNKNOWN_SESSION: "`handrail session list --all` lists the sessions.",
    RejectionCode.NOT_A_PARTICIPANT: "`handrail device list` lists the devices.",
    RejectionCode.SESSION_ENDED: "`handrail session show` and `export` still read it.",
    RejectionCode.TOO_MANY: "Purge or revoke what is not needed any more, and try again.",
}
_OWN_BROKER = "a broker of your own needs the users admin-1 to admin-8: docs/external-brokers.md"


class FriendlyGroup(TyperGroup):
    """Turns what a command raises into a line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read our output has seen enough; Python would complain at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except Exception as error:
            if type(error).__module__.split(".")[0] in ("typer", "click"):
                raise
            message, code = explained(error)
            from clients.console_printing import say  # noqa: PLC0415 - most commands do not fail

            say(f"handrail: {message}")
            raise typer.Exit(code) from None


def explained(error: Exception) -> tuple[str, int]:
    """Say what happened and what to do next, and give the exit code."""
    text, code = str(error), FAILED
    match error:
        case Failure():
            code = error.code
        case Refused():
            text = _refusal(error)
        case NotAuthorized():
            text = f"the broker refuses this command ({text}); {_OWN_BROKER}"
            code = UNAVAILABLE
        case ConnectFailed() | TimedOut():
            text, code = f"the box does not answer ({text}); is it running?", UNAVAILABLE
        case FlowError():
            text = "this flow cannot be used:\n" + _listed(error.problems)
        case OSError() if error.filename:
            text = f"{error.filename}: {error.strerror}"
        case HandrailError() | OSError():
            pass
        case _:
            text = _bug(error)
    return text, code


def _refusal(error: Refused) -> str:
    rejection = error.rejection
    problems = rejection.details.get("problems")
    if isinstance(problems, list) and problems:
        return "refused:\n" + _listed(problems)
    hint = _NEXT.get(rejection.code, "")
    if isinstance(error, RequestRefused) and "flow_id" in rejection.details:
        hint = "`handrail flow list` lists the flows, `handrail flow add FILE` adds one."
    return f"refused: {rejection.message} {hint}".strip()


def _listed(problems: Any) -> str:
    return "\n".join(f"  {problem}" for problem in problems)


def _bug(error: Exception) -> str:
    """Name a bug by its place alone: its text may repeat what a patient entered."""
    if os.environ.get("HANDRAIL_DEBUG"):
        return "".join(traceback.format_exception(error))
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    return (
        f"a defect of the program: {type(error).__name__} at {place}; "
        "please report it. With HANDRAIL_DEBUG=1 set, more is told."
    )
