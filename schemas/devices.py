"""Small payloads about devices and the box: status, presence, assignment, lobby, pairing."""

from typing import Annotated

from pydantic import Field

from schemas.base import Identifier, Role, Timestamp, Versioned, Wire, absent
from schemas.views import SessionStatus

CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628, 6.1: no vowels, nothing that looks like something else."""
CODE_LENGTH = 8

Label = Annotated[str, Field(min_length=1, max_length=120)]
DeviceName = Annotated[str, Field(min_length=1, max_length=64)]


class ControllerStatus(Versioned):
    """Whether the controller serves; `online: false` is its will."""

    online: bool
    epoch: int
    """Rises when a database is restored."""
    version: str
    started_at: Timestamp


class Presence(Versioned):
    """Whether a device is there; the will bears the `connection` that it ends."""

    online: bool
    connection: Annotated[int, Field(ge=0, le=2**63 - 1)]
    """Rises with each connection, so that a late will does not hide a device that is back."""


class Assignment(Versioned):
    """The session that a patient's device is in now, or none."""

    session: Identifier | None
    flow_ref: str | None = None
    joined_at: Timestamp | None = None


class LobbyLine(Wire):
    """An open session in a line, without patient data beyond the label that staff gave."""

    session: Identifier
    label: str | None
    flow_ref: str
    status: SessionStatus
    step_id: str
    step_index: int
    steps_total: int
    patient_online: bool
    help_requested: bool
    host: str | None
    opened_at: Timestamp
    updated_at: Timestamp


class Lobby(Versioned):
    """The site's open sessions."""

    sessions: tuple[LobbyLine, ...]


class PairingClaim(Versioned):
    """A device that is not enrolled shows its code."""

    code: Annotated[str, Field(max_length=64)]
    name: Annotated[str | None, Field(max_length=64)] = None


class PairingGrant(Versioned):
    """The credential of a device that showed a live code; `session` where the code was of one."""

    device: Identifier
    role: Role
    secret: str
    """256 random bits, the MQTT password; only its hash is stored."""
    site: Identifier
    session: Annotated[Identifier | None, Field(exclude_if=absent)] = None


def normalize_code(text: str) -> str:
    """Read a code without regard to case, spaces and hyphens (RFC 8628, 6.1)."""
    return "".join(c for c in text.upper() if c not in " -\t")


def show_code(code: str) -> str:
    """Write a code as a person reads it: `WDJB-MJHT`."""
    half = CODE_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"
