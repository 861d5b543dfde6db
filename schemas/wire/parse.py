"""Parses payloads into frozen types, once, at the edge; invalid ones become `Unreadable`."""

from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from schemas.base import MAX_SEQ, VERSION, Versioned
from schemas.wire.commands import COMMAND, Command
from schemas.wire.devices import ControllerStatus, PairingClaim, Presence
from schemas.wire.rejections import RejectionCode
from schemas.wire.requests import REQUEST, Request

_T = TypeVar("_T", bound=Versioned)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An invalid payload, with what could be parsed of it.

    `message` names the invalid keys and never repeats a value.
    """

    code: RejectionCode
    message: str
    command_id: str | None = None
    seq: int | None = None
    request_id: str | None = None


def read_command(payload: bytes) -> Command | Unreadable:
    """Parse a command."""
    return _read(COMMAND, payload)


def read_request(payload: bytes) -> Request | Unreadable:
    """Parse a request."""
    return _read(REQUEST, payload)


_PRESENCE = TypeAdapter(Presence)
_CLAIM = TypeAdapter(PairingClaim)
_STATUS = TypeAdapter(ControllerStatus)


def read_presence(payload: bytes) -> Presence | Unreadable:
    """Parse a device's presence."""
    return _read(_PRESENCE, payload)


def read_claim(payload: bytes) -> PairingClaim | Unreadable:
    """Parse a pairing claim."""
    return _read(_CLAIM, payload)


def read_status(payload: bytes) -> ControllerStatus | Unreadable:
    """Parse a controller's status."""
    return _read(_STATUS, payload)


def build_readers() -> None:
    """Build what reads payloads, in any thread; otherwise the first payload of each kind waits."""
    for adapter in (COMMAND, REQUEST, _PRESENCE, _CLAIM, _STATUS):
        adapter.rebuild()


def _read(adapter: TypeAdapter[_T], payload: bytes) -> _T | Unreadable:
    try:
        found: _T = adapter.validator.validate_json(payload)
    except ValidationError as error:
        return _why(payload, error)
    # `v` has a default for writing; a received payload must contain it.
    if "v" not in found.model_fields_set:
        return _unreadable(from_json(payload), RejectionCode.MALFORMED, _wrong("v"))
    return found


def _why(payload: bytes, error: ValidationError) -> Unreadable:
    try:
        found = from_json(payload)
    except ValueError:
        return Unreadable(RejectionCode.MALFORMED, "The payload is not JSON.")
    if not isinstance(found, dict):
        return Unreadable(RejectionCode.MALFORMED, "The payload is not a JSON object.")
    return _unreadable(found, *_verdict(found, error))


def _unreadable(found: dict[str, Any], code: RejectionCode, message: str) -> Unreadable:
    return Unreadable(
        code,
        message,
        command_id=_text(found.get("command_id")),
        seq=_seq(found.get("seq")),
        request_id=_text(found.get("request_id")),
    )


def _verdict(found: dict[str, Any], error: ValidationError) -> tuple[RejectionCode, str]:
    version = found.get("v")
    if type(version) is int and version != VERSION:
        return (
            RejectionCode.UNSUPPORTED_VERSION,
            f"Unsupported version; only version {VERSION} is supported.",
        )
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    if any(problem["type"] == "union_tag_invalid" for problem in problems):
        return RejectionCode.UNKNOWN_TYPE, "Unknown message type."
    keys = sorted({_key(problem["loc"]) for problem in problems})
    return RejectionCode.MALFORMED, _wrong(", ".join(keys))


def _wrong(keys: str) -> str:
    return f"Missing or invalid: {keys}."


def _key(location: tuple[int | str, ...]) -> str:
    """Return the key of a problem: the first lower-case level, after a union's tag."""
    names = [str(part) for part in location if isinstance(part, str) and not part.isupper()]
    return names[0] if names and names[0].isidentifier() else "type"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 1 <= len(value) <= 64 else None  # noqa: PLR2004


def _seq(value: object) -> int | None:
    return value if type(value) is int and 1 <= value <= MAX_SEQ else None
