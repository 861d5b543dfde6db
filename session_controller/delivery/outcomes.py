"""How an attempt to deliver ends: taken, refused, or to be tried again."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue


class Reason(StrEnum):
    """Why an attempt came to nothing: a word that can be logged, for it quotes nobody."""

    UNREACHABLE = "unreachable"
    """No connection: no network, no name, nobody listens."""
    UNTRUSTED = "untrusted"
    """TLS failed: a certificate that nobody vouches for, or of another host."""
    TIMED_OUT = "timed_out"
    CUT = "cut"
    """The connection ended before the answer did."""
    REDIRECTED = "redirected"
    """The answer came from elsewhere, such as the sign-in page of a guest network."""
    NOT_FHIR = "not_fhir"
    """The answer was none of a FHIR server's."""
    BUSY = "busy"
    SERVER_ERROR = "server_error"
    CONFLICT = "conflict"
    NOT_AUTHORIZED = "not_authorized"
    NO_TOKEN = "no_token"  # noqa: S105 - no password
    """The authorization server gives no token."""
    NO_SECRET = "no_secret"  # noqa: S105
    """A file with a key, token, password or certificate cannot be read."""
    NO_FOLDER = "no_folder"
    """The folder is not there, or cannot be written to."""
    BROKER_REFUSES = "broker_refuses"
    DEFECT = "defect"
    """Our own: the record could not be written in the destination's format."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination has it."""

    details: JsonValue = None
    """Where it put what, if it said so."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The destination does not want it as it is: sending it again would not help."""

    status: int | None
    """Of HTTP."""
    operation_outcome: JsonValue
    """The server's own words (FHIR R4, 2.36). May quote what a patient entered."""
    resource: str | None = None
    """Type of the resource that was refused, where they go one by one."""

    def to_json(self) -> JsonValue:
        """Give what is kept of it."""
        return {
            "status": self.status,
            "resource": self.resource,
            "operation_outcome": self.operation_outcome,
        }


@dataclass(frozen=True, slots=True)
class TryAgain:
    """It may go better later."""

    reason: Reason
    status: int | None = None
    """Of HTTP."""
    after_s: float | None = None
    """The server asked to be left alone for so long."""
    everyone: bool = True
    """Whether other sessions would fare the same now: the whole destination waits."""

    def to_json(self) -> JsonValue:
        """Give what is kept of it."""
        return {"reason": self.reason.value, "status": self.status}


Outcome = Delivered | Refused | TryAgain
