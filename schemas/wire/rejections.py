"""Rejections: a closed set of codes, a sentence for people, details for programs."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from schemas.base import RequestId, Versioned, absent


class RejectionCode(StrEnum):
    """Why something was refused."""

    MALFORMED = "malformed"
    UNKNOWN_TYPE = "unknown_type"
    UNSUPPORTED_VERSION = "unsupported_version"
    UNKNOWN_SESSION = "unknown_session"
    NOT_A_PARTICIPANT = "not_a_participant"
    NOT_ALLOWED_FOR_ROLE = "not_allowed_for_role"
    NOT_THE_HOST = "not_the_host"
    SESSION_ENDED = "session_ended"
    SESSION_PAUSED = "session_paused"
    LOCKED_FOR_SIGNATURE = "locked_for_signature"
    NO_SIGNATURE_REQUESTED = "no_signature_requested"
    UNKNOWN_STEP = "unknown_step"
    UNKNOWN_FIELD = "unknown_field"
    FIELD_NOT_ON_THIS_STEP = "field_not_on_this_step"
    WRONG_FIELD_KIND = "wrong_field_kind"
    STEP_INCOMPLETE = "step_incomplete"
    SESSION_INCOMPLETE = "session_incomplete"
    STALE_REVISION = "stale_revision"
    SEQUENCE_GAP = "sequence_gap"
    SEQUENCE_REUSED = "sequence_reused"
    DOCUMENT_CHANGED = "document_changed"
    UPLOAD_INCOMPLETE = "upload_incomplete"
    UPLOAD_CORRUPT = "upload_corrupt"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    CODE_REFUSED = "code_refused"
    SIGN_IN_REQUIRED = "sign_in_required"
    PIN_REFUSED = "pin_refused"
    SIGN_IN_REFUSED = "sign_in_refused"
    UNAVAILABLE = "unavailable"


class Rejection(Versioned):
    """A rejection, sent only to the sender."""

    type: Literal["REJECTION"] = "REJECTION"
    command_id: Annotated[str | None, Field(exclude_if=absent)] = None
    seq: Annotated[int | None, Field(exclude_if=absent)] = None
    request_id: Annotated[RequestId | None, Field(exclude_if=absent)] = None
    code: RejectionCode
    message: str
    """A sentence for people; contains no patient data."""
    details: dict[str, JsonValue] = Field(default_factory=dict)
    """Further data for programs: `fields`, `expected_seq`, `revision`, `limit` …"""
