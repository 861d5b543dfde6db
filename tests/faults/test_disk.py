"""Disks that are full, read-only, failing, slow, and databases that are broken."""

import hashlib
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from cli import embedded_broker
from schemas.topics import MAX_CHUNK, UploadTopic
from session_controller import failpoints
from session_controller.backup.backups import BackupError, Backups
from session_controller.backup.checking import faults
from session_controller.backup.manifest import existing, read_header
from session_controller.box import Box, BoxSettings
from session_controller.errors import StoreDamagedError, StoreError
from session_controller.failpoints import OF_A_BACKUP, Point
from session_controller.settings import Settings
from session_controller.storage.ballast import BALLAST, BALLAST_BYTES, keep_ballast
from session_controller.storage.schema import SCHEMA
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction
from tests.backups import packs
from tests.clients.conftest import clinic_at
from tests.conftest import StartBox
from tests.controller.entering import (
    enter_everything,
    enter_step_one,
    looked,
    take_as_it_is,
    upload,
)
from tests.machine import free_port
from tests.pictures import png
from tests.waiting import until, wait_until

from .checks import check
from .conftest import FULL, Note
from .crew import crew
from .history import Refused
from .log import Log
from .loopback import Stage, staged
from .mounts import needs_root, needs_strace, tmpfs
from .processes import BoxProcess
from .test_checker import _screens
from .test_crashes import conclude, hire, until_decided


async def _tried_again(
    stage: Stage, break_: Callable[[], object], mend: Callable[[], object]
) -> None:
    """Break the disk under a session, mend it, and see that all goes on by itself."""
    await stage.open()
    stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
    await stage.service.settled()
    break_()
    stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="E" * 5000)
    stage.say("kiosk", "FOCUS_FIELD", field_id=None)
    stage.online("desk", connection=2)
    await stage.service.settled()
    await stage.retry()
    waiting = stage.link.delivered[-3:]  # a presence is so short that it may find room
    assert [d.acknowledged for d in waiting[:2]] == [0, 0]
    assert not [h for h in stage.history.happenings if isinstance(h, Refused)]
    mend()
    await stage.retry()
    assert [d.acknowledged for d in waiting] == [1, 1, 1]
    assert stage.service.registry.devices["desk"].connection == 2, "a presence was forgotten"


def _sound(stage: Stage, data: Path) -> None:
    log = Log.read(data)
    assert check(_screens(stage.history), log) == []
    assert len(list(log.sessions[stage.session].accepted())) == 3


@pytest.mark.parametrize(
    ("fault", "cure"),
    [
        ("VACUUM; PRAGMA max_page_count=1", "PRAGMA max_page_count=1000000"),
        ("PRAGMA query_only=1", "PRAGMA query_only=0"),
    ],
    ids=["full", "read-only"],
)
async def test_nothing_is_acknowledged_that_cannot_be_stored(
    fault: str, cure: str, tmp_path: Path
) -> None:
    """It is kept, and stored by itself once the cause is gone."""
    async with staged(tmp_path) as stage:
        db = stage.store._db
        await _tried_again(stage, lambda: db.executescript(fault), lambda: db.execute(cure))
    _sound(stage, tmp_path)


@needs_root
async def test_a_full_disk(tmp_path: Path) -> None:
    """The same on a file system that is really full."""
    with tmpfs(tmp_path / "small", "3m") as small:
        ballast = small / "ballast"
        async with staged(small / "data") as stage:
            await _tried_again(stage, lambda: _fill(ballast), ballast.unlink)
        _sound(stage, small / "data")


def _fill(ballast: Path) -> None:
    """Use all that is free on a disk."""
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass


@needs_root
def test_a_disk_that_another_program_fills(
    tmp_path: Path, start_box: StartBox, caplog: pytest.LogCaptureFixture
) -> None:
    """To the last byte: the box has kept space, goes on, starts again, and keeps space anew."""
    with tmpfs(tmp_path / "small", "128m") as small:
        data, filler = small / "data", small / "filler"
        kept = data / BALLAST
        with start_box(data, deliver=True) as box, clinic_at(box) as clinic:
            wait_until(kept.exists, "space is kept")
            assert kept.stat().st_blocks * 512 >= BALLAST_BYTES
            _, patient, session = clinic.paired()
            _fill(filler)
            view = patient.enter_field(session, "name", "Ada").result(20)
            assert view.fields["name"].value == "Ada"
            for _ in range(40):  # until the log has used what was free in its file
                patient.enter_field(session, "note", "x" * 5000).result(20)
            assert not kept.exists()
            assert "make room at once" in caplog.text
            filler.unlink()
        keep_ballast(data)
        _fill(filler)
        with start_box(data, deliver=True) as box, clinic_at(box) as clinic:
            assert not kept.exists()
            assert clinic.admin.show_status().sessions.open == 1
        assert "the space that was kept for this is used" in caplog.text


