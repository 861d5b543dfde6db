"""Which sessions are purged by themselves: what has arrived everywhere, and what came to nothing.

A completed session that waits for a delivery, or that no destination has received, stays until
somebody purges it by name or by age.
"""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from schemas.wire.views import SessionStatus
from session_controller.engine.timers import Now
from session_controller.service.handlers.purging import DOUBTED, over_at, spans
from session_controller.settings import Settings
from session_controller.storage.entities import Ended
from session_controller.storage.store import Store

_log = logging.getLogger(__name__)

_FIRST_S = 60.0
_EVERY_S = 3600.0
"""Each purge rewrites the backups' keys and interrupts a backup: not for each session alone."""
_LOOKED_AT = 200
"""Ended sessions looked at in one go: a few milliseconds. If there are more, they follow soon."""
_GAP = timedelta(days=4)
"""A long weekend: a clock that is further from what is known is not believed at once."""
_DOUBT = timedelta(hours=6)
"""How long a box must run before it believes such a clock: somebody may see and correct it."""


@dataclass(slots=True)
class Retention:
    """Finds the sessions whose time is over."""

    store: Store
    settings: Settings
    clock: Callable[[], datetime]
    steady: Callable[[], float]
    _compared: Now = field(init=False)
    _was_off: timedelta = field(init=False)
    """By the clock, how long ago the last entry of the log was at the start."""
    _believed_at_s: float = 0.0
    _next_s: float = field(init=False)
    _after: tuple[str, str] = ("", "")
    """The end and the id of the session that was looked at last."""

    def __post_init__(self) -> None:
        self._compared = Now(self.clock(), self.steady())
        self._next_s = self._compared.steady_s + _FIRST_S
        last = self.store.last_entry_at()
        self._was_off = timedelta() if last is None else self._compared.at - last
        if self._spans:
            self._begin()

    def _begin(self) -> None:
        """Compare the clock at the start with the last entry before; a doubt outlives a restart."""
        with suppress(sqlite3.Error):
            if self.store.meta(DOUBTED):
                self._doubt("the clock was in doubt when the box stopped")
            else:
                self._look_at(self._was_off)

    def use(self, settings: Settings) -> None:
        """Use other settings from now on; in the store's turn."""
        purged_nothing, self.settings = not self._spans, settings
        if purged_nothing and self._spans:
            self._begin()

    def is_due(self) -> bool:
        """Return whether `find` is due; false if nothing is ever purged by itself."""
        return self.steady() >= self._next_s and bool(self._spans)

    @property
    def _spans(self) -> dict[SessionStatus, timedelta]:
        return spans(self.settings)

    def find(self) -> tuple[str, ...]:
        """Return sessions that are to be purged; in the store's turn. Raises `sqlite3.Error`.

        A part of the ended ones is looked at each time, the oldest first, then from the start.
        """
        now = Now(self.clock(), self.steady())
        self._next_s = now.steady_s + _EVERY_S
        if not self._believes(now):
            return ()
        newest = now.at - min(self._spans.values())
        ended = self.store.ended_after(self._after, newest, _LOOKED_AT)
        last = ended[-1] if len(ended) == _LOOKED_AT else None
        self._after = (last.ended_at, last.session) if last else ("", "")
        self._next_s = now.steady_s + (_FIRST_S if last else _EVERY_S)
        return tuple(one.session for one in ended if self._is_over(one, now.at))

    def _is_over(self, one: Ended, at: datetime) -> bool:
        over = over_at(one, self.settings)
        return over is not None and over <= at

    def _believes(self, now: Now) -> bool:
        """Return whether the clock is plausible: a wrong one would purge what is still wanted."""
        self._look_at(now.jump_since(self._compared))
        self._compared = now
        if now.steady_s < self._believed_at_s:
            return False
        self.store.set_meta(DOUBTED, "")
        return True

    def _look_at(self, jump: timedelta) -> None:
        if jump > _GAP:
            self._doubt(f"the clock is {jump.days} days ahead of what was known")

    def _doubt(self, why: str) -> None:
        self._believed_at_s = self.steady() + _DOUBT.total_seconds()
        _log.warning(
            "%s; sessions are purged by themselves again in %d hours: correct the clock if it is"
            " wrong",
            why,
            _DOUBT.total_seconds() // 3600,
        )
        self.store.set_meta(DOUBTED, "yes")
