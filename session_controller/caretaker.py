"""Looks after the database's file: forgets, signs, checkpoints, and leaves nothing of a purge.

All of it uses the store, so all of it is called in the store's turn, on its thread. What fails is
logged, and tried again the next time.
"""

import logging
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from session_controller.backups import Backups
from session_controller.errors import KeyringError
from session_controller.store import Store

_log = logging.getLogger(__name__)

_REMEMBERED = timedelta(days=1)
"""How long a request that arrives twice is answered as before."""
_MAX_COMMITS = 2_000
"""After which the write-ahead log is moved though somebody waits: some 50 MB."""
_SIGN_EVERY_S = 60.0
_MAX_UNSIGNED = 1_000
"""Entries of the log after which it is signed before the minute is over."""


@dataclass(slots=True)
class Caretaker:
    """What is still to be done."""

    store: Store
    backups: Backups | None
    clock: Callable[[], datetime]
    steady: Callable[[], float]
    commits: int = 0
    """Since the write-ahead log was moved into the database."""
    _purged: list[str] = field(default_factory=list)
    """Sessions of which something may be left on the disk."""
    _sign_at_s: float = 0.0

    def is_due(self, *, idle: bool) -> bool:
        """Tell whether to look after the file now; `idle`: nobody said anything for a while."""
        return bool(self._purged) or self.commits >= (1 if idle else _MAX_COMMITS)

    def look_after(self) -> None:
        """Do what is due."""
        self.commits = 0
        if self._purged:
            self.scrub(())
        if self.store.unsigned >= _MAX_UNSIGNED or self.steady() >= self._sign_at_s:
            self.sign()
        try:
            self.store.prune(self.clock() - _REMEMBERED)
            self.store.checkpoint()
        except sqlite3.Error as error:
            _log.error("the database cannot be checkpointed: %s", _name(error))

    def sign(self) -> None:
        """Sign what of the log is not signed yet."""
        self._sign_at_s = self.steady() + _SIGN_EVERY_S
        try:
            if self.store.unsigned:
                self.store.sign_head(self.clock())
        except sqlite3.Error as error:
            _log.error("the log cannot be signed: %s", _name(error))

    def scrub(self, purged: Collection[str]) -> None:
        """Leave nothing of purged sessions on the disk."""
        self._purged += purged
        gone = list(self._purged)
        try:
            self.store.scrub(gone)
            if self.backups is not None:
                self.backups.forget(gone)
        except (sqlite3.Error, OSError, KeyringError) as error:
            _log.error("a purge is not complete yet: %s", type(error).__name__)
        else:
            del self._purged[: len(gone)]


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", type(error).__name__))
