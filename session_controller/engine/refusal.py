"""A refusal as a value: a code, a sentence for people, details for programs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from schemas.wire.rejections import RejectionCode
from session_controller.engine.limits import Limit


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a command or request was refused; `message` never contains an entered value."""

    code: RejectionCode
    message: str
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    limit: Limit | None = None
    """The box's limit that was reached: it is counted for facility IT."""


UNKNOWN_SESSION = Refusal(RejectionCode.UNKNOWN_SESSION, "There is no such session.")
SESSION_ENDED = Refusal(RejectionCode.SESSION_ENDED, "The session has ended.")
NOT_A_PARTICIPANT = Refusal(
    RejectionCode.NOT_A_PARTICIPANT, "This screen is not part of the session."
)
SIGN_IN_REQUIRED = Refusal(RejectionCode.SIGN_IN_REQUIRED, "Sign in at this screen first.")
"""Nobody is signed in at a staff screen."""
