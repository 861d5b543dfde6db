"""What a staff's screen would be refused now, told before anybody tries."""

from collections.abc import Mapping
from functools import lru_cache

from schemas import commands as c
from session_controller.engine.moves import BLOCKED, MOVES, NOT_THE_HOST, Party, Phase, phase_of
from session_controller.engine.session import Session, explain

_COMPLETE = "COMPLETE"


def blocked(session: Session, device: str) -> Mapping[str, str]:
    """Name each command of the facility that has no way now, with the reason.

    Looks at what does not depend on a command's own fields, in the order of `decide`, and at
    what submitting waits for. An ended session refuses all.
    """
    state, faults = session.state, session.assessment.faults
    by_rules = _by_rules(phase_of(state), leads=state.host == device, led=state.is_led)
    if faults and _COMPLETE not in by_rules:
        return {**by_rules, _COMPLETE: explain(faults)}
    return by_rules


@lru_cache
def _by_rules(phase: Phase, *, leads: bool, led: bool) -> Mapping[str, str]:
    """Read the table of moves for a host, or for another screen of the staff."""
    reasons: dict[str, str] = {}
    for command, move in MOVES.items():
        name = command.model_fields["type"].default
        if move.party is Party.PATIENT:
            continue
        if phase is not Phase.ENDED and move.party is Party.HOST and not leads:
            reasons[name] = NOT_THE_HOST.message
        elif phase not in move.phases and (led or move.party is Party.HOST or phase is Phase.ENDED):
            reasons[name] = BLOCKED[phase].message
        elif command is c.TakeOver and leads:
            reasons[name] = "This screen leads the session already."
    return reasons
