"""The years in fast motion: what comes in on each day, what the box does each hour, and figures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from benchmarks.years.templates import Template
from session_controller.backup.keeping import size_of
from session_controller.backup.manifest import FOLDER as BACKUPS
from session_controller.backup.manifest import existing
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.database import DATABASE
from session_controller.storage.documents import FOLDER as DOCUMENTS
from session_controller.storage.store import Store

from .box import Box, Clock, running
from .card import Card
from .earlier import write_day
from .sessions import Plan, lead, plans, prepare

BEGIN = datetime(2027, 1, 4, tzinfo=UTC)
"""A Monday."""
WEEKS = 52
_HOURS = range(9, 17)
_PAUSE = timedelta(minutes=2)
_WORKING_DAYS = 5


@dataclass(frozen=True, slots=True)
class Load:
    """What comes in."""

    templates: Sequence[Template]
    photograph: bytes
    a_day: int = 40
    """Sessions on each working day."""
    unreachable: Sequence[int] = (20, 21)
    """The weeks of each year in which the destination cannot be reached, counted from 0."""
    earlier: float = 0.0
    """Years before the first one that passes, of which the log is there."""


@dataclass(slots=True)
class Year:
    """The figures of a year, or of its part that has passed; the last ones are of its end."""

    days: int = 0
    opened: int = 0
    purged: int = 0
    received_mb: float = 0.0
    """Documents that came in."""
    delivered: int = 0
    written_gb: float = 0.0
    backups: int = 0
    failed_backups: list[str] = field(default_factory=list)
    refusals: int = 0
    """Commits that the disk refused."""
    bugs: int = 0
    longest_turn_s: float = 0.0
    most_used: float = 0.0
    used: float = 0.0
    """In percent of the disk."""
    stored: int = 0
    """Sessions that are not purged."""
    waiting: int = 0
    """Deliveries that have not arrived."""
    entries: int = 0
    """Of the log."""
    database_mb: float = 0.0
    documents_mb: float = 0.0
    backups_mb: float = 0.0
    kept: int = 0
    """Backups."""
    memory_mb: float = 0.0
    files: int = 0
    """Files that the process has open."""


@dataclass(slots=True)
class Share:
    """Where completed sessions are delivered to; somebody takes away each day what has arrived."""

    folder: Path
    bytes: int = 0

    @property
    def _away(self) -> Path:
        return self.folder.with_name("unreachable")

    def reach(self, *, it_can_be: bool) -> None:
        """Make it reachable, or unreachable."""
        if it_can_be and self._away.exists():
            self._away.rename(self.folder)
        elif not it_can_be and self.folder.exists():
            self.folder.rename(self._away)

    def clear(self) -> int:
        """Remove what has arrived; return the number of sessions."""
        found = list(self.folder.iterdir()) if self.folder.exists() else []
        for path in found:
            self.bytes += path.stat().st_size
            path.unlink()
        return len(found) // 2


@dataclass(slots=True)
class Motion:
    """A box in fast motion."""

    box: Box
    card: Card
    share: Share
    load: Load
    plans: Iterator[Plan]
    year: Year = field(default_factory=Year)
    _stored: int = 0
    _written: int = 0
    _bugs: int = 0
    _refusals: int = 0
    """The counts of when the year began."""

    @property
    def _clock(self) -> Clock:
        return self.box.clock

    async def day(self, number: int) -> None:
        """Simulate a day, counted from 0."""
        day = BEGIN + timedelta(days=number)
        works = day.weekday() < _WORKING_DAYS
        self.share.reach(it_can_be=number // 7 % WEEKS not in self.load.unreachable)
        for hour in range(24):
            self._clock.move(day + timedelta(hours=hour))
            await self._hour()
            if works and hour in _HOURS:
                await self._sessions(_HOURS.index(hour))
        self.year.delivered += self.share.clear()
        self.year.days += 1

    async def _hour(self) -> None:
        """Do what is due; a minute later, take a backup if one is due."""
        await self.box.rest()
        self._clock.move(self._clock.at.replace(minute=1, second=30, microsecond=0))
        await self.box.rest()
        self.year.most_used = max(self.year.most_used, self._used())
        self._clock.move(self._clock.at.replace(minute=2, second=0, microsecond=0))
        failure = await self.box.back_up_if_due()
        if failure is None:
            return
        self.year.most_used = max(self.year.most_used, self._used())
        self.year.backups += not failure
        if failure:
            self.year.failed_backups.append(f"{self._clock.at:%Y-%m-%d %H:%M} {failure}")

    async def _sessions(self, place: int) -> None:
        """Lead the sessions of an hour, one after the other."""
        hours = len(_HOURS)
        count = self.load.a_day * (place + 1) // hours - self.load.a_day * place // hours
        for _ in range(count):
            plan = next(self.plans)
            await lead(self.box, plan, timedelta(minutes=55) / count - _PAUSE)
            self._clock.move(self._clock.at + _PAUSE)
            await self.box.rest()
            self.year.opened += 1
            self.year.received_mb += _received(self.box, plan) / 1e6

    def _used(self) -> float:
        return self.card.usage(self.card.folder).percent

    async def measure(self) -> None:
        """Note the figures of the moment."""
        await self.box.do(self._count)
        year, data, counters = self.year, self.card.folder / "data", self.box.service.counters
        written = self.card.written()
        year.written_gb = (written - self._written) / 1e9
        year.bugs = counters["bugs"] - self._bugs
        year.refusals = counters["commits_failed"] - self._refusals
        year.longest_turn_s = self.box.turn.longest_s
        year.used = self._used()
        files = [data / DATABASE, data / f"{DATABASE}-wal"]
        year.database_mb = sum(path.stat().st_size for path in files) / 1e6
        found = (data / DOCUMENTS).glob("*/*")
        year.documents_mb = sum(path.stat().st_size for path in found) / 1e6
        year.backups_mb = size_of(data / BACKUPS) / 1e6
        year.kept = len(existing(data))
        year.memory_mb = _memory_mb()
        year.files = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - more than names are not needed

    def _count(self, _: UnitOfWork) -> None:
        store, year = self.box.store, self.year
        year.stored = len(store.session_names())
        year.waiting = sum(store.count_undelivered().values())
        year.entries = store.head().entry
        year.purged = self._stored + year.opened - year.stored

    def begin_year(self) -> Year:
        """Begin to count anew."""
        self._written = self.card.written()
        counters = self.box.service.counters
        self._bugs, self._refusals = counters["bugs"], counters["commits_failed"]
        self._stored = self.year.stored
        self.box.turn.longest_s = 0.0
        self.year = Year()
        return self.year


async def fast_motion(
    card: Card,
    share: Share,
    load: Load,
    *,
    days: int,
    passed: list[Year],
    say: Callable[[str], None],
) -> None:
    """Simulate so many days of a new box; `passed` holds the figures of each year.

    The figures are kept up month by month, for who ends it early.
    """
    clock = Clock(BEGIN)
    if load.earlier:
        write_earlier(card, load)
    async with running(card.folder / "data", share.folder, clock, card.usage) as box:
        await prepare(box, load.templates)
        motion = Motion(box, card, share, load, plans(load.templates, 1, load.photograph))
        try:
            for number in range(days):
                if number % (7 * WEEKS) == 0:
                    passed.append(motion.begin_year())
                await motion.day(number)
                day = BEGIN + timedelta(days=number)
                if (day + timedelta(days=1)).day == 1:
                    await motion.measure()
                    say(progress(day, motion.year))
        finally:
            await motion.measure()


def write_earlier(card: Card, load: Load) -> None:
    """Write the log of the years before the first one that passes. Nothing of it is synced."""
    data, found = card.folder / "data", plans(load.templates, 0, load.photograph)
    data.mkdir(mode=0o700)
    with closing(Store(data)) as store:
        store._db.execute("PRAGMA synchronous=OFF")  # noqa: SLF001
        for number in range(round(load.earlier * 7 * WEEKS), 0, -1):
            day = BEGIN - timedelta(days=number)
            if day.weekday() < _WORKING_DAYS:
                write_day(store, list(islice(found, load.a_day)), day)
                store.checkpoint()


def progress(day: datetime, year: Year) -> str:
    """Return a line about the year so far."""
    return (
        f"{day:%Y-%m}: {year.opened:,} sessions opened, {year.purged:,} purged, {year.stored:,} "
        f"stored; {year.backups:,} backups, {year.kept} kept, {len(year.failed_backups)} failed; "
        f"database {year.database_mb:,.0f} MB, documents {year.documents_mb:,.0f} MB, backups "
        f"{year.backups_mb:,.0f} MB, disk {year.used:.1f} %; {year.written_gb:,.1f} GB written"
    )


def _received(box: Box, plan: Plan) -> int:
    folder = box.store.document_store.folder / plan.session
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.exists() else 0


def _memory_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(one.split()[1]) * 1024 / 1e6 for one in lines if one.startswith("VmRSS:"))
