"""What a site no longer keeps is purged by itself: nothing sooner, and nothing that is awaited."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.wire.destinations import Destinations, FolderDestination
from session_controller.audit.events import SessionPurged
from session_controller.engine import events as f
from session_controller.service.jobs import retention
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.settings import Settings
from session_controller.storage.deliveries import DeliveryStatus
from session_controller.storage.entities import EntryFilter
from tests.faults.loopback import Stage, staged
from tests.waiting import until

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)


@dataclass
class Time:
    """The box's clock, and the one that does not jump."""

    at: datetime = _BEGIN
    steady_s: float = 0.0

    def passes(self, span: timedelta) -> None:
        """Move both clocks on."""
        self.at += span
        self.steady_s += span.total_seconds()


@pytest.fixture
def time() -> Time:
    """Return a time that passes when it is told to."""
    return Time()


def _staged(folder: Path, time: Time, **settings: timedelta) -> "Callable[[], Stage]":
    return staged(  # type: ignore[return-value]
        folder, settings=Settings(**settings), clock=lambda: time.at, steady=lambda: time.steady_s
    )


async def _end(stage: Stage, fact: f.Fact) -> str:
    """Open a session and end it; return its id."""
    await stage.open()

    def end(work: UnitOfWork) -> None:
        session = work.session(stage.session)
        assert session is not None
        work.record(session, fact)

    stage.service.submit(end)
    await stage.service.settled()
    return stage.session


async def _delivered(stage: Stage, session: str) -> None:
    """Note that a session has arrived at all its destinations."""
    rows = stage.store.deliveries(session)
    assert rows
    at = stage.service._clock()

    def note(work: UnitOfWork) -> None:
        done = [replace(row, status=DeliveryStatus.DELIVERED, updated_at=at) for row in rows]
        work.transaction.deliveries += done

    stage.service.submit(note)
    await stage.service.settled()


async def _look(stage: Stage) -> None:
    """Do what a second of the service does of it, and wait for the purge."""
    background = stage.service._background
    await background.retain()
    await until(lambda: not background._tasks, "the purge")
    await stage.service.settled()


def _is_kept(stage: Stage, session: str) -> bool:
    return stage.store.knows(session)


async def test_each_kind_of_end_has_its_time(tmp_path: Path, time: Time) -> None:
    """Cancelled for an hour; expired for a day; open for ever."""
    async with _staged(tmp_path, time) as stage:
        cancelled = await _end(stage, f.Cancelled(reason="Left"))
        expired = await _end(stage, f.Expired())
        await stage.open()
        live = stage.session
        time.passes(HOUR - timedelta(seconds=1))
        await _look(stage)
        assert _is_kept(stage, cancelled)
        time.passes(HOUR)
        await _look(stage)
        assert (_is_kept(stage, cancelled), _is_kept(stage, expired)) == (False, True)
        assert f"session:{cancelled}" not in stage.store.key_names()
        (purged,) = [
            entry.place
            for entry in stage.store.entries(EntryFilter(session=cancelled))
            if entry.place.kind == SessionPurged().type
        ]
        assert purged.device is None, "the box itself"
        time.passes(DAY)
        await _look(stage)
        assert not _is_kept(stage, expired)
        assert _is_kept(stage, live)


async def test_completed_goes_a_day_after_the_last_delivery(tmp_path: Path, time: Time) -> None:
    """What waits for one of its destinations stays, however old."""
    folders = [FolderDestination(name=n, folder=str(tmp_path / n)) for n in ("share", "archive")]
    async with _staged(tmp_path / "data", time) as stage:
        stage.service.registry.destinations = Destinations(destinations=tuple(folders))
        session = await _end(stage, f.Completed())
        time.passes(30 * DAY)
        await _look(stage)
        assert _is_kept(stage, session)
        await _delivered(stage, session)
        time.passes(DAY - HOUR)
        await _look(stage)
        assert _is_kept(stage, session)
        time.passes(2 * HOUR)
        await _look(stage)
        assert not _is_kept(stage, session)


async def test_what_no_destination_received_stays(tmp_path: Path, time: Time) -> None:
    """A site without destinations exports by hand: nothing tells whether it has."""
    async with _staged(tmp_path, time) as stage:
        session = await _end(stage, f.Completed())
        time.passes(400 * DAY)
        await _look(stage)
        assert _is_kept(stage, session)