@needs_root
async def test_a_document_on_a_full_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its bytes wait, half-written ones do not count, and it is whole once there is room."""
    picture = png(300_000)
    with tmpfs(tmp_path / "small", "4m") as small:
        ballast = small / "ballast"
        async with staged(small / "data", inspect=take_as_it_is) as stage:
            await stage.open()
            await enter_step_one(stage, "Ada")
            await upload(stage, "photo", picture[:MAX_CHUNK], whole=picture)
            _fill(ballast)
            sent = [
                stage.link.deliver(
                    UploadTopic(stage.session, "kiosk", "photo", str(at)).under("main"),
                    picture[at : at + MAX_CHUNK],
                )
                for at in range(MAX_CHUNK, len(picture), MAX_CHUNK)
            ]
            await stage.service.settled()
            await stage.retry()
            assert {each.acknowledged for each in sent} == {0}
            assert "refuses to store: ENOSPC" in caplog.text
            ballast.unlink()
            await stage.retry()
            assert {each.acknowledged for each in sent} == {1}
            stage.say("kiosk", "FINISH_UPLOAD", upload="photo")
            await looked(stage)
            state = stage.store.state(stage.session)
            assert state is not None
            assert stage.store.document(stage.session, state.documents["new-card"]) == picture


@needs_root
@pytest.mark.parametrize("phase", OF_A_BACKUP)
async def test_a_disk_that_is_full_during_a_backup(
    phase: Point, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each phase: check-ins go on in the reserve, older backups stay whole, the next is made."""
    with tmpfs(tmp_path / "small", "16m") as small:
        data, ballast = small / "data", small / "ballast"

        def fill(point: Point) -> None:
            if point is phase and not ballast.exists():
                used = shutil.disk_usage(small)
                leave = 1 << 20 if phase is not Point.BACKUP_LISTED else 512 << 10
                ballast.write_bytes(bytes(used.free - leave))

        async with staged(data, inspect=take_as_it_is) as stage:
            await stage.open()
            backups = Backups(stage.store, data)
            older = await backups.take()
            await enter_everything(stage, "Zorblatt")
            monkeypatch.setattr(failpoints, "reached", fill)
            with suppress(BackupError):  # where there was no room left for what it wrote
                await backups.take()
            assert ballast.exists()
            assert list(faults(older)) == []
            _no_draft_is_left(data)
            stage.say("kiosk", "FOCUS_FIELD", field_id=None)
            await stage.service.settled()
            assert stage.link.delivered[-1].acknowledged == 1
            with pytest.raises(BackupError, match="kept free for check-ins"):
                await backups.take()
            stage.say("kiosk", "FOCUS_FIELD", field_id=None)
            await stage.service.settled()
            assert stage.link.delivered[-1].acknowledged == 1
            ballast.unlink()
            assert list(faults(await backups.take())) == []
            _no_draft_is_left(data)
        assert not [h for h in stage.history.happenings if isinstance(h, Refused)]


def _no_draft_is_left(data: Path) -> None:
    named = {name for path in existing(data) for name in read_header(path).packs}
    assert {path.stem for path in packs(data)} == named
    assert not list((data / "backups").rglob("*.new"))


async def test_a_box_that_starts_on_a_full_disk_serves_what_it_has(tmp_path: Path) -> None:
    """What needs no disk is done without one: views go out, although nothing can be stored."""
    async with staged(tmp_path) as stage:
        await stage.open()
        session = stage.session
    original = Store.write
    broken = True

    def write(store: Store, batch: Transaction) -> None:
        if broken:
            raise sqlite3.OperationalError("database or disk is full")
        original(store, batch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "write", write)
        async with staged(tmp_path) as stage:
            await stage.service.settled()
            assert any(f"{session}/state/kiosk" in topic for topic, _ in stage.link.published)
            broken = False
            kiosk = stage.service.registry.devices
            await until(lambda: not kiosk["kiosk"].online, "the start is made up for")


async def test_a_database_that_breaks_is_written_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first sign of damage on every command is refused, and the file stays as it is."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorname = "SQLITE_CORRUPT"

    def broken(*_: object) -> None:
        raise error

    impatient = Settings(commit_patience=timedelta(0))
    async with staged(tmp_path, settings=impatient) as stage:
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
        assert box.process.returncode == 4
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
        with pytest.raises(StoreError, match="newer or unreleased version"):
            Store(tmp_path)
    assert _digests(tmp_path) == before
    assert SCHEMA


_CALLS = {
    "sync-fails": "fdatasync:error=EIO",
    "no-space": "pwrite64:error=ENOSPC",
    "slow-sync": "fdatasync:delay_enter=200000",
}


@contextmanager
def injected(box: BoxProcess, fault: str, file: Path) -> Iterator[None]:
    """Inject a fault into a running box's system calls on a file, until the `with` ends."""
    call = fault.split(":", maxsplit=1)[0]
    order = ["strace", "-f", "-o", "/dev/null", "-P", str(file)]
    order += ["-e", f"trace={call}", "-e", f"inject={fault}", "-p", str(box.process.pid)]
    with subprocess.Popen(order, stderr=subprocess.PIPE) as strace:
        try:
            assert strace.stderr is not None
            assert b"attached" in strace.stderr.readline()
            yield
        finally:
            strace.terminate()  # it detaches, and the box goes on


@pytest.mark.slow
@needs_strace
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", _CALLS if FULL else ["sync-fails"])
def test_failing_system_calls(name: str, tmp_path: Path, note: Note) -> None:
    """Errors and delays of the system calls themselves, on the write-ahead log.

    Errors last until a command is refused: for as long as the box is patient.
    """
    fault = _CALLS[name]
    data, port = tmp_path / "data", free_port()

    def refused() -> int:
        return sum(
            isinstance(h, Refused) and h.code == "unavailable" for h in people.history.happenings
        )

    with crew() as people:
        hire(people, data, port)
        with BoxProcess(data, port) as box:
            assert box.ready()
            until_decided(people, 20)
            with injected(box, fault, data / "handrail.sqlite-wal"):
                if "error" in fault:
                    wait_until(lambda: refused() > 0, "a command is refused", within_s=120)
                else:
                    until_decided(people, 60, within_s=200)
            until_decided(people, 60, within_s=120)
        conclude(people, data, port, [], note)
    note(unavailable=refused())
