"""Copies that the box makes by itself: where, when, and what is said if they fail."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from session_controller.backup import off_box
from session_controller.backup.drill import DRILL_FILE, Drill
from session_controller.backup.elsewhere import copy_backup
from session_controller.backup.manifest import listed
from session_controller.backup.off_box import (
    STATE_FILE,
    Copied,
    Copies,
    CopyPlan,
    CopyState,
    copy_newest,
    forget_copies,
    note_copied,
    read_copies,
)
from session_controller.errors import StoreError
from session_controller.preflight.checks import subject_of
from session_controller.preflight.copies import _MEND, copy_findings, drill_findings
from session_controller.preflight.finding import Level
from session_controller.security.keyring import keyring_beside, read_keyring
from tests.backup.test_elsewhere import Box, whole
from tests.faults.mounts import needs_root, tmpfs

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


class Site:
    """A box with backups, a share with a copy, and a clock."""

    def __init__(self, home: Path) -> None:
        self.box, self.now = Box(home / "data"), NOW
        self.share = home / "mnt" / "box"
        self.box.take()
        self.prepare()
        self.state = self.begin()

    def prepare(self) -> None:
        """Copy as a person does once."""
        copy_backup(self.box.data, listed(self.box.backups)[0].name, self.share)

    def begin(self, every: timedelta = timedelta(0)) -> CopyState:
        """Start the box."""
        plan = CopyPlan(self.share, every)
        self.copies = Copies(self.box.data, plan, clock=lambda: self.now)
        state = self.copies._begin()
        assert state is not None
        return state

    def look(self, later: timedelta = timedelta(minutes=1)) -> CopyState:
        """Pass a minute, and look whether something is to be copied."""
        self.now += later
        self.state = self.copies.look(self.state)
        return self.state

    @property
    def found(self) -> tuple[Level, str, str | None]:
        """What a check finds."""
        (one,) = copy_findings(subject_of(self.box.data, self.now))
        assert one.check == "backup-copies"
        return one.level, one.text, one.mend


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A box that copies its backups."""
    return Site(tmp_path)


