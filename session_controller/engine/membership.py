"""Who may join a session, lead it, speak in it, leave it, and take a copy of it along.

Pure: screens are arguments.
"""

from datetime import datetime
from typing import Protocol

from schemas.base import Role
from schemas.wire.commands import Command, TakeOver
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import SessionStatus
from session_controller.engine.limits import Limit
from session_controller.engine.refusal import (
    NOT_A_PARTICIPANT,
    SESSION_ENDED,
    UNKNOWN_SESSION,
    Refusal,
)
from session_controller.engine.session import Session
from session_controller.engine.state import SessionState

_NOT_COMPLETED = Refusal(
    RejectionCode.UNAVAILABLE, "There is a copy once the check-in is complete and submitted."
)
_HIDDEN = Refusal(
    RejectionCode.UNAVAILABLE, "This screen was hidden or locked; please ask our staff for a copy."
)


class Screen(Protocol):
    """An enrolled device or a guest, as the rules see it."""

    @property
    def device(self) -> str:
        """Its id."""

    @property
    def role(self) -> Role:
        """What it may do."""

    @property
    def revoked_at(self) -> datetime | None:
        """When its credential ended, or None."""

    @property
    def guest_of(self) -> str | None:
        """The session that brought it in, or None if it is enrolled."""


def may_open(open_sessions: int, limit: int) -> Refusal | None:
    """Return why no further session may be opened, or None."""
    if open_sessions < limit:
        return None
    return Refusal(
        RejectionCode.TOO_MANY,
        "Too many sessions are open on this box.",
        {"limit": limit},
        Limit.OPEN_SESSIONS,
    )


def may_lead(screen: Screen | None, sender: Screen) -> Refusal | None:
    """Return why `sender` may not open a session that `screen` is to lead, or None."""
    if screen is not None and screen.device == sender.device:
        return None
    if sender.role is not Role.ADMIN:
        return Refusal(
            RejectionCode.NOT_ALLOWED_FOR_ROLE, "Only facility IT may name another host."
        )
    if screen is None or screen.revoked_at or not screen.role.leads:
        return Refusal(RejectionCode.NOT_ALLOWED_FOR_ROLE, "That is not an enrolled staff screen.")
    return None


def may_rehearse(sender: Screen) -> Refusal | None:
    """Return why a screen may not open a session that is never delivered, or None."""
    if sender.role is Role.ADMIN:
        return None
    return Refusal(RejectionCode.NOT_ALLOWED_FOR_ROLE, "Only facility IT may open a test session.")


def is_kiosk(screen: Screen) -> bool:
    """Return whether a screen is an enrolled patient screen, neither revoked nor a guest."""
    return not (screen.revoked_at or screen.role.leads or screen.guest_of)


def may_take_patients_side(screen: Screen | None, *, busy: bool) -> Refusal | None:
    """Return why a screen that staff named may not be the patient's, or None.

    `busy` says whether it is in an open session already.
    """
    if screen is None or not is_kiosk(screen):
        return Refusal(
            RejectionCode.NOT_ALLOWED_FOR_ROLE, "That is not an enrolled patient screen."
        )
    if busy:
        return Refusal(RejectionCode.UNAVAILABLE, "That screen is already in a session.")
    return None


def joins_by(role: Role) -> str:
    """Return the field that a role joins by: staff name a session, a patient shows a code."""
    return "session" if role.leads else "code"


def may_join_by(screen: Screen, by: str) -> Refusal | None:
    """Return why a screen may not join by this field, or None."""
    wanted = joins_by(screen.role)
    if by == wanted:
        return None
    return Refusal(RejectionCode.NOT_ALLOWED_FOR_ROLE, f"This kind of screen joins by `{wanted}`.")


def may_join_with_code(*, busy: bool) -> Refusal | None:
    """Return why a patient screen with a valid code may not join, or None."""
    if busy:
        return Refusal(RejectionCode.UNAVAILABLE, "This screen is already in a session.")
    return None


def awaits_patient(state: SessionState) -> bool:
    """Return whether a session still lets a patient screen in."""
    return not state.status.ended and not state.patient


def may_observe(session: Session | None) -> Refusal | None:
    """Return why a staff screen may not join a session, or None."""
    if session is None:
        return UNKNOWN_SESSION
    return SESSION_ENDED if session.state.status.ended else None


def leaves(state: SessionState, device: str) -> bool:
    """Return whether a device that asks to leave changes the session by it."""
    return device in state.participants and not state.status.ended


def may_speak(state: SessionState, screen: Screen, command: Command | None) -> Refusal | None:
    """Return why a screen may not give a command in a session, or None.

    Participants may; any staff screen may take over without having joined. `command` is None if
    it cannot be read.
    """
    if screen.device in state.participants:
        return None
    if isinstance(command, TakeOver) and screen.role.leads:
        return None
    return NOT_A_PARTICIPANT


def may_take_copy(state: SessionState, screen: Screen) -> Refusal | None:
    """Return why no copy of the record may be taken along from a screen, or None."""
    return NOT_A_PARTICIPANT if state.patient != screen.device else copy_refused(state)


def copy_refused(state: SessionState) -> Refusal | None:
    """Return why the patient of a session may take no copy of the record along, or None."""
    if state.status is not SessionStatus.COMPLETED:
        return _NOT_COMPLETED
    return _HIDDEN if state.covered or state.locked else None
