"""The outcome of a delivery attempt: delivered, refused, held, or to be retried."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pydantic import JsonValue


class Reason(StrEnum):
    """Why an attempt failed; safe to log, since it quotes nothing."""

    NAME_NOT_FOUND = "name_not_found"
    CONNECTION_REFUSED = "connection_refused"
    NO_ROUTE = "no_route"
    UNREACHABLE = "unreachable"
    """No connection, for another reason."""
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NOT_YET_VALID = "certificate_not_yet_valid"
    WRONG_NAME = "wrong_name"
    """The certificate belongs to another host."""
    UNKNOWN_AUTHORITY = "unknown_authority"
    """The certificate is signed by itself, or by an authority that this machine does not trust."""
    TLS_TOO_OLD = "tls_too_old"
    """No version or cipher of TLS in common."""
    NOT_TLS = "not_tls"
    """The port answers without TLS."""
    TLS_FAILED = "tls_failed"
    """TLS failed for another reason, such as a missing client certificate."""
    TIMED_OUT = "timed_out"
    NO_ANSWER_YET = "no_answer_yet"
    """It was sent, and the destination takes long to answer; the attempt is still under way."""
    NOT_ACKNOWLEDGED = "not_acknowledged"
    """The central broker accepted the connection and never acknowledged the message."""
    CUT = "cut"
    """The connection ended before the response was complete."""
    REDIRECTED = "redirected"
    """The response came from elsewhere, such as the sign-in page of a guest network."""
    NOT_FHIR = "not_fhir"
    """The response is not one of a FHIR server."""
    WRONG_ADDRESS = "wrong_address"
    """HTTP 404: there is no FHIR server at this path."""
    PROXY = "proxy"
    """HTTP 407: a proxy wants a password."""
    BUSY = "busy"
    SERVER_ERROR = "server_error"
    CONFLICT = "conflict"
    NOT_AUTHORIZED = "not_authorized"
    """HTTP 401: the server does not know the credential."""
    FORBIDDEN = "forbidden"
    """HTTP 403: the server knows the credential, and does not allow it to do this."""
    NO_TOKEN = "no_token"  # noqa: S105 - not a password
    """The authorization server issued no token."""
    TOKEN_NOT_ENCRYPTED = "token_not_encrypted"  # noqa: S105
    """The server names a token endpoint without TLS."""
    NO_SECRET = "no_secret"  # noqa: S105
    """A file with a key, token, password or certificate cannot be read."""
    NO_FOLDER = "no_folder"
    """The folder does not exist, or cannot be written to."""
    BROKER_REFUSES = "broker_refuses"
    UNKNOWN_DESTINATION = "unknown_destination"
    """The destination is not configured any more: nothing is tried."""
    PATIENT_NOT_IDENTIFIED = "patient_not_identified"
    """The Patient would have no name or no birth date; staff can say who it is."""
    DEFECT = "defect"
    """A bug of our own: the record could not be written in the destination's format."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination has stored it."""

    details: JsonValue = None
    """Where the destination stored it, if it said so."""
    sha256: str | None = None
    """Of what was sent, in hex."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The destination does not accept it as it is; sending it again would not help."""

    status: int | None
    """HTTP status."""
    operation_outcome: JsonValue
    """The server's own words (FHIR R4, 2.36). May quote patient data."""
    resource: str | None = None
    """Type of the refused resource, if they are sent one by one."""
    sha256: str | None = None
    """Of what was sent, in hex; None if nothing was."""

    @property
    def answer(self) -> dict[str, JsonValue]:
        """What the server said."""
        return {"status": self.status, "body": self.operation_outcome}

    def to_json(self) -> JsonValue:
        """Return what is stored of it."""
        return {
            "status": self.status,
            "resource": self.resource,
            "operation_outcome": self.operation_outcome,
        }


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The attempt failed, but a later one may succeed."""

    reason: Reason
    status: int | None = None
    """HTTP status."""
    after_s: float | None = None
    """How long the server asked to wait."""
    everyone: bool = True
    """Whether other sessions would fail too: the whole destination backs off."""
    answer: Mapping[str, JsonValue] | None = None
    """What the destination said, shortened. May quote patient data."""

    def to_json(self, last_answer: Mapping[str, JsonValue] | None) -> JsonValue:
        """Return what is stored of it, with the last answer that there was."""
        said: dict[str, JsonValue] = {"reason": self.reason.value, "status": self.status}
        return {**said, "last_answer": dict(last_answer)} if last_answer else said


@dataclass(frozen=True, slots=True)
class Held:
    """It was not sent: the patient is not identified."""

    missing: tuple[str, ...]
    """The elements that the Patient lacks."""

    def to_json(self) -> JsonValue:
        """Return what is stored of it."""
        return {"reason": Reason.PATIENT_NOT_IDENTIFIED.value, "missing": [*self.missing]}


Outcome = Delivered | Refused | TryAgain | Held
