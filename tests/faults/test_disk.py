"""Disks that are full, read-only, failing, slow, and databases that are broken."""

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cli import embedded_broker
from session_controller.backups import Backups
from session_controller.batch import Batch
from session_controller.box import Box, BoxSettings
from session_controller.errors import StoreDamagedError, StoreError
from session_controller.migrations import SCHEMA
from session_controller.store import Store

from .checks import check
from .conftest import FULL, Note
from .crew import crew
from .history import Refused
from .log import Log
from .loopback import Stage, staged
from .mounts import needs_root, needs_strace, tmpfs
from .processes import BoxProcess, free_port
from .test_checker import _screens
from .test_crashes import conclude, hire

Rounds = Callable[[int, int], int]


async def _refused_then_taken(
    stage: Stage, break_: Callable[[], object], mend: Callable[[], object]
) -> None:
    """Break the disk under a session, mend it, and see that all goes on by itself."""
    await stage.open()
    stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
    await stage.service.settled()
    break_()
    waiting = [stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="E" * 5000)]
    waiting.append(stage.say("kiosk", "FOCUS_FIELD", field_id=None))
    stage.online("desk", connection=2)
    await stage.service.settled()
    codes = {h.code for h in stage.history.happenings if isinstance(h, Refused)}
    assert codes == {"unavailable", "sequence_gap"}
    mend()
    for payload in waiting:
        stage.again("kiosk", payload)
    await stage.service.settled()
    deadline = time.monotonic() + 10
    while stage.service.world.devices["desk"].connection != 2:
        assert time.monotonic() < deadline, "a presence was forgotten"
        await asyncio.sleep(0.02)
    await stage.service.settled()


def _sound(stage: Stage, data: Path) -> None:
    log = Log.read(data)
    assert check(_screens(stage.history), log) == []
    assert len(list(log.sessions[stage.session].accepted())) == 3


@pytest.mark.parametrize(
    ("fault", "cure"),
    [
        ("PRAGMA max_page_count=1", "PRAGMA max_page_count=1000000"),
        ("PRAGMA query_only=1", "PRAGMA query_only=0"),
    ],
    ids=["full", "read-only"],
)
async def test_refused_while_nothing_can_be_stored(fault: str, cure: str, tmp_path: Path) -> None:
    """`unavailable`, nothing acknowledged, and service again once the cause is gone."""
    async with staged(tmp_path) as stage:
        db = stage.store._db
        await _refused_then_taken(stage, lambda: db.execute(fault), lambda: db.execute(cure))
    _sound(stage, tmp_path)


@needs_root
async def test_a_full_disk(tmp_path: Path) -> None:
    """The same on a file system that is really full."""
    with tmpfs(tmp_path / "small", "3m") as small:
        ballast = small / "ballast"

        def fill() -> None:
            with ballast.open("wb", buffering=0) as file:
                try:
                    while file.write(b"x" * 4096):
                        pass
                except OSError:
                    return

        async with staged(small / "data") as stage:
            await _refused_then_taken(stage, fill, ballast.unlink)
        _sound(stage, small / "data")


async def test_a_box_that_starts_on_a_full_disk_serves_what_it_has(tmp_path: Path) -> None:
    """What needs no disk is done without one: views go out, although nothing can be stored."""
    async with staged(tmp_path) as stage:
        await stage.open()
        session = stage.session
    original = Store.write
    broken = True

    def write(store: Store, batch: Batch) -> None:
        if broken:
            raise sqlite3.OperationalError("database or disk is full")
        original(store, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "write", write)
        async with staged(tmp_path) as stage:
            await stage.service.settled()
            assert any(f"{session}/state/kiosk" in topic for topic, _ in stage.link.published)
            broken = False
            deadline = time.monotonic() + 10
            while stage.service.world.devices["kiosk"].online:
                assert time.monotonic() < deadline, "the start was not made up for"
                await asyncio.sleep(0.02)


