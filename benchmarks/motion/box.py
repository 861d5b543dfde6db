"""A box without sockets whose clocks are moved: its parts are those of `session_controller.box`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar
from unittest.mock import patch

from schemas.wire.destinations import Destinations, FolderDestination
from session_controller.backup.backups import BackupError, BackupPlan, Backups
from session_controller.delivery.configuration import save_destinations
from session_controller.service import service as service_module
from session_controller.service.handlers.admins import enrol_admins, load_admins
from session_controller.service.jobs.delivery import DeliveryService
from session_controller.service.service import Service
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.room import DiskUsage
from session_controller.storage.store import Store
from session_controller.transport.link import Connected, Receive, Testament

BACKUP_EVERY = timedelta(hours=6)
"""The default of `handrail serve`."""
_T = TypeVar("_T")
_NEVER_S = 1e9
_SECONDS = 600
"""So many seconds in a row have something to do at most, or the box never comes to rest."""


@dataclass(slots=True)
class Clock:
    """Both clocks of a box, moved by hand."""

    at: datetime
    steady_s: float = 0.0

    def now(self) -> datetime:
        """Return the time."""
        return self.at

    def steady(self) -> float:
        """Return the seconds of the clock that never jumps."""
        return self.steady_s

    def move(self, at: datetime) -> None:
        """Move both to a moment, unless it has passed."""
        if at > self.at:
            self.steady_s += (at - self.at).total_seconds()
            self.at = at


class NobodysLink:
    """A link to a broker where nobody is connected."""

    volatile = True
    connected = True

    async def open(
        self, _: Sequence[str], __: Testament, ___: Receive, connected: Connected
    ) -> None:
        """Connect at once."""
        connected()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Drop it."""

    def drop(self, client_id: str) -> None:
        """Do nothing."""

    def last_heard(self, client_id: str) -> None:
        """Return None: nobody was heard."""

    async def close(self, *, silently: bool = False) -> None:
        """Do nothing."""


class Turn(asyncio.Lock):
    """The store's turn; notes the longest time for which it was held."""

    def __init__(self) -> None:
        super().__init__()
        self.longest_s = 0.0
        self._began = 0.0

    async def acquire(self) -> bool:  # type: ignore[override]
        """Wait for it."""
        await super().acquire()
        self._began = time.perf_counter()
        return True

    def release(self) -> None:
        """Pass it on."""
        self.longest_s = max(self.longest_s, time.perf_counter() - self._began)
        super().release()


def _publish_nothing(_: UnitOfWork) -> None:
    """Nobody sees the views, and none is written to the disk."""


async def _run_here(turn: Callable[[], _T]) -> _T:
    """Run a call in the store's turn without its thread: nobody else waits."""
    return turn()


@dataclass(slots=True)
class Box:
    """A running box."""

    store: Store
    service: Service
    clock: Clock
    turn: Turn
    _backups: Backups

    async def do(self, job: Callable[[UnitOfWork], None]) -> None:
        """Run a job in a separate batch, which is on disk on return."""
        self.service.submit(job)
        await self.service.settled()

    async def rest(self) -> None:
        """Pass seconds until the box has nothing left to do."""
        for _ in range(_SECONDS):
            self.clock.move(self.clock.at + timedelta(seconds=1))
            await self.service._second(idle=True)  # noqa: SLF001
            await self._finish()
            if not self.service._maintenance.is_due(idle=True):  # noqa: SLF001
                return
        raise RuntimeError("the box never comes to rest")

    async def _finish(self) -> None:
        """Wait for the jobs that the last second began, and for the deliveries that are due."""
        service = self.service
        while tasks := list(service._background._tasks):  # noqa: SLF001
            await asyncio.gather(*tasks)
        if isinstance(service._delivery, DeliveryService):  # noqa: SLF001
            for route in service._delivery._courier._routes.values():  # noqa: SLF001
                await route.round()
        await service.settled()

    async def back_up_if_due(self) -> str | None:
        """Create a backup if one is due; return why it failed, or `""` if it did not.

        None if none is due.
        """
        if not self._backups.is_due():
            return None
        try:
            await self._backups.take()
        except BackupError as error:
            return str(error)
        return ""


@asynccontextmanager
async def running(data: Path, share: Path, clock: Clock, usage: DiskUsage) -> AsyncIterator[Box]:
    """Run a box by its default settings, which delivers to a folder. Seconds pass by hand only."""
    _configure(data, share)
    with closing(Store(data)) as store, patch.object(service_module, "_TICK_S", _NEVER_S):
        store.sweep()
        backups = Backups(store, data, BackupPlan(BACKUP_EVERY), usage=usage, clock=clock.now)
        backups.tidy()
        service = _service(store, data, clock, backups)
        turn = service._file = Turn()  # noqa: SLF001
        with (
            patch.object(service._publisher, "publish", _publish_nothing),  # noqa: SLF001
            patch.object(service._disk, "run", _run_here),  # noqa: SLF001
        ):
            await service.start()
            try:
                yield Box(store, service, clock, turn, backups)
            finally:
                await service.stop()
                await backups.stop()


def _configure(data: Path, share: Path) -> None:
    data.mkdir(mode=0o700, exist_ok=True)
    destination = FolderDestination(name="share", folder=str(share))
    save_destinations(data, Destinations(destinations=(destination,)))


def _service(store: Store, data: Path, clock: Clock, backups: Backups) -> Service:
    service = Service(
        store,
        NobodysLink(),
        clock=clock.now,
        steady=clock.steady,
        version="bench",
        backups=backups,
        data=data,
        deliver=True,
    )
    admins = load_admins(data)
    service.submit(lambda work: enrol_admins(work, admins))
    return service
