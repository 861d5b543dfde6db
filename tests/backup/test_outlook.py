"""Room for backups: the reserve, the forecast, and what failures cost."""

from collections import namedtuple
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from session_controller.backup.backups import BackupError, BackupPlan, Backups
from session_controller.backup.manifest import Header, Manifest, existing, path_of
from session_controller.backup.outlook import days_left, report, wait_s
from session_controller.backup.packs import PageMap
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


def test_doctor_names_what_is_to_be_done(tmp_path: Path) -> None:
    """That the disk will be full soon, that a backup has no room, what a restore replaced."""
    (tmp_path / "backups").mkdir()
    (tmp_path / "handrail.sqlite").write_bytes(bytes(5 << 20))
    for header in (_header(1.5, 90 << 20), _header(0, 100 << 20)):
        Manifest(header, PageMap()).write(path_of(tmp_path, header.taken))
    aside = tmp_path / "replaced-20261101T000000"
    aside.mkdir()
    (aside / "handrail.sqlite").write_bytes(bytes(3 << 20))
    found = report(tmp_path, NOW + timedelta(hours=2), lambda _: Usage(1000 << 20, 0, 104 << 20))
    said = {one.check: one for one in found}
    assert said["backups"].text == "2, the newest of 2 hours ago"
    assert said["room for backups"].state == "bad"
    assert "full in some 0 days" in said["growth"].text
    assert said["replaced data"].state == "note"
    assert "(3.0 MiB)" in said["replaced data"].text
    assert "handrail restore --forget-replaced" in said["replaced data"].text
    found = report(tmp_path, NOW, lambda _: Usage(100 << 30, 0, 90 << 30))
    assert [one.state for one in found] == ["ok", "ok", "note"]


def test_doctor_says_that_documents_are_refused(tmp_path: Path) -> None:
    """From when only the reserve is left."""
    for free, refused in ((101, False), (100, True)):
        found = report(tmp_path, NOW, lambda _, free=free: Usage(1000 << 20, 0, free << 20))
        assert ("room for documents" in [one.check for one in found]) is refused
    assert "100.0 MiB that are kept free" in found[-1].text


def test_doctor_says_that_there_is_no_backup(tmp_path: Path) -> None:
    """And counts those that are damaged."""
    (tmp_path / "backups").mkdir()
    assert [one.state for one in report(tmp_path, NOW)] == ["note"]
    (tmp_path / "backups" / "handrail-x.backup").write_bytes(b"\xff\n")
    [found] = report(tmp_path, NOW)
    assert found.state == "bad"
    assert "1 of 1 backups are damaged" in found.text
