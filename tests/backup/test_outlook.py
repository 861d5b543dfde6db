"""Room for backups: the reserve, the forecast, and what failures cost."""

from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from session_controller.backup.backups import BackupError, BackupPlan, Backups
from session_controller.backup.manifest import Header, existing
from session_controller.backup.outlook import days_left, wait_s
from session_controller.storage.room import Room
from session_controller.storage.store import Store

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
Usage = namedtuple("Usage", "total used free")  # noqa: PYI024 - as `shutil.disk_usage` has it


def _header(days_ago: float, data: int) -> Header:
    taken = NOW - timedelta(days=days_ago)
    return Header(taken=taken, page_size=4096, pages=0, root="", data=data)


def test_a_tenth_of_the_disk_is_kept_free() -> None:
    """Backups may use what is free besides."""
    room = Room.on(Path(), lambda _: Usage(1000, 0, 400))
    assert (room.free, room.reserve) == (300, 100)
    assert Room.on(Path(), lambda _: Usage(1000, 0, 50)).free == 0


def test_the_forecast_counts_the_growth_twice() -> None:
    """Once for the box, once for its backups; the last five weeks count."""
    headers = [_header(0, 3000), _header(10, 2000), _header(300, 0)]
    assert days_left(headers, 4000) == pytest.approx(20)
    assert days_left(headers[:1], 4000) is None
    assert days_left([_header(0, 100), _header(5, 100)], 4000) is None
    assert days_left([], 4000) is None


def test_failures_are_tried_again_less_and_less_often() -> None:
    """After one minute, two, four, and at last every six hours."""
    assert [wait_s(n) for n in (1, 2, 3, 9, 10, 500)] == [60, 120, 240, 15360, 21600, 21600]


async def test_a_full_disk_is_not_asked_each_minute(tmp_path: Path) -> None:
    """A backup that does not fit is not begun, and the pause until the next try doubles."""
    now, free = [NOW], [1 << 20]

    store = Store(tmp_path)
    backups = Backups(
        store,
        tmp_path,
        BackupPlan(timedelta(hours=6)),
        usage=lambda _: Usage(10 << 20, 0, free[0]),
        clock=lambda: now[0],
    )
    try:
        tries = 0
        for _ in range(24 * 60):
            if backups.is_due():
                tries += 1
                if tries < 3:
                    await backups._try_to_take()
                else:
                    backups._failures, backups._failed_at = tries, now[0]
            now[0] += timedelta(minutes=1)
        assert tries == 12
        assert [path.name for path in (tmp_path / "backups").rglob("*")] == []
        with pytest.raises(BackupError, match="kept free for check-ins; it was not begun"):
            await backups.take()
        free[0] = 10 << 20
        await backups.take()
        assert len(existing(tmp_path)) == 1
        assert backups.is_due() is False
    finally:
        store.close()