async def test_a_database_that_breaks_is_written_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first sign of damage on every command is refused, and the file stays as it is."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorname = "SQLITE_CORRUPT"

    def broken(*_: object) -> None:
        raise error

    async with staged(tmp_path) as stage:
        await stage.open()
        with monkeypatch.context() as patch:
            patch.setattr(Store, "_write", broken)
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
            await stage.service.settled()
        before = _digests(tmp_path)
        stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Eve", seq=1)
        await stage.service.settled()
        assert _digests(tmp_path) == before
    codes = [h.code for h in stage.history.happenings if isinstance(h, Refused)]
    assert codes == ["unavailable", "unavailable"]


def _digests(data: Path) -> dict[str, str]:
    names = ("handrail.sqlite", "handrail.sqlite-wal")
    files = [data / name for name in names if (data / name).exists()]
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def _overwrite(path: Path, start: int, junk: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(junk)


_DAMAGES: dict[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(b"\xff" * 100_000),
    "header": lambda path: _overwrite(path, 0, b"\x00" * 100),
    "pages": lambda path: _overwrite(path, 4096, b"\xff" * 60_000),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:40_000]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", _DAMAGES)
async def test_a_broken_database_is_left_alone(damage: str, tmp_path: Path) -> None:
    """The box does not start, names the backup to restore, and has not touched a byte."""
    async with staged(tmp_path) as stage:
        await stage.open()
        backup = await Backups(stage.store, tmp_path).take()
    (tmp_path / "box.key").write_bytes(b"k" * 32)
    _DAMAGES[damage](tmp_path / "handrail.sqlite")
    before = _digests(tmp_path)
    with pytest.raises(StoreDamagedError):
        async with Box(BoxSettings(tmp_path, ("127.0.0.1", 0), None), embedded_broker):
            pass
    assert _digests(tmp_path) == before
    if damage not in ("pages", "gone"):
        return  # the program says the same of each; two will do
    with BoxProcess(tmp_path, free_port()) as box:
        assert not box.ready()
        assert box.process.returncode == 1
    said = " ".join(box.log.read_text().split())
    assert backup.name in said.replace(" ", "")
    assert _digests(tmp_path) == before


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An older program does not touch what a newer one wrote, and lets the folder go."""
    Store(tmp_path).close()
    with sqlite3.connect(tmp_path / "handrail.sqlite") as db:
        db.execute(
            "INSERT INTO _sqlite_migrations SELECT max(id) + 1, migration_set, 'v99', applied_at "
            "FROM _sqlite_migrations"
        )
    db.close()
    before = _digests(tmp_path)
    for _ in range(2):
        with pytest.raises(StoreError, match="that is newer"):
            Store(tmp_path)
    assert _digests(tmp_path) == before
    assert SCHEMA


_CALLS = {
    "sync-fails": "fdatasync:error=EIO:when=3..30",
    "no-space": "pwrite64:error=ENOSPC:when=40..120",
    "slow-sync": "fdatasync:delay_enter=200000",
}


@pytest.mark.slow
@needs_strace
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", _CALLS if FULL else ["sync-fails"])
def test_failing_system_calls(name: str, tmp_path: Path, note: Note) -> None:
    """Errors and delays of the system calls themselves, on the write-ahead log."""
    fault = _CALLS[name]
    data, port = tmp_path / "data", free_port()
    wal = data / "handrail.sqlite-wal"
    call = fault.split(":", maxsplit=1)[0]
    wrap = ("strace", "-f", "-qq", "-o", "/dev/null", "-P", str(wal))
    wrap += ("-e", f"trace={call}", "-e", f"inject={fault}")
    with crew() as people:
        hire(people, data, port)
        with BoxProcess(data, port, wrap=wrap) as box:
            assert box.ready()
            before = len(people.decided_at)
            # The fault is about time: the clients send again what was refused after ten seconds.
            deadline = time.monotonic() + 200
            while len(people.decided_at) < before + 60:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        conclude(people, data, port, [], note)
    refused = [h.code for h in people.history.happenings if isinstance(h, Refused)]
    if "error" in fault:
        assert "unavailable" in refused
    note(unavailable=refused.count("unavailable"))
