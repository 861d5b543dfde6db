"""Looks after the database's file: forgets, signs, checkpoints, and leaves nothing of a purge.

Nearly all of it uses the store, and is called in the store's turn, on its thread. What fails is
logged, and tried again the next time.
"""

import logging
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from session_controller.backup.backups import Backups
from session_controller.errors import KeyringError, StoreDamagedError
from session_controller.storage.store import Store

_log = logging.getLogger(__name__)

_REMEMBERED = timedelta(days=1)
"""How long a request that arrives twice is answered as before."""
_IDLE_COMMITS = 64
"""Commits that are moved from the write-ahead log into the database together, when nobody waits.

Each would be one or two pages more; and a log of this size is still replayed in no time.
"""
_MAX_COMMITS = 2_000
MAX_LOG_BYTES = 48 << 20
"""After either, the write-ahead log is moved though somebody waits."""
_PURGE_LOG_BYTES = 8 << 20
"""The same during a large purge, so that nobody waits long for its end."""
_SWEPT = 20
"""Ended sessions whose folders are looked at in one go."""
_SIGN_EVERY_S = 60.0
_MAX_UNSIGNED = 1_000
"""Entries of the log after which it is signed before the minute is over."""


@dataclass(slots=True)
class Maintenance:
    """What is still to be done."""

    store: Store
    backups: Backups | None
    clock: Callable[[], datetime]
    steady: Callable[[], float]
    purging: int = 0
    """Purges under way: each scrubs in the end what it deleted, all at once."""
    commits: int = 0
    """Since the write-ahead log was moved into the database."""
    _is_loose: bool = True
    """Whether the database may have so many free pages that its file should shrink."""
    _purged: dict[str, bool] = field(default_factory=dict)
    """Sessions of which something may be left on the disk; whether documents are."""
    _sign_at_s: float = 0.0
    _thinned: date | None = None
    """The day (UTC) on which the signatures of the days before were thinned."""

    def is_due(self, *, idle: bool) -> bool:
        """Return whether maintenance is due; `idle` says that no message came for a while."""
        if idle and (not self.store.is_swept or self._is_loose or self._is_unsigned):
            return True
        if self._purged and not self.purging:
            return True
        if self.store.log_bytes > MAX_LOG_BYTES:
            return True
        return self.commits >= (_IDLE_COMMITS if idle else _MAX_COMMITS)

    @property
    def _is_unsigned(self) -> bool:
        return self.store.unsigned > 0 and self.steady() >= self._sign_at_s

    def run(self) -> None:
        """Do what is due."""
        self._sweep()
        if self._purged and not self.purging:
            self.scrub()
        if self.store.unsigned >= _MAX_UNSIGNED or self.steady() >= self._sign_at_s:
            self.sign()
        try:
            self.store.prune(self.clock() - _REMEMBERED)
            if self._is_loose:
                self._is_loose = self.store.compact()
                self._checkpoint()
            elif self.commits >= _IDLE_COMMITS or self.store.log_bytes > MAX_LOG_BYTES:
                self._checkpoint()
        except sqlite3.Error as error:
            _log.error("the database cannot be checkpointed: %s", _name(error))

    def _checkpoint(self) -> None:
        self.commits = 0
        self.store.checkpoint()

    def _sweep(self) -> None:
        """Remove what a crash left over of some ended sessions."""
        for _ in range(_SWEPT):
            if self.store.is_swept:
                return
            try:
                self.store.sweep_ended()
            except (StoreDamagedError, sqlite3.Error, OSError) as error:
                _log.error("files left over by a crash were not removed: %s", error)

    def sign(self) -> None:
        """Sign what of the log is not signed yet; once a day, keep one signature of each day."""
        self._sign_at_s = self.steady() + _SIGN_EVERY_S
        now = self.clock()
        try:
            if self.store.unsigned:
                self.store.sign_head(now)
            if self._thinned != now.astimezone(UTC).date():
                self.store.thin_signatures(now)
                self._thinned = now.astimezone(UTC).date()
        except sqlite3.Error as error:
            _log.error("the log cannot be signed: %s", _name(error))

    def owe(self, purged: Collection[str]) -> None:
        """Note sessions whose purge is on disk, and of which more than that may be left."""
        self._purged |= dict.fromkeys(purged, True)

    def forget(self, purged: Collection[str]) -> None:
        """Remove the documents of purged sessions; `scrub` does the rest."""
        try:
            self.store.forget(purged)
            self._purged |= dict.fromkeys(purged, False)
            if self.store.log_bytes > _PURGE_LOG_BYTES:
                self._checkpoint()
        except (sqlite3.Error, OSError) as error:
            _log.error("a purge is not complete yet: %s", type(error).__name__)

    def scrub(self) -> None:
        """Leave nothing of purged sessions on the disk."""
        self.scrub_backups(self.scrub_data())

    def scrub_data(self) -> list[str]:
        """Leave nothing of purged sessions in the database and the documents.

        Return the sessions, for `scrub_backups`, or an empty list after a failure.
        """
        gone = list(self._purged)
        try:
            self.store.forget([name for name in gone if self._purged[name]])
            self.store.scrub()
        except (sqlite3.Error, OSError) as error:
            _log.error("a purge is not complete yet: %s", type(error).__name__)
            return []
        self._is_loose = True
        return gone

    def scrub_backups(self, gone: Collection[str]) -> None:
        """Leave nothing of purged sessions in the backups; on any thread, without the store."""
        try:
            if self.backups is not None and gone:
                self.backups.forget(gone)
        except (OSError, KeyringError) as error:
            _log.error("a purge is not complete yet: %s", type(error).__name__)
            return
        for name in gone:
            self._purged.pop(name, None)


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", type(error).__name__))
