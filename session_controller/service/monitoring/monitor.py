"""Whether a box is ready, and its metrics: from memory, from the file system, and by an index.

No metric is about one session or device, and none contains what a person entered.
"""

import asyncio
import platform
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from schemas.base import Role
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import SessionStatus
from session_controller.backup.manifest import existing, read_header
from session_controller.engine.limits import Limit
from session_controller.errors import StoreError
from session_controller.preflight.finding import Finding, Level
from session_controller.service.monitoring.activity import Activity, AddressOf
from session_controller.service.monitoring.exposition import (
    Family,
    Histogram,
    Labels,
    counter,
    exposition,
    gauge,
)
from session_controller.service.monitoring.readiness import (
    CHECKS,
    ServiceState,
    checks,
    store_problem,
)
from session_controller.service.registry import Registry
from session_controller.storage.commit import StoreTurn
from session_controller.storage.deliveries import DeliveryStatus
from session_controller.storage.entities import DeliveryBacklog
from session_controller.storage.store import Store

_STORE_PATIENCE_S = 2.0
"""How long a scrape waits for the database; then it does without the deliveries."""
_ENDED = ("opened", "completed", "cancelled", "expired", "purged")
_COUNTERS: Mapping[str, str] = {
    "messages": "Messages received by the controller.",
    "ignored": "Messages that were of no use.",
    "dropped": "QoS 0 messages dropped because too many messages waited.",
    "commits": "Transactions committed.",
    "commits_failed": "Transactions that the disk or the database refused.",
    "bugs": "Internal errors; the log says where.",
}
_BROKER_GAUGES = ("connections", "sessions", "subscriptions", "retained_messages", "retained_bytes")
_ENDED_CONNECTION = "ended_"
"""Prefix of the broker's counters of ended connections, before the reason."""


@dataclass(frozen=True, slots=True)
class BrokerProbe:
    """What the box's own broker reports about itself; the defaults are for another broker."""

    counters: Callable[[], Mapping[str, int]] = dict
    address_of: AddressOf = lambda _: None
    certificate_ends: Callable[[], datetime | None] = lambda: None
    """Returns when the certificate that it uses ends; None without TLS."""


