"""What a box on a data folder is called, and what it remembers of how it was started."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from schemas.base import is_identifier
from session_controller.errors import SiteError, StoreBusyError, StoreError
from session_controller.store import Store
from session_controller.world import Settings

_PATIENCE_S = 3.0
"""For a command that has the folder to give way."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What was settled."""

    settings: Settings
    fresh: bool
    """Whether the folder holds no flow yet."""


def settle(data: Path, site: str | None, idle_limit: timedelta) -> Settled:
    """Settle what a box on this folder is called; it is fixed at the first start.

    Raises `SiteError`, `StoreError`.
    """
    with _patiently(data) as store:
        known = store.meta("site")
        if site is not None and not is_identifier(site):
            raise SiteError("a site's name is 1 to 64 of a-z, 0-9 and -")
        if known is not None and site not in (None, known):
            raise SiteError(
                f"{data} is of site {known!r}, which its devices know; use another --data"
            )
        name = site or known or "main"
        try:
            store.set_meta("site", name)
            store.set_meta("idle_limit_s", str(int(idle_limit.total_seconds())))
        except sqlite3.Error as error:
            raise StoreError(f"{data} cannot be written to: {error}") from error
        return Settled(Settings(site=name, idle_limit=idle_limit), not store.flows())


def remembered(data: Path) -> Settled:
    """Give what was settled before, or what would be. Raises `StoreError`."""
    store = Store(data)
    try:
        idle_limit = timedelta(seconds=int(store.meta("idle_limit_s") or 4 * 3600))
        settings = Settings(site=store.meta("site") or "main", idle_limit=idle_limit)
        return Settled(settings, not store.flows())
    finally:
        store.close()


@contextmanager
def _patiently(data: Path) -> Iterator[Store]:
    """Open the folder's database, waiting a little for a command that has it."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            store = Store(data)
        except StoreBusyError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            break
    try:
        yield store
    finally:
        store.close()
