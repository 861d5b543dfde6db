"""Error messages for people: a line that says what to do next, an exit code, no traceback."""

import errno
import os
import re
import sys
import traceback
from typing import Any

import typer
from typer.core import TyperGroup

from clients.cli.context import FAILED, INTERRUPTED, UNAVAILABLE, USAGE, Failure
from clients.cli.owner import note
from clients.sdk.errors import (
    ConnectFailed,
    HandrailError,
    InvalidInput,
    NotAuthorized,
    Refused,
    RequestRefused,
    TimedOut,
    type_and_place,
)
from schemas.questionnaire.model import FlowError
from schemas.wire.rejections import RejectionCode

_NEXT = {
    RejectionCode.UNKNOWN_SESSION: "`handrail session list --all` lists the sessions.",
    RejectionCode.NOT_A_PARTICIPANT: "`handrail device list` lists the devices.",
    RejectionCode.SESSION_ENDED: "Read it with `handrail session show` or `session export`.",
    RejectionCode.TOO_MANY: "Purge sessions or revoke devices you no longer need; then try again.",
}
_OWN_BROKER = (
    "if you use your own broker, add the users admin-1 to admin-8: docs/how-to/use-your-broker.md"
)


_TYPED = {
    "device": "DEVICE",
    "field_id": "FIELD",
    "flow_id": "FLOW",
    "host": "--host",
    "label": "--label",
    "name": "NAME",
    "patient_device": "--kiosk",
    "reason": "--reason",
    "session": "the session id",
    "sessions": "each session id",
}
"""Fields of requests, as a person types them."""

_DENIED = os.strerror(errno.EACCES)
_HIDDEN = re.compile("does not exist|is not (readable|writable)")
"""What is reported of a file that this user cannot access, when arguments are parsed."""


class FriendlyGroup(TyperGroup):
    """A command group that turns exceptions into a line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader of our output has gone; Python would report the broken pipe again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(FAILED) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            from clients.cli.output import say  # noqa: PLC0415 - most commands do not fail

            acting = note(ctx)
            if type(error).__module__.split(".")[0] in ("typer", "click"):
                if acting and isinstance(error, typer.BadParameter) and _HIDDEN.search(str(error)):
                    say(f"handrail: {acting}")
                raise
            message, code = explained(error)
            if acting and _DENIED in message:
                message = f"{message}; {acting}"
            say(f"handrail: {message}")
            raise typer.Exit(code) from None


def explained(error: Exception) -> tuple[str, int]:
    """Return a message that says what happened and what to do next, and the exit code."""
    text, code = str(error), FAILED
    match error:
        case Failure():
            code = error.code
        case Refused():
            text = _refusal(error)
        case NotAuthorized():
            text = f"the broker refused the connection ({text}); {_OWN_BROKER}"
            code = UNAVAILABLE
        case InvalidInput():
            text, code = _invalid(error), USAGE
        case ConnectFailed() | TimedOut():
            text = f"the box does not answer ({text}); check it with `handrail doctor`"
            code = UNAVAILABLE
        case FlowError():
            text = "this questionnaire cannot be used as a flow:\n" + _listed(error.problems)
        case OSError() if error.filename:
            text = f"{error.filename}: {error.strerror}"
        case HandrailError() | OSError():
            pass
        case _:
            text = _bug(error)
    return text, code


def _invalid(error: InvalidInput) -> str:
    return "; ".join(f"{_TYPED.get(f, f)} {problem}" for f, problem in error.problems.items())


def _refusal(error: Refused) -> str:
    rejection = error.rejection
    problems = rejection.details.get("problems")
    if isinstance(problems, list) and problems:
        return "refused:\n" + _listed(problems)
    hint = _NEXT.get(rejection.code, "")
    if isinstance(error, RequestRefused) and "flow_id" in rejection.details:
        hint = "`handrail flow list` lists the flows; `handrail flow add FILE` adds one."
    return f"refused: {rejection.message} {hint}".strip()


def _listed(problems: Any) -> str:
    return "\n".join(f"  {problem}" for problem in problems)


def _bug(error: Exception) -> str:
    """Describe a bug by its location only: its text may repeat what a patient entered."""
    if os.environ.get("HANDRAIL_DEBUG"):
        return "".join(traceback.format_exception(error))
    return (
        f"internal error: {type_and_place(error)}; please report it. "
        "Set HANDRAIL_DEBUG=1 to see the traceback."
    )
