"""`decide`: a command in a session gives a fact or a refusal."""

from schemas.commands import Command
from schemas.rejections import RejectionCode
from session_controller.engine.context import Context
from session_controller.engine.facts import Fact
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


def decide(session: Session, command: Command, context: Context) -> Fact | Refusal:
    """Decide a command.

    Takes a command whose sender takes part in the session and whose `seq` is due; gives the one
    fact that it makes true, or why it is refused. Changes nothing.
    """
    refusal = _before_the_rules(session, command, context)
    return refusal or MOVES[type(command)].decide(session, command, context)


def _before_the_rules(session: Session, command: Command, context: Context) -> Refusal | None:
    """Check what does not depend on the command's own fields, the most lasting cause first."""
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
            RejectionCode.STALE_REVISION, "The session has moved on.", {"revision": revision}
        )
    return None


def _rescues(move: Move, session: Session) -> bool:
    """Let a screen take over a paused session whose host is gone: else nobody could resume it."""
    return move.party is Party.FACILITY and not session.state.is_led
