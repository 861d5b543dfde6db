"""`decide`: turn a command into a fact or a refusal."""

from schemas.wire.commands import BeginUpload, ClearField, Command, EnterField, FinishUpload
from schemas.wire.rejections import RejectionCode
from session_controller.engine.context import Context
from session_controller.engine.events import CommandRefused, Fact
from session_controller.engine.moves import (
    BLOCKED,
    MOVES,
    NOT_THE_HOST,
    Move,
    Party,
    Phase,
    phase_of,
)
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session
from session_controller.forms.answers import resolve


def decide(session: Session, command: Command, context: Context) -> Fact | Refusal:
    """Decide a command.

    The sender must take part in the session and the command's `seq` must be due. Returns the one
    fact that the command causes, or the refusal. Changes nothing.
    """
    refusal = _before_the_rules(session, command, context)
    return refusal or MOVES[type(command)].decide(session, command, context)


def refused(session: Session, command: Command | None, refusal: Refusal) -> CommandRefused:
    """Return the fact that a command was refused; None for a command that could not be read."""
    return CommandRefused(
        code=refusal.code,
        message=refusal.message,
        details=dict(refusal.details),
        field_id=_entry_of(session, command),
    )


def _entry_of(session: Session, command: Command | None) -> str | None:
    """Return the field that a patient's command would have filled or cleared, or None."""
    field_id = None
    if isinstance(command, EnterField | ClearField | BeginUpload):
        field_id = command.field_id
    elif isinstance(command, FinishUpload):
        found = session.upload(command.upload)
        field_id = found[0] if found else None
    return field_id if field_id is not None and resolve(session.flow, field_id) else None


def _before_the_rules(session: Session, command: Command, context: Context) -> Refusal | None:
    """Check what does not depend on the command's own fields, the most permanent cause first."""
    move, phase = MOVES[type(command)], phase_of(session.state)
    if context.role.leads == (move.party is Party.PATIENT):
        return Refusal(
            RejectionCode.NOT_ALLOWED_FOR_ROLE, f"{command.type} is not for this kind of screen."
        )
    if phase is Phase.ENDED:
        return BLOCKED[phase]
    if move.party is Party.HOST and session.state.host != context.device:
        return NOT_THE_HOST
    if phase not in move.phases and not _rescues(move, session):
        return BLOCKED[phase]
    revision = session.state.revision
    if command.expected_revision not in (None, revision):
        return Refusal(
            RejectionCode.STALE_REVISION, "The session has changed.", {"revision": revision}
        )
    return None


def _rescues(move: Move, session: Session) -> bool:
    """Return whether a screen may take over a paused session that has no host to resume it."""
    return move.party is Party.FACILITY and not session.state.is_led