async def test_a_site_may_keep_all(tmp_path: Path, time: Time) -> None:
    """A span of zero turns it off, each by itself."""
    never = timedelta(0)
    async with _staged(tmp_path, time, purge_cancelled=never) as stage:
        cancelled = await _end(stage, f.Cancelled(reason="Left"))
        expired = await _end(stage, f.Expired())
        time.passes(3 * DAY)
        await _look(stage)
        assert (_is_kept(stage, cancelled), _is_kept(stage, expired)) == (True, False)
    async with _staged(tmp_path, time, purge_cancelled=never, purge_completed=never) as stage:
        assert not stage.service._background.retention.is_due()
        time.passes(3 * DAY)
        assert not stage.service._background.retention.is_due()


async def test_a_clock_that_jumped_is_doubted(
    tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """A year ahead, all would be too old: it waits, and says so; six hours later it goes on."""
    async with _staged(tmp_path, time) as stage:
        session = await _end(stage, f.Expired())
        time.passes(HOUR)
        await _look(stage)
        time.at += 365 * DAY
        time.passes(HOUR)
        with caplog.at_level(logging.WARNING):
            await _look(stage)
        assert "365 days ahead of what was known" in caplog.text
        assert _is_kept(stage, session)
        time.at -= 365 * DAY
        time.passes(HOUR)
        await _look(stage)
        assert _is_kept(stage, session), "corrected in time"
        for _ in range(24):
            time.passes(HOUR)
            await _look(stage)
        assert not _is_kept(stage, session)


async def test_a_box_that_was_off_for_long_doubts_its_clock(tmp_path: Path, time: Time) -> None:
    """The last entry of the log says when it was on; a weekend is nothing special."""
    for off, doubts in ((3 * DAY, False), (300 * DAY, True)):
        async with _staged(tmp_path, time) as stage:
            session = await _end(stage, f.Expired())
        time.at += off
        async with _staged(tmp_path, time) as stage:
            time.passes(timedelta(minutes=2))
            await _look(stage)
            assert _is_kept(stage, session) is doubts
            time.passes(7 * HOUR)
            await _look(stage)
            assert not _is_kept(stage, session)


async def test_a_box_that_begins_to_purge_doubts_its_clock_too(
    tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    """If it was off for long when it started, and its configuration changes later."""
    never = timedelta(0)
    async with _staged(tmp_path, time) as stage:
        await _end(stage, f.Expired())
    time.passes(30 * DAY)
    async with _staged(tmp_path, time, purge_cancelled=never, purge_completed=never) as stage:
        await stage.open()
        time.passes(HOUR)
        assert "ahead of what was known" not in caplog.text
        stage.service.apply(Settings(), lambda _: None)
        await until(lambda: "30 days ahead of what was known" in caplog.text, "it is doubted")
        assert stage.service._background.retention.is_due()


async def test_a_restart_does_not_end_the_doubt(tmp_path: Path, time: Time) -> None:
    """By then the log has entries with the wrong time; a box that believed it again is free."""
    async with _staged(tmp_path, time) as stage:
        session = await _end(stage, f.Expired())
    time.at += 30 * DAY
    for _ in range(2):
        async with _staged(tmp_path, time) as stage:
            await _end(stage, f.Expired())  # an entry of now
            time.passes(timedelta(minutes=2))
            await _look(stage)
            assert _is_kept(stage, session)
    async with _staged(tmp_path, time) as stage:
        time.passes(7 * HOUR)
        await _look(stage)
        assert not _is_kept(stage, session)
    async with _staged(tmp_path, time) as stage:
        assert stage.service._background.retention._believed_at_s == 0


async def test_many_are_looked_at_part_by_part(
    tmp_path: Path, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that stay do not hide those behind them, and are not all read at once."""
    monkeypatch.setattr(retention, "_LOOKED_AT", 2)
    async with _staged(tmp_path, time) as stage:
        ended = []
        for fact in [f.Completed()] * 5 + [f.Expired()] * 2:
            ended.append(await _end(stage, fact))
            time.passes(timedelta(seconds=1))
        kept, expired = ended[:5], ended[5:]
        time.passes(2 * DAY)
        looks = 0
        while any(_is_kept(stage, session) for session in expired):
            await _look(stage)
            time.passes(timedelta(minutes=1))
            looks += 1
            assert looks < 6
        assert looks == 4
        assert all(_is_kept(stage, session) for session in kept)
