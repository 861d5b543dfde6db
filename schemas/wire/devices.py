"""Small payloads about devices and the box: status, presence, assignment, lobby, pairing."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from schemas.base import ONE_LINE, Identifier, Role, Timestamp, Versioned, Wire, absent
from schemas.wire.staff import DeskState
from schemas.wire.views import HelpView, SessionStatus

CODE_ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628, 6.1: no vowels, no easily confused characters."""
CODE_LENGTH = 8

Label = Annotated[str, Field(min_length=1, max_length=120, pattern=ONE_LINE)]
DeviceName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=ONE_LINE)
]
Room = DeviceName
"""Where a device is, as staff call it."""
Software = Annotated[str, Field(min_length=1, max_length=64, pattern=ONE_LINE)]
"""A device's program and its version, such as `handrail-sdk/1.2.0`."""


class ControllerStatus(Versioned):
    """Whether the controller serves; `online: false` is its will."""

    online: bool
    epoch: int
    """Increases when a backup is restored."""
    version: str
    started_at: Timestamp
    screen_lock_s: int = 600
    """Seconds that a patient screen may be idle before it is locked; one that has no connection
    then locks itself."""


class Presence(Versioned):
    """Whether a device is online; the will contains the `connection` that it ends."""

    online: bool
    connection: Annotated[int, Field(ge=0, le=2**63 - 1)]
    """Increases with each connection, so that a late will does not hide a reconnected device."""
    software: Annotated[Software | None, Field(exclude_if=absent)] = None
    """The program of the device and its version, for the list of devices."""


class Assignment(Versioned):
    """The session that a patient device is in, or null."""

    session: Identifier | None
    flow_ref: str | None = None
    joined_at: Timestamp | None = None


class LobbyLine(Wire):
    """A summary of an open session, without patient data except staff's label."""

    session: Identifier
    label: str | None
    flow_ref: str
    status: SessionStatus
    step_id: str
    step_index: int
    steps_total: int
    """As in the view. Of an ended session: among all steps of its flow."""
    patient_online: bool
    patient_idle: bool = False
    patient_locked: bool = False
    help_requested: bool
    help: Annotated[HelpView | None, Field(exclude_if=absent)] = None
    ready_since: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """Since when the patient is done with the current step, otherwise absent."""
    host: str | None
    opened_at: Timestamp
    updated_at: Timestamp
    test: Annotated[bool | None, Field(exclude_if=absent)] = None
    """True for a rehearsal, otherwise absent."""
    patient_device: Annotated[Identifier | None, Field(exclude_if=absent)] = None
    """The patient screen, otherwise absent."""
    patient_since: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """When the patient screen last came online or went offline."""
    idle_since: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    step_since: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """When the current step was first shown."""
    to_review: Annotated[int | None, Field(exclude_if=absent)] = None
    """How many documents wait for review, otherwise absent."""
    to_review_since: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """When the first of them was received."""
    signing: Annotated[Literal[True] | None, Field(exclude_if=absent)] = None
    """True while a signature is requested, otherwise absent."""


class HeldLine(Wire):
    """A completed session that is not delivered, because its patient is not identified."""

    session: Identifier
    label: str | None
    flow_ref: str
    completed_at: Timestamp
    destinations: tuple[Identifier, ...]
    missing: tuple[str, ...]
    """The elements that the FHIR Patient lacks: `name`, `birthDate`."""


class Lobby(Versioned):
    """The site's open sessions, and the completed ones that wait for staff."""

    sessions: tuple[LobbyLine, ...]
    held: tuple[HeldLine, ...] = ()
    """The oldest first, at most 100."""
    stuck: int = 0
    """Deliveries that were refused, or have waited for more than an hour: facility IT has to act.
    """
    desk: Annotated[DeskState | None, Field(exclude_if=absent)] = None
    """Absent if the site has no persons; while nobody is signed in, the lobby is empty."""


class PairingClaim(Versioned):
    """The pairing code of a device that is not enrolled."""

    code: Annotated[str, Field(max_length=64)]
    name: Annotated[str | None, Field(max_length=64)] = None


class PairingGrant(Versioned):
    """The credential for a valid code; `session` is set if the code belonged to one."""

    device: Identifier
    role: Role
    secret: str
    """The MQTT password, 256 random bits; only its hash is stored."""
    site: Identifier
    session: Annotated[Identifier | None, Field(exclude_if=absent)] = None


def normalize_code(text: str) -> str:
    """Normalize a code: ignore case, spaces and hyphens (RFC 8628, 6.1)."""
    return "".join(c for c in text.upper() if c not in " -\t")


def show_code(code: str) -> str:
    """Format a code for display: `WDJB-MJHT`."""
    half = CODE_LENGTH // 2
    return f"{code[:half]}-{code[half:]}"
