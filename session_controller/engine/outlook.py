"""Which commands a facility screen would be refused now, computed before anyone tries."""

from collections.abc import Mapping
from functools import lru_cache

from schemas.wire import commands as c
from session_controller.engine.moves import BLOCKED, MOVES, NOT_THE_HOST, Party, Phase, phase_of
from session_controller.engine.refusal import SIGN_IN_REQUIRED
from session_controller.engine.session import Session, explain
from session_controller.forms.field_status import DECLINED

_COMPLETE = "COMPLETE"


def blocked(session: Session, device: str) -> Mapping[str, str]:
    """Return each facility command that is not possible now, with the reason.

    Checks what does not depend on a command's own fields, in the order of `decide`, and what is
    still missing for COMPLETE. An ended session blocks every command.
    """
    state = session.state
    # A refusal to sign does not block it: then a reason is needed.
    faults = [fault for fault in session.assessment.faults if fault.code != DECLINED]
    by_rules = _by_rules(phase_of(state), leads=state.host == device, led=state.is_led)
    if faults and _COMPLETE not in by_rules:
        return {**by_rules, _COMPLETE: explain(faults)}
    return by_rules


@lru_cache
def blocked_while_signed_out() -> Mapping[str, str]:
    """Return that a screen where nobody is signed in may send no facility command."""
    kinds = (kind for kind, move in MOVES.items() if move.party is not Party.PATIENT)
    return {kind.model_fields["type"].default: SIGN_IN_REQUIRED.message for kind in kinds}


@lru_cache
def _by_rules(phase: Phase, *, leads: bool, led: bool) -> Mapping[str, str]:
    """Read the table of moves for the host, or for another facility screen."""
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
            reasons[name] = "This screen already leads the session."
    return reasons
