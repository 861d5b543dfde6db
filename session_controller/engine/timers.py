"""When a session expires, when its code closes, when its topics are cleared.

The box's clock may jump (an empty battery, the first answer of a time server). How long a session
was idle is therefore measured by a clock that does not, and codes move with the jump.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from session_controller.engine.events import CodeClosed, CodeIssued, Expired, ScreenLocked
from session_controller.engine.state import SessionState

_JUMP = timedelta(seconds=2)
"""Less is the ordinary slewing of a clock."""
_CARRIED = 0.95
"""The most of the idle limit that is carried over from before a start: who was away while the box
was off has some minutes left, also if it was the clock and not the night that passed."""


@dataclass(frozen=True, slots=True)
class IdleSince:
    """Since when a session is at its revision, in seconds of a clock that does not jump."""

    revision: int
    since_s: float


@dataclass(frozen=True, slots=True)
class Now:
    """The time, by the box's clock and in seconds of one that does not jump."""

    at: datetime
    steady_s: float

    def jump_since(self, earlier: "Now") -> timedelta:
        """Return by how much the box's clock jumped since; zero below two seconds."""
        jump = (self.at - earlier.at) - timedelta(seconds=self.steady_s - earlier.steady_s)
        return jump if abs(jump) >= _JUMP else timedelta(0)


def idle_since(
    state: SessionState, known: IdleSince | None, now: Now, limit: timedelta
) -> IdleSince:
    """Return since when nobody touched a session, as far as this process can tell."""
    if known is not None:
        same = known.revision == state.revision
        return known if same else IdleSince(state.revision, now.steady_s)
    before = max(min(now.at - state.updated_at, limit * _CARRIED), timedelta(0))
    return IdleSince(state.revision, now.steady_s - before.total_seconds())


def due(
    state: SessionState, idle: IdleSince, now: Now, limit: timedelta
) -> Expired | CodeClosed | None:
    """Return what happens to an open session by the passing of time alone, or None."""
    if timedelta(seconds=now.steady_s - idle.since_s) >= limit:
        return Expired()
    if state.code and now.at >= state.code.expires_at:
        return CodeClosed()
    return None


def lock_is_due(state: SessionState, unattended_s: float, limit: timedelta) -> ScreenLocked | None:
    """Return that a screen is locked at which nobody was for so many seconds, or None.

    So that the next person sees nothing of the last (45 CFR 164.312(a)(2)(iii)).
    """
    due = not state.locked and timedelta(seconds=unattended_s) >= limit
    return ScreenLocked() if due else None


def topics_are_due(state: SessionState, at: datetime, retention: timedelta) -> bool:
    """Return whether the retained topics of a session are to be cleared."""
    return state.status.ended and at >= state.updated_at + retention


def moved_code(state: SessionState, jump: timedelta) -> CodeIssued | None:
    """Return the session's code moved with a jump of the clock, or None if it has none open."""
    if state.code is None or state.status.ended:
        return None
    return CodeIssued(serial=state.code.serial, expires_at=state.code.expires_at + jump)
