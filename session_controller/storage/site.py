"""The site name of a data folder, and the settings remembered from the last start."""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from schemas.base import ID_LIMIT, is_identifier
from session_controller.errors import SiteError, StoreBusyError, StoreDamagedError, StoreError
from session_controller.settings import CHOSEN, FONTS, Settings
from session_controller.storage.database import DATABASE, PROGRAM
from session_controller.storage.reader import Reader
from session_controller.storage.store import Store

_PATIENCE_S = 3.0
"""How long to wait for a command that holds the folder's lock."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The settings of a site."""

    settings: Settings
    fresh: bool
    """Whether the folder contains no form yet."""


def settle(
    data: Path, site: str | None, wanted: Settings, chosen: Mapping[str, str] | None = None
) -> Settled:
    """Store a data folder's settings; the site name is fixed at the first start.

    The site of `wanted` is not used. What was chosen is stored for whoever restores a backup
    elsewhere. Raises `SiteError`, `StoreError`.
    """
    with _patiently(data) as store:
        known = store.meta("site")
        if site is not None and not is_identifier(site):
            raise SiteError(f"a site's name {ID_LIMIT}")
        if known is not None and site not in (None, known):
            raise SiteError(
                f"{data} belongs to site {known!r}, which its devices know; use another --data"
            )
        name = site or known or "main"
        try:
            store.set_meta("site", name)
            remember(store, settings=wanted, chosen=chosen or {})
            store.set_meta(PROGRAM, version("handrail"))
        except sqlite3.Error as error:
            raise StoreError(f"{data} cannot be written to: {error}") from error
        return Settled(replace(wanted, site=name), not store.flows())


def remember(store: Store, *, settings: Settings, chosen: Mapping[str, str]) -> None:
    """Store what a temporary box and a restore need of the configuration. Raises `sqlite3.Error`.

    `chosen` is what is not the default, by dotted key, without secrets.
    """
    store.set_meta("idle_limit_s", str(int(settings.idle_limit.total_seconds())))
    store.set_meta("screen_lock_s", str(int(settings.screen_lock.total_seconds())))
    store.set_meta(CHOSEN, json.dumps(chosen))
    store.set_meta(FONTS, os.environ.get("HANDRAIL_FONTS", ""))


def remembered(data: Path) -> Settled:
    """Return the stored settings, or the defaults. Raises `StoreError`."""
    store = Store(data)
    try:
        idle_limit = timedelta(seconds=int(store.meta("idle_limit_s") or 4 * 3600))
        screen_lock = timedelta(seconds=int(store.meta("screen_lock_s") or 600))
        settings = Settings(
            site=store.meta("site") or "main", idle_limit=idle_limit, screen_lock=screen_lock
        )
        return Settled(settings, not store.flows())
    finally:
        store.close()


def site_of(data: Path) -> str:
    """Return the site's name; create the folder's database and the box key on first use.

    Works whether or not a box runs on the folder. Raises `StoreError`.
    """
    if not (data / DATABASE).exists():
        return remembered(data).settings.site
    try:
        with Reader.without_keys(data / DATABASE) as reader:
            return reader.meta("site") or Settings().site
    except sqlite3.Error as error:
        raise StoreDamagedError(f"{data / DATABASE} cannot be read ({error})") from None


@contextmanager
def _patiently(data: Path) -> Iterator[Store]:
    """Open the folder's database, waiting a little for a command that holds its lock."""
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
