"""Error messages for people: a line that says what to do next, an exit code, no traceback."""

import errno
import os
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clients.cli.context import FAILED, UNAVAILABLE, UNUSABLE, USAGE, Failure
from clients.cli.output import json_text, say
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
    "birth_date": "--birth-date",
    "destination": "NAME",
    "device": "DEVICE",
    "family": "--family",
    "field_id": "FIELD",
    "flow_id": "FLOW",
    "given": "--given",
    "host": "--host",
    "label": "--label",
    "name": "NAME",
    "patient_device": "--kiosk",
    "room": "the room",
    "reason": "--reason",
    "session": "the session id",
    "sessions": "each session id",
    "staff_name": "--staff-name",
}
"""Fields of requests, as a person types them."""

_DENIED = os.strerror(errno.EACCES)


@dataclass(frozen=True, slots=True)
class Explained:
    """An error in words."""

    message: str
    """What happened and what to do next."""
    exit_code: int
    code: str
    """A rejection code, or what the exit code means, in one word; for programs."""
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return the error as it is printed with `--json`."""
        more = {"details": dict(self.details)} if self.details else {}
        said = {"code": self.code, "message": self.message, "exit_code": self.exit_code}
        return {"error": {**said, **more}}


_CODES = {FAILED: "failed", USAGE: "usage", UNAVAILABLE: "no_box", UNUSABLE: "unusable"}


def report(error: Exception, acting: str | None = None, *, as_json: bool) -> int:
    """Print an error to stderr; return the exit code.

    `acting` says as which other user the command runs, for a file that this one cannot access.
    """
    found = explained(error)
    if acting and _DENIED in found.message:
        found = replace(found, message=f"{found.message}; {acting}")
    if as_json:
        say(json_text(found.as_json(), indent=2))
    else:
        say(f"handrail: {found.message}")
    return found.exit_code


def explained(error: Exception) -> Explained:
    """Return an error in words, with its exit code."""
    match error:
        case Failure():
            found = _coded(str(error), error.code)
        case Refused():
            code, details = error.rejection.code.value, error.rejection.details
            found = Explained(_refusal(error), FAILED, code, details)
        case InvalidInput():
            found = _coded(_invalid(error), USAGE, error.problems)
        case ConnectFailed() | TimedOut():
            found = _coded(_unreachable(error), UNAVAILABLE)
        case FlowError():
            remedies = dict.fromkeys(one.rule.remedy for one in error.problems)
            problems = "\n".join([_listed(error.problems), *remedies])
            found = _coded(f"this questionnaire cannot be used as a flow:\n{problems}", FAILED)
        case OSError() if error.filename:
            found = _coded(f"{error.filename}: {error.strerror}", FAILED)
        case HandrailError() | OSError():
            found = _coded(str(error), FAILED)
        case _ if hasattr(error, "format_message"):  # of the command line itself
            found = _coded(error.format_message(), USAGE)
        case _:
            found = Explained(_bug(error), FAILED, "internal_error")
    return found


def _coded(message: str, exit_code: int, details: Mapping[str, Any] | None = None) -> Explained:
    return Explained(message, exit_code, _CODES[exit_code], details or {})


def _unreachable(error: Exception) -> str:
    if isinstance(error, NotAuthorized):
        return f"the broker refused the connection ({error}); {_OWN_BROKER}"
    return f"the box does not answer ({error}); check it with `handrail doctor`"


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