@dataclass(slots=True)
class Monitor:
    """Checks and measures one box."""

    registry: Registry
    store: Store
    version: str
    clock: Callable[[], datetime]
    steady: Callable[[], float]
    in_turn: StoreTurn
    counters: Mapping[str, int]
    state: Callable[[], ServiceState]
    broker: BrokerProbe
    findings: Callable[[], Sequence[Finding]] = tuple
    activity: Activity = field(init=False)
    commit_seconds: Histogram = field(init=False)
    loop_lag: Histogram = field(init=False)
    _reading: "asyncio.Future[list[DeliveryBacklog]] | None" = None

    def __post_init__(self) -> None:
        self.activity = Activity(self.steady, self.broker.address_of)
        self.commit_seconds = Histogram(
            "handrail_commit_seconds",
            "Time from writing a transaction until it is on disk.",
            (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
        )
        self.loop_lag = Histogram(
            "handrail_event_loop_lag_seconds",
            "How late a timer of one second runs.",
            (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
        )

    # --- readiness -------------------------------------------------------------------------

    @property
    def stores(self) -> bool:
        """Whether the store commits, as far as is known."""
        return store_problem(self.state()) is None

    def failing(self) -> dict[str, str]:
        """Return the checks of `/readyz` that fail, by name, each with a sentence."""
        found = checks(self.state(), self.store, shutil.disk_usage(self._data).free)
        return {name: problem for name, problem in found.items() if problem is not None}

    @property
    def _data(self) -> Path:
        return self.store.document_store.folder.parent

    # --- metrics ---------------------------------------------------------------------------

    async def metrics(self) -> str:
        """Return all metrics in the text format of Prometheus."""
        backlog = await self._backlog()
        backups = await asyncio.to_thread(_backups, self._data)
        families = [
            *self._box(),
            *self._sessions(),
            *self._screens(),
            *self._controller(),
            *_deliveries(backlog, self.clock()),
            *backups,
            *self._broker(),
        ]
        return exposition(families)

    async def _backlog(self) -> Sequence[DeliveryBacklog] | None:
        """Read the deliveries between two batches; None if the database is too slow, or fails."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.ensure_future(self.in_turn(self.store.delivery_backlog))
        try:
            return await asyncio.wait_for(asyncio.shield(self._reading), _STORE_PATIENCE_S)
        except (TimeoutError, sqlite3.Error):
            return None

    async def stop(self) -> None:
        """Wait for what is being read."""
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    def _box(self) -> Iterator[Family]:
        build = {"version": self.version, "python": platform.python_version()}
        yield gauge("handrail_build_info", "The version; always 1.", [(build, 1)])
        started = self.registry.started_at.timestamp()
        yield gauge("handrail_start_timestamp_seconds", "When the box started.", started)
        failing = self.failing()
        yield gauge(
            "handrail_ready",
            "Whether a check of /readyz passes.",
            [({"check": name}, int(name not in failing)) for name in CHECKS],
        )
        levels = Counter(finding.level for finding in self.findings())
        yield gauge(
            "handrail_findings",
            "Findings of the last checks; `handrail status` says what to do.",
            [({"level": level.value}, levels[level]) for level in Level],
        )
        usage = shutil.disk_usage(self._data)
        yield gauge("handrail_disk_free_bytes", "Free space on the data folder's disk.", usage.free)
        yield gauge("handrail_disk_size_bytes", "Size of the data folder's disk.", usage.total)
        yield gauge(
            "handrail_wal_bytes", "Size of the database's write-ahead log.", self.store.log_bytes
        )
        yield self.loop_lag.family()
        if (ends := self.broker.certificate_ends()) is not None:
            yield gauge(
                "handrail_certificate_end_timestamp_seconds",
                "When the TLS certificate in use ends.",
                ends.timestamp(),
            )

    def _sessions(self) -> Iterator[Family]:
        states = (session.state for session in self.registry.sessions.values())
        count = Counter(state.shown_status for state in states if not state.status.ended)
        yield gauge(
            "handrail_open_sessions",
            "Open sessions.",
            [({"status": one.value}, count[one]) for one in SessionStatus if not one.ended],
        )
        yield counter(
            "handrail_sessions_total",
            "What happened to sessions since the start.",
            [({"event": event}, self.activity.sessions[event]) for event in _ENDED],
        )

    def _screens(self) -> Iterator[Family]:
        known = [d for d in self.registry.devices.values() if d.revoked_at is None]
        kinds = {device.device: _kind(device.role, device.guest_of) for device in known}
        enrolled = Counter(kinds.values())
        online = Counter(kinds[device.device] for device in known if device.online)
        labels = [role.value for role in Role] + [_GUEST]
        yield gauge(
            "handrail_devices_enrolled",
            "Devices that may connect.",
            [({"role": role}, enrolled[role]) for role in labels],
        )
        yield gauge(
            "handrail_devices_online",
            "Devices that are online.",
            [({"role": role}, online[role]) for role in labels],
        )

    def _controller(self) -> Iterator[Family]:
        for name, text in _COUNTERS.items():
            yield counter(f"handrail_{name}_total", text, self.counters.get(name, 0))
        yield counter("handrail_commands_total", "Commands decided.", self.activity.commands)
        yield counter(
            "handrail_refused_total",
            "Refused commands, requests and pairing codes.",
            [({"code": code.value}, self.activity.refused[code.value]) for code in RejectionCode],
        )
        yield counter(
            "handrail_limit_refused_total",
            "What was refused because a limit was reached.",
            [({"limit": limit.value}, self.registry.refused[limit]) for limit in Limit],
        )
        waiting = self.state().waiting
        yield gauge("handrail_waiting_messages", "Messages that wait to be handled.", waiting)
        yield self.commit_seconds.family()
        yield counter(
            "handrail_deliveries_total",
            "Ends of deliveries since the start.",
            [
                ({"destination": destination, "status": status}, count)
                for (destination, status), count in sorted(self.activity.deliveries.items())
            ],
        )

    def _broker(self) -> Iterator[Family]:
        counters = self.broker.counters()
        ended: list[tuple[Labels, float]] = []
        for name, value in counters.items():
            if name in _BROKER_GAUGES:
                yield gauge(f"handrail_broker_{name}", f"The broker's {_words(name)}.", value)
            elif name.startswith(_ENDED_CONNECTION):
                ended.append(({"reason": name.removeprefix(_ENDED_CONNECTION)}, value))
            else:
                text = f"The broker's {_words(name)} since the start."
                yield counter(f"handrail_broker_{name}_total", text, value)
        if ended:
            text = "Connections closed or refused since the start."
            yield counter("handrail_broker_ended_total", text, ended)


_GUEST = "guest"


def _kind(role: Role, guest_of: str | None) -> str:
    return role.value if guest_of is None else _GUEST


def _words(name: str) -> str:
    return name.replace("_", " ")


def _deliveries(backlog: Sequence[DeliveryBacklog] | None, now: datetime) -> Iterator[Family]:
    if backlog is None:
        return
    yield gauge(
        "handrail_pending_deliveries",
        "Deliveries that have not arrived.",
        [
            ({"destination": one.destination, "status": one.status}, one.deliveries)
            for one in backlog
        ],
    )
    yield gauge(
        "handrail_delivery_oldest_seconds",
        "Age of the oldest session that waits for its delivery.",
        [
            ({"destination": one.destination}, max(0.0, (now - one.oldest).total_seconds()))
            for one in backlog
            if one.status == DeliveryStatus.WAITING and one.oldest is not None
        ],
    )


def _backups(data: Path) -> list[Family]:
    """Return the metrics of the backups. The newest counts as none if it cannot be read."""
    paths = existing(data)
    taken = 0.0
    with suppress(StoreError):
        taken = read_header(paths[0]).taken.timestamp() if paths else 0.0
    return [
        gauge("handrail_backups", "Backups in the data folder.", len(paths)),
        gauge(
            "handrail_last_backup_timestamp_seconds",
            "When the newest backup was taken; 0 if there is none.",
            taken,
        ),
    ]
