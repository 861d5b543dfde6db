"""How the box is doing, for facility IT: from memory, by indexes, and from the disk; no history."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path

from schemas.base import Role
from schemas.wire.status import (
    BackupsStatus,
    DeliveriesStatus,
    DiskStatus,
    FindingShown,
    LimitStatus,
    ScreensStatus,
    SessionsStatus,
    StatusShown,
)
from schemas.wire.views import SessionStatus
from session_controller.backup.outlook import Outlook
from session_controller.engine.limits import OF_A_SESSION, Limit
from session_controller.preflight.finding import Finding
from session_controller.security.rate_limit import FREE_TRIES
from session_controller.service.export_cache import KEPT_BYTES
from session_controller.service.handlers.devices import may_connect
from session_controller.service.jobs.maintenance import MAX_LOG_BYTES
from session_controller.service.registry import Registry
from session_controller.storage.commit import StoreTurn
from session_controller.storage.deliveries import DeliveryStatus
from session_controller.storage.store import Store

Level = tuple[str, int | None, int, int]
"""The name of a limit, the level now or None, the limit, and how often it was reached."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What only the box knows of the process that the service runs in."""

    addresses: Sequence[str] = ()
    broker: Sequence[Level] = ()
    """How near the built-in broker is to its limits; empty with another broker."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What only the service knows of itself."""

    disk_error: str | None
    """Why the database does not store anything now, or None."""
    waiting: Level
    """The messages that wait to be handled."""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """Gathers the status of one box."""

    registry: Registry
    store: Store
    version: str
    clock: Callable[[], datetime]
    steady: Callable[[], float]
    in_turn: StoreTurn
    condition: Callable[[], Condition]
    surroundings: Callable[[], Surroundings]
    findings: Callable[[], Sequence[Finding]]

    async def make(self, request_id: str) -> StatusShown:
        """Return the status now. Raises `sqlite3.Error`, `OSError`."""
        at = self.clock()
        completed, deliveries, log_bytes = await self.in_turn(lambda: self._stored(at))
        backups, disk = await asyncio.to_thread(_on_disk, self.store.document_store.folder.parent)
        condition, around = self.condition(), self.surroundings()
        levels = [*self._levels(disk, log_bytes), condition.waiting, *around.broker]
        return StatusShown(
            request_id=request_id,
            site=self.registry.settings.site,
            version=self.version,
            epoch=self.registry.epoch,
            at=at,
            started_at=self.registry.started_at,
            addresses=tuple(around.addresses),
            disk_error=condition.disk_error,
            screens=self._screens(),
            sessions=self._sessions(completed),
            deliveries=deliveries,
            backups=backups,
            disk=disk,
            limits=tuple(
                LimitStatus(limit=name, level=level, most=most, refused=refused)
                for name, level, most, refused in levels
            ),
            findings=tuple(
                FindingShown(check=each.check, level=each.level, text=each.text, mend=each.mend)
                for each in self.findings()
            ),
        )

    def _stored(self, at: datetime) -> tuple[int, DeliveriesStatus, int]:
        """Read what the database knows, by indexes."""
        midnight = datetime.combine(at.astimezone().date(), time()).astimezone()
        counts = Counter[str]()
        backlog = self.store.delivery_backlog()
        for one in backlog:
            counts[one.status] += one.deliveries
        waiting = (one.oldest for one in backlog if one.status == DeliveryStatus.WAITING)
        deliveries = DeliveriesStatus(
            waiting=counts[DeliveryStatus.WAITING],
            oldest_waiting=min(filter(None, waiting), default=None),
            held=counts[DeliveryStatus.HELD],
            refused=counts[DeliveryStatus.REFUSED],
        )
        return self.store.completed_since(midnight), deliveries, self.store.log_bytes

    def _screens(self) -> ScreensStatus:
        known = [
            device
            for device in self.registry.devices.values()
            if device.revoked_at is None and device.role is not Role.ADMIN
        ]
        enrolled = [device for device in known if device.guest_of is None]
        return ScreensStatus(
            enrolled=len(enrolled),
            online=sum(device.online for device in enrolled),
            guests=len(known) - len(enrolled),
        )

    def _sessions(self, completed_today: int) -> SessionsStatus:
        states = [session.state for session in self.registry.open_sessions()]
        count = Counter(state.shown_status for state in states)
        return SessionsStatus(
            open=len(states),
            waiting=count[SessionStatus.WAITING],
            active=count[SessionStatus.ACTIVE],
            paused=count[SessionStatus.PAUSED],
            completed_today=completed_today,
        )

    def _levels(self, disk: DiskStatus, log_bytes: int) -> Iterator[Level]:
        """Yield how near the controller is to its limits."""
        registry, settings = self.registry, self.registry.settings
        refused = registry.refused
        sessions, devices = len(registry.open_sessions()), may_connect(registry.devices.values())
        yield (
            Limit.OPEN_SESSIONS,
            sessions,
            settings.max_open_sessions,
            refused[Limit.OPEN_SESSIONS],
        )
        yield Limit.DEVICES, devices, settings.max_devices, refused[Limit.DEVICES]
        yield Limit.DISK, disk.total - disk.free, disk.total - disk.reserve, refused[Limit.DISK]
        yield "log_bytes", log_bytes, MAX_LOG_BYTES, 0
        yield "exports_bytes", registry.exports.bytes, KEPT_BYTES, 0
        codes = registry.rate_limit.recent(self.steady())
        yield Limit.CODES, codes, FREE_TRIES, refused[Limit.CODES]
        for limit, most in OF_A_SESSION.items():
            yield limit, None, most, refused[limit]


def _on_disk(data: Path) -> tuple[BackupsStatus, DiskStatus]:
    """Ask the file system: for the backups, as many as are kept, and for its room."""
    outlook = Outlook.of(data)
    headers, room = outlook.headers, outlook.room
    backups = BackupsStatus(
        count=outlook.count,
        newest=headers[0].taken if headers else None,
        damaged=outlook.count - len(headers),
    )
    disk = DiskStatus(
        total=room.total, free=room.left, reserve=room.reserve, full_in_days=outlook.days
    )
    return backups, disk
