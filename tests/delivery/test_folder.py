"""Delivery to a folder: a file per session, whole, private, in its own place."""

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from session_controller.delivery.folder_sender import place
from session_controller.storage.deliveries import DeliveryStatus
from tests.delivery.parcels import SECRET, FakeRecord, Office, bundle_of


def _share(folder: Path) -> dict[str, str]:
    return {"name": "share", "kind": "folder", "folder": str(folder)}


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """A courier with one session that waits."""
    made = Office(tmp_path)
    made.outbox.add("s-1", "share")
    return made


async def test_a_file_per_session(office: Office) -> None:
    """A session becomes a file that its owner alone may read, and whose name tells of nobody."""
    share = office.data / "share"
    share.mkdir()
    await office.deliver(_share(share))
    file = share / "main-s-1.fhir.json"
    seal = share / "main-s-1.fhir.json.seal.json"
    assert sorted(share.iterdir()) == [file, seal]
    assert stat.S_IMODE(seal.stat().st_mode) == 0o600
    assert seal.read_text() == f"fhir s-1 {file.stat().st_size}"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_bytes()) == bundle_of(FakeRecord("s-1"))
    row = office.outbox.rows["s-1", "share"]
    assert row.outcome == file.name
    assert row.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert SECRET not in file.name


async def test_a_session_that_is_sent_again_takes_its_own_place(office: Office) -> None:
    """A file is replaced by the same session's newer one; another's is left alone."""
    share = office.data / "share"
    share.mkdir()
    (share / "other").write_text("not ours")
    (share / ".main-s-1.fhir.json.part").write_text("half of what a crash left")
    await office.deliver(_share(share))
    office.outbox.records["s-1"] = FakeRecord("s-1", family="Corrected")
    office.outbox.retry("s-1", "share", office.times.now)
    await office.deliver(_share(share))
    file = share / "main-s-1.fhir.json"
    seal = f"{file.name}.seal.json"
    assert sorted(each.name for each in share.iterdir()) == [file.name, seal, "other"]
    assert b"Corrected" in file.read_bytes()
    assert (share / seal).read_text() == f"fhir s-1 {file.stat().st_size}"


async def test_a_folder_that_is_missing(office: Office) -> None:
    """Nothing is written beside a mount that is not there; once it is, the session arrives."""
    share = office.data / "share"
    office.times.on_wait = lambda: share.mkdir(exist_ok=True)
    await office.deliver(_share(share))
    outcome: Any = office.outbox.puts[0].outcome
    assert outcome["reason"] == "no_folder"
    assert outcome["last_answer"]["body"] == "No such file or directory"
    assert office.outbox.rows["s-1", "share"].status is DeliveryStatus.DELIVERED


def test_nobody_sees_half_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be written whole is not there at all, and leaves nothing behind."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        place(tmp_path, "a.json", b"content")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_the_drafts_place_is_not_followed(tmp_path: Path) -> None:
    """Who may write into the folder cannot have us write elsewhere."""
    (tmp_path / "share").mkdir()
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / "share" / ".a.json.part").symlink_to(precious)
    (tmp_path / "share" / "a.json").symlink_to(precious)
    place(tmp_path / "share", "a.json", b"content")
    assert precious.read_text() == "kept"
    assert (tmp_path / "share" / "a.json").read_bytes() == b"content"
