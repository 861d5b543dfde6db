"""What a staff's screen would be refused now, told before anybody tries."""

from collections.abc import Iterator, Mapping

from schemas import commands as c
from session_controller.engine.moves import (
    BLOCKED,
    MOVES,
    NOT_THE_HOST,
    Move,
    Party,
    Phase,
    phase_of,
)
from session_controller.engine.session import Session, explain


def blocked(session: Session, device: str) -> Mapping[str, str]:
    """Name each command of the facility that has no way now, with the reason.

    Looks at what does not depend on a command's own fields, in the order of `decide`, and at
    what submitting waits for. An ended session refuses all.
    """
    return dict(_blocked(session, device))


def _blocked(session: Session, device: str) -> Iterator[tuple[str, str]]:
    phase, host = phase_of(session.state), session.state.host
    for command, move in MOVES.items():
        if move.party is Party.PATIENT:
            continue
        reason = _reason(move, phase, leads=host == device, led=host is not None)
        if reason is None and command is c.Complete and session.assessment.faults:
            reason = explain(session.assessment.faults)
        if reason is None and command is c.TakeOver and host == device:
            reason = "This screen leads the session already."
        if reason is not None:
            yield command.model_fields["type"].default, reason


def _reason(move: Move, phase: Phase, *, leads: bool, led: bool) -> str | None:
    if phase is Phase.ENDED:
        return BLOCKED[phase].message
    if move.party is Party.HOST and not leads:
        return NOT_THE_HOST.message
    if phase in move.phases or (move.party is Party.FACILITY and not led):
        return None
    return BLOCKED[phase].message