def test_each_backup_is_copied_once(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """With its keys; what is copied is not copied again, also after a restart."""
    caplog.set_level(logging.INFO)
    name = site.box.take()
    state = site.look()
    assert [path.name for path in listed(site.share)] == [name]
    assert whole(site.share / name)
    assert state == read_copies(site.box.data)
    assert state.copied is not None
    assert (state.copied.backup, state.copied.at, state.failed) == (name, site.now, None)
    assert f"copied the backup {name} to {site.share}" in caplog.text
    before = keyring_beside(site.share).stat().st_mtime_ns
    assert site.look() == state
    site.state = site.begin()
    assert site.look() == state
    assert keyring_beside(site.share).stat().st_mtime_ns == before


def test_not_more_often_than_it_is_told(site: Site) -> None:
    """A share may be slow, or paid for by the byte."""
    site.state = site.begin(timedelta(days=1))
    first = site.look()
    site.box.take()
    assert site.look(timedelta(hours=23)) == first
    assert site.look(timedelta(hours=1)).copied != first.copied


def test_an_absent_share_is_not_written_to(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Its mount point is an empty folder, or there is none; once it is back, copies go on."""
    site.look()
    away = site.share.parent.with_name("away")
    site.share.parent.rename(away)
    for make in (lambda: None, site.share.parent.mkdir, site.share.mkdir):
        make()
        site.box.take()
        state = site.look(timedelta(hours=6))
        assert state.failed is not None
        assert "has no copy of a backup: the share is not mounted" in state.failed.text
        assert not site.share.exists() or not list(site.share.iterdir())
        assert not keyring_beside(site.share).exists()
    assert "was not copied to" in caplog.text
    assert site.found[0] == Level.WARNING
    assert "the share is not mounted" in site.found[1]
    assert site.found[2] == f"handrail backup --to {site.share} --data {site.box.data}"
    site.now += timedelta(days=8)
    assert site.found[0] == Level.CRITICAL
    site.share.rmdir()
    site.share.parent.rmdir()
    away.rename(site.share.parent)
    state = site.look(timedelta(hours=6))
    assert state.failed is None
    assert listed(site.share)[0].name == listed(site.box.backups)[0].name


def test_a_person_who_copies_mends_it(site: Site) -> None:
    """The box does not wait until it tries again to say that all is well."""
    site.share.rename(site.share.with_name("away"))
    for _ in range(4):
        site.look(timedelta(hours=6))
    assert site.found[0] == Level.WARNING
    name = site.box.take()
    site.prepare()
    note_copied(site.box.data, site.share.with_name("other"), name, site.now)
    assert "not mounted" in site.found[1]
    note_copied(site.box.data, site.share, name, site.now)
    assert "is on the same disk" in site.found[1]
    assert site.look().failed is None
    site.box.take()
    assert site.look().copied != Copied(backup=name, at=site.now)


def test_a_failure_is_tried_again_after_longer_and_longer(site: Site) -> None:
    """As backups are: after 1, 2, 4 minutes, at last every six hours."""
    site.share.rename(site.share.with_name("away"))
    failures = list[timedelta]()
    begin, count = site.now, 0
    while len(failures) < 4:
        state = site.look()
        if state.failed and state.failed.count > count:
            count = state.failed.count
            failures.append(site.now - begin)
    assert [each / timedelta(minutes=1) for each in failures] == [1, 2, 4, 8]


@needs_root
def test_a_full_share_and_a_read_only_one(site: Site, tmp_path: Path) -> None:
    """Each is said; what was there before can still be restored."""
    with tmpfs(tmp_path / "small", "1m") as share:
        site.share = share / "box"
        site.prepare()
        (copy,) = listed(site.share)
        site.state = site.begin()
        filler = share / "filler"
        filler.write_bytes(bytes(os.statvfs(share).f_bavail * os.statvfs(share).f_frsize))
        for n in range(3):
            site.box.take(190 + n)
        state = site.look()
        assert state.failed is not None
        assert "No space left on device" in state.failed.text
        assert whole(copy)
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(share)], check=True)
        state = site.look(timedelta(hours=6))
        assert state.failed is not None
        assert "Read-only file system" in state.failed.text
        assert whole(copy)


@needs_root
def test_a_mount_point_itself_is_refused(site: Site, tmp_path: Path) -> None:
    """The keys beside it would stay on the box."""
    with tmpfs(tmp_path / "share", "20m") as share:
        site.share = share
        site.prepare()
        with pytest.raises(StoreError, match="name a folder in it"):
            copy_newest(site.box.data, share)


def test_a_purge_reaches_the_next_copy(site: Site) -> None:
    """The key and the documents of the session are gone there, too."""
    site.look()
    site.box.purge("s-2")
    name = site.box.take()
    site.look()
    assert "session:s-2" not in read_keyring(keyring_beside(site.share)).keys
    assert b"session:s-2" not in keyring_beside(site.share).read_bytes()
    assert not list(site.share.glob("documents/s-2/*")) or whole(site.share / name, 3)


@pytest.mark.parametrize("step", ["_copy_packs", "write_keyring", "_replace"])
def test_a_copy_that_is_killed_is_made_again(step: str, site: Site) -> None:
    """The former one is whole until then."""
    (former,) = listed(site.share)
    name = site.box.take()
    order = json.dumps({"data": str(site.box.data), "to": str(site.share)})
    killed = (
        "import os, sys; from session_controller.backup import elsewhere, off_box;"
        f"elsewhere.{step} = lambda *_: os.kill(os.getpid(), 9);"
        f"sys.argv[1:] = [{order!r}]; off_box.main()"
    )
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -9
    assert listed(site.share) == [former]
    assert whole(former, 6 if step != "_copy_packs" else 3)
    site.look()
    assert [path.name for path in listed(site.share)] == [name]
    assert whole(site.share / name)


def test_a_box_that_stops_ends_its_copy(site: Site) -> None:
    """Nothing failed, and nothing is remembered."""
    site.copies.stop()
    site.box.take()
    state = site.state
    assert site.look() == state == read_copies(site.box.data)
    assert state.copied is None


def test_what_is_not_copied_any_more_is_forgotten(site: Site) -> None:
    """And another folder starts anew."""
    site.look()
    other = site.share.with_name("other")
    state = Copies(site.box.data, CopyPlan(other))._begin()
    assert state == CopyState(to=str(other))
    forget_copies(site.box.data)
    assert not (site.box.data / STATE_FILE).exists()
    assert site.found[::2] == (Level.NOTE, _MEND)


async def test_a_running_box_looks_every_minute(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it is cancelled."""
    monkeypatch.setattr(off_box, "_LOOK_EVERY_S", 0)
    looks: Iterator[CopyState | None] = iter([site.state, site.state, None])
    look: Callable[[CopyState], CopyState | None] = lambda _: next(looks)  # noqa: E731
    monkeypatch.setattr(site.copies, "look", look)
    await site.copies.keep_copying()
    assert list(looks) == []
    await Copies(site.box.data, None).keep_copying()


def test_what_is_found_of_copies(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the same disk; as it should be; stuck without an error."""
    site.look()
    assert site.found[:2] == (
        Level.WARNING,
        f"{site.share} is on the same disk as the data folder: if it breaks, both are gone",
    )
    monkeypatch.setattr("session_controller.preflight.copies._same_disk", lambda *_: False)
    site.now += timedelta(hours=30)
    assert site.found == (Level.OK, f"copied to {site.share}, 30 hours ago", None)
    site.now += timedelta(hours=30)
    assert (site.found[0], "or hang there" in site.found[1]) == (Level.WARNING, True)
    site.state.model_copy(update={"copied": None}).write(site.box.data)
    assert site.found[0] == Level.NOTE
    (site.box.data / STATE_FILE).write_bytes(b"{}")
    assert site.found[0] == Level.NOTE


def test_what_is_found_of_drills(tmp_path: Path) -> None:
    """None; one that is recent, one of long ago, and one that failed."""

    def found(last: Drill | None) -> tuple[Level, bool]:
        if last is not None:
            (tmp_path / DRILL_FILE).write_text(last.model_dump_json())
        (one,) = drill_findings(subject_of(tmp_path, NOW))
        assert one.check == "restore-drill"
        assert one.mend in (None, f"handrail backup drill --data {tmp_path}")
        return one.level, one.mend is None

    drill = Drill(at=NOW - timedelta(days=90), backup="b", seconds=1)
    assert found(None) == (Level.NOTE, False)
    assert found(drill) == (Level.OK, True)
    assert found(drill.model_copy(update={"at": NOW - timedelta(days=91)})) == (Level.NOTE, False)
    assert found(drill.model_copy(update={"faults": ("x",)})) == (Level.CRITICAL, False)
