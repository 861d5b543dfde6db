"""What a site no longer keeps is purged by itself: nothing sooner, and nothing that is awaited."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.base import Role
from schemas.wire.destinations import Destinations, FolderDestination
from schemas.wire.purging import PreviewPurge, PurgePreview
from schemas.wire.requests import OpenSession
from session_controller.audit.events import SessionPurged
from session_controller.engine import events as f
from session_controller.engine.refusal import Refusal
from session_controller.service.handlers.purging import Preview
from session_controller.service.handlers.sessions import open_session
from session_controller.service.jobs import retention
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.settings import Settings
from session_controller.storage.deliveries import DeliveryStatus
from session_controller.storage.entities import Device, EntryFilter
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


async def test_a_removed_destination_keeps_nothing_for_ever(tmp_path: Path, time: Time) -> None:
    """What had arrived there goes a day after that; what had not, and arrived nowhere, stays."""
    archive = FolderDestination(name="archive", folder=str(tmp_path / "archive"))

    async def remove(stage: Stage) -> None:
        stage.service.registry.destinations = Destinations()
        stage.service.submit(lambda work: work.transaction.dropped_destinations.append("archive"))
        await stage.service.settled()

    async with _staged(tmp_path / "data", time) as stage:
        stage.service.registry.destinations = Destinations(destinations=(archive,))
        arrived = await _end(stage, f.Completed())
        time.passes(3 * DAY)
        await _delivered(stage, arrived)
        time.passes(HOUR)
        waiting = await _end(stage, f.Completed())
        await remove(stage)
        assert stage.store.deliveries() == []
        time.passes(DAY - 2 * HOUR)
        await _look(stage)
        assert _is_kept(stage, arrived)
        time.passes(2 * HOUR)
        await _look(stage)
        assert not _is_kept(stage, arrived)
        time.passes(30 * DAY)
        await _look(stage)
        assert _is_kept(stage, waiting)


async def test_a_removed_destination_does_not_shorten_the_time(tmp_path: Path, time: Time) -> None:
    """The day counts from the last arrival anywhere, also where that is configured still."""
    folders = [FolderDestination(name=n, folder=str(tmp_path / n)) for n in ("share", "archive")]
    async with _staged(tmp_path / "data", time) as stage:
        stage.service.registry.destinations = Destinations(destinations=tuple(folders))
        session = await _end(stage, f.Completed())
        time.passes(10 * DAY)
        await _delivered(stage, session)
        stage.service.submit(lambda work: work.transaction.dropped_destinations.append("archive"))
        await stage.service.settled()
        assert [row.destination for row in stage.store.deliveries()] == ["share"]
        time.passes(DAY - HOUR)
        await _look(stage)
        assert _is_kept(stage, session)
        time.passes(2 * HOUR)
        await _look(stage)
        assert not _is_kept(stage, session)


async def test_the_desk_hears_of_what_waits_for_an_hour(tmp_path: Path, time: Time) -> None:
    """Not of what waits for less, nor of what has arrived."""
    archive = FolderDestination(name="archive", folder=str(tmp_path / "archive"))
    async with _staged(tmp_path / "data", time) as stage:
        stage.service.registry.destinations = Destinations(destinations=(archive,))
        session = await _end(stage, f.Completed())

        async def stuck() -> int:
            await stage.service._background.count_stuck()
            await stage.service.settled()
            return stage.service.registry.stuck

        time.passes(HOUR - timedelta(minutes=1))
        assert await stuck() == 0
        time.passes(timedelta(minutes=2))
        assert await stuck() == 1
        await _delivered(stage, session)
        assert await stuck() == 0


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


async def _preview(stage: Stage, **asked: Any) -> PurgePreview:
    """Return what would be purged, counted in the smallest pages."""
    settings, at = stage.service.registry.settings, stage.service._clock()
    found = Preview(PreviewPurge(request_id="r-1", **asked), settings, at)
    after = "", ""
    while page := stage.store.ended_after(after, at, 1):
        found.add(page)
        after = page[0].ended_at, page[0].session
    return found.told(stage.store)  # type: ignore[return-value]


async def test_what_will_be_purged_within_a_day(tmp_path: Path, time: Time) -> None:
    """Exactly what is then purged; and what is held back, and why."""
    folder = FolderDestination(name="share", folder=str(tmp_path / "share"))
    async with _staged(tmp_path / "data", time) as stage:
        await _end(stage, f.Completed())
        stage.service.registry.destinations = Destinations(destinations=(folder,))
        waiting = await _end(stage, f.Completed())
        arrived = await _end(stage, f.Completed())
        await _delivered(stage, arrived)
        cancelled = await _end(stage, f.Cancelled(reason="Left"))
        time.passes(2 * HOUR)
        soon = await _preview(stage)
        expired = await _end(stage, f.Expired())
        assert set(soon.sessions) == {arrived, cancelled}
        assert (soon.count, soon.oldest, soon.newest) == (2, _BEGIN, _BEGIN)
        assert {one.session: one.reason for one in soon.kept}[waiting] == "undelivered"
        assert {one.reason for one in soon.kept} == {"undelivered", "no_destination"}
        time.passes(DAY - 2 * HOUR)
        await _look(stage)
        assert [_is_kept(stage, s) for s in (arrived, cancelled, expired)] == [False, False, True]
        assert (await _preview(stage)).sessions == (expired,)


async def test_what_an_order_would_purge(tmp_path: Path, time: Time) -> None:
    """By name and by age; it deletes nothing, and names what does not exist or is open."""
    async with _staged(tmp_path, time) as stage:
        old = await _end(stage, f.Cancelled(reason="Left"))
        time.passes(HOUR)
        new = await _end(stage, f.Expired())
        assert (await _preview(stage, older_than_s=1_800)).sessions == (old,)
        assert (await _preview(stage, sessions=(new,), older_than_s=1_800)).count == 2
        await stage.open()
        for wrong in ("s-none", stage.session):
            refused: Any = await _preview(stage, sessions=(wrong,))
            assert isinstance(refused, Refusal)
        assert _is_kept(stage, old)
        assert _is_kept(stage, new)


async def test_a_rehearsal_goes_a_day_after_its_end(tmp_path: Path, time: Time) -> None:
    """It is delivered nowhere, also where there are destinations; a session of a patient stays."""
    folder = FolderDestination(name="share", folder=str(tmp_path / "share"))
    async with _staged(tmp_path / "data", time) as stage:
        stage.service.registry.destinations = Destinations(destinations=(folder,))
        patients = await _end(stage, f.Completed())
        rehearsal = await _rehearse(stage)
        assert stage.store.deliveries(rehearsal) == []
        assert len(stage.store.deliveries(patients)) == 1
        time.passes(DAY)
        await _look(stage)
        assert [_is_kept(stage, s) for s in (patients, rehearsal)] == [True, False]


async def _rehearse(stage: Stage) -> str:
    """Open a test session and complete it; return its id."""
    await stage.open()
    known = set(stage.service.registry.sessions)

    def rehearse(work: UnitOfWork) -> None:
        flow_id = next(iter(work.registry.flows.values())).flow_id
        admin = Device("admin-1", "admin", Role.ADMIN, work.at)
        request = OpenSession(request_id="r-2", flow_id=flow_id, test=True)
        open_session(work, stage.store, admin, request)
        (session,) = [one for name, one in work.sessions.items() if name not in known]
        work.record(session, f.Completed())

    stage.service.submit(rehearse)
    await stage.service.settled()
    (name,) = set(stage.service.registry.sessions) - known
    return name
