"""A copy of a backup elsewhere: complete, whatever happens while it is made."""

import fcntl
import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from session_controller.backup import elsewhere
from session_controller.backup.checking import assemble, document_fault
from session_controller.backup.elsewhere import copy_backup
from session_controller.backup.keeping import Keep, collect, tidy
from session_controller.backup.manifest import Manifest, listed, read_header, read_manifest
from session_controller.backup.packs import names, pack_path
from session_controller.backup.shelf import Shelf, discard_unused, forget_documents, names_of
from session_controller.errors import BackupNewerError, StoreError
from session_controller.security.encryption import BoxKeys, Cipher, new_key
from session_controller.security.keyring import (
    Keyring,
    keyring_of,
    read_keyring,
    remove_from_keyring,
    write_keyring,
)
from session_controller.storage.documents import DocumentStore
from session_controller.storage.room import Room
from tests.backup.test_keeping import NOW, ROOM, Folder

CIPHER = Cipher(b"k" * 32)


class Box:
    """A data folder whose backups have pages, documents and keys."""

    def __init__(self, data: Path) -> None:
        self.data, self.backups = data, data / "backups"
        self.backups.mkdir(parents=True)
        self.folder, self.live, self.count = Folder(self.backups), DocumentStore(data), 0
        keys = {f"session:s-{n}": b"key" for n in range(1, 4)}
        box_key, self.key = new_key(), Ed25519PrivateKey.generate()
        keys["log"] = BoxKeys([box_key]).wrap(self.key.private_bytes_raw(), "log")
        write_keyring(self.backups / "keyring", Keyring(keys, {"box.key": box_key}))

    def take(self, changed: int = 20) -> str:
        """Back up; each time, each session has another document."""
        for n in range(1, 4):
            self.live.sweep(f"s-{n}", ())
            self.live.put((f"s-{n}", "photo"), CIPHER, b"document %d" % self.count)
        at = NOW + timedelta(hours=self.count)
        self.count += 1
        path = self.folder.take(at, changed)
        documents = Shelf(self.backups, ROOM).update(self.live.folder)
        manifest = read_manifest(path)
        header = manifest.header.model_copy(update={"documents": documents})
        Manifest(header, manifest.pages).sign(self.key.sign).write(path)
        return path.name

    def purge(self, session: str) -> None:
        """Purge a session as the box does."""
        remove_from_keyring(self.backups / "keyring", {f"session:{session}"})
        forget_documents(self.backups, [session])


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A box with a few backups."""
    box = Box(tmp_path / "data")
    for _ in range(5):
        box.take()
    return box


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """Where copies go."""
    return tmp_path / "stick"


def whole(copy: Path, documents: int = 3) -> bool:
    """Return whether a restore would accept a copy."""
    manifest, keyring = read_manifest(copy), read_keyring(keyring_of(copy))
    assemble(copy.parent, manifest)
    found = names_of(copy.parent, manifest.header.documents)
    assert [fault for name in found if (fault := document_fault(copy.parent, name, keyring))] == []
    return len(list(copy.parent.glob("documents/*/*"))) == documents


def before(
    step: str, once: Callable[[], object], monkeypatch: pytest.MonkeyPatch, owner: Any = elsewhere
) -> None:
    """Do something before the first call of a step."""
    original, waiting = getattr(owner, step), [once]

    def do(*arguments: Any) -> Any:
        if waiting:
            waiting.pop()()
        return original(*arguments)

    monkeypatch.setattr(owner, step, do)


def test_a_second_copy_replaces_the_first(box: Box, stick: Path) -> None:
    """Nothing of the first is left, not even what a killed one left."""
    first, _ = copy_backup(box.data, listed(box.backups)[1].name, stick)
    assert whole(first)
    (stick / "handrail-left.backup.new").write_bytes(b"torn")
    second, keys = copy_backup(box.data, box.take(), stick)
    assert whole(second)
    assert listed(stick) == [second]
    assert set(names(stick)) == set(read_header(second).packs)
    assert not list(stick.rglob("*.new*"))
    assert keys.stat().st_mode & 0o777 == second.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("step", ["_copy_packs", "_copy_documents"])
def test_thinning_does_not_disturb_a_copy(
    step: str, box: Box, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pages may be in other packs by then, and its list another one."""
    monkeypatch.setattr("session_controller.backup.keeping._MANY", 1)
    name = listed(box.backups)[0].name
    packs = read_header(box.backups / name).packs
    before(step, lambda: collect(box.backups, ROOM), monkeypatch)
    copy, _ = copy_backup(box.data, name, stick)
    assert copy.name == name
    assert read_header(box.backups / name).packs != packs
    assert whole(copy)


@pytest.mark.parametrize("step", ["_copy_list", "_copy_packs", "_copy_documents"])
def test_a_backup_that_goes_meanwhile_is_replaced_by_the_newest(
    step: str, box: Box, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others may be taken while a slow disk is written."""
    name = listed(box.backups)[0].name

    def take_others() -> None:
        for _ in range(3):
            box.take(200)
        tidy(box.backups, Keep(1, 0, 0, 0), ROOM)

    before(step, take_others, monkeypatch)
    copy, _ = copy_backup(box.data, name, stick)
    assert copy.name == listed(box.backups)[0].name != name
    assert whole(copy)


def test_what_is_damaged_in_the_copy_is_copied_again(box: Box, stick: Path) -> None:
    """Its size alone says nothing."""
    name = listed(box.backups)[0].name
    copy, _ = copy_backup(box.data, name, stick)
    for path in (*stick.glob("packs/*"), *stick.glob("documents/*/*")):
        path.write_bytes(bytes(path.stat().st_size))
    copy_backup(box.data, name, stick)
    assert whole(copy)


def test_what_is_damaged_in_the_backup_is_named(box: Box, stick: Path) -> None:
    """A copy that was there stays."""
    older = listed(box.backups)[1].name
    copy, _ = copy_backup(box.data, older, stick)
    name = listed(box.backups)[0].name
    only = set(read_header(box.backups / name).packs) - set(read_header(copy).packs)
    pack = pack_path(box.backups, only.pop())
    content = pack.read_bytes()
    pack.write_bytes(bytes(len(content)))
    with pytest.raises(StoreError, match="missing or damaged"):
        copy_backup(box.data, name, stick)
    pack.write_bytes(content)
    document = next((box.backups / "documents" / "s-1").iterdir())
    for path in (box.backups / "documents" / "s-1").iterdir():
        path.unlink()
    with pytest.raises(StoreError, match=f"{document.parent}/.* is missing"):
        copy_backup(box.data, name, stick)
    assert listed(stick) == [copy]
    assert whole(copy, 5)


@pytest.mark.parametrize("step", ["names_of", "Shelf", "write_keyring"])
def test_a_purge_during_a_copy_leaves_it_whole(
    step: str, box: Box, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A document without a key may be missing; one with a key may not."""
    before(step, lambda: box.purge("s-1"), monkeypatch)
    copy, _ = copy_backup(box.data, listed(box.backups)[0].name, stick)
    assert whole(copy, 3 if step == "write_keyring" else 2)


def test_a_damaged_copy_of_what_was_purged_goes(box: Box, stick: Path) -> None:
    """It cannot be made again, and a restore would refuse it."""
    name = listed(box.backups)[0].name
    copy_backup(box.data, name, stick)
    for path in stick.glob("documents/s-1/*"):
        path.write_bytes(b"damaged")
    box.purge("s-1")
    assert whole(copy_backup(box.data, name, stick)[0], 2)


@pytest.mark.parametrize("step", ["write_keyring", "write_log", "_replace", "remove_unnamed"])
def test_a_copy_that_is_killed_leaves_the_former_whole(
    step: str, box: Box, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the new one is there, also where the box no longer knows the former's documents."""
    former, _ = copy_backup(box.data, listed(box.backups)[0].name, stick)
    for _ in range(9):
        name = box.take()
    newest = box.backups / name
    for path in listed(box.backups)[1:]:
        path.unlink()
    discard_unused(box.backups, [read_header(newest).documents])
    assert (box.backups / "documents.log").read_text().count("\n") < 9

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(elsewhere, step, killed)
        with pytest.raises(KeyboardInterrupt):
            copy_backup(box.data, name, stick)
    found = listed(stick)
    assert found == [former] if step != "remove_unnamed" else found[0].name == name
    assert whole(found[0], 6)
    assert whole(copy_backup(box.data, name, stick)[0])


def test_one_copy_is_made_at_a_time(box: Box, stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two into one folder would remove each other's packs."""
    tried = list[bool]()

    def try_another() -> None:
        handle = os.open(box.backups / "packs", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(handle)
        tried.append(True)

    before("_copy_packs", try_another, monkeypatch)
    copy_backup(box.data, listed(box.backups)[0].name, stick)
    assert tried


@pytest.mark.parametrize("place", [".", "backups", "backups/copy", "link"])
def test_nothing_is_copied_into_the_data_folder(place: str, box: Box) -> None:
    """The box's own documents and backups are there, which a copy would replace."""
    (box.data / "link").symlink_to(box.backups)
    found = sorted(box.data.rglob("*"))
    with pytest.raises(StoreError, match="is in the data folder"):
        copy_backup(box.data, listed(box.backups)[0].name, box.data / place)
    assert sorted(box.data.rglob("*")) == found


@pytest.mark.parametrize("name", ["handrail.sqlite", "keyring"])
def test_nothing_is_copied_over_another_box(name: str, box: Box, stick: Path) -> None:
    """Neither into its data folder nor among its backups: what is there would be removed."""
    stick.mkdir()
    (stick / name).touch()
    with pytest.raises(StoreError, match="has all backups of a box, or its data"):
        copy_backup(box.data, listed(box.backups)[0].name, stick)
    assert list(stick.iterdir()) == [stick / name]


def test_the_copy_of_another_box_is_not_replaced(box: Box, stick: Path, tmp_path: Path) -> None:
    """It may be the only one, of a box whose disk failed; a damaged one is replaced."""
    other = Box(tmp_path / "other")
    copy, _ = copy_backup(other.data, other.take(), stick)
    name = listed(box.backups)[0].name
    found = {path: path.stat().st_mtime_ns for path in stick.rglob("*")}
    with pytest.raises(StoreError, match="has the backup of another box"):
        copy_backup(box.data, name, stick)
    assert {path: path.stat().st_mtime_ns for path in stick.rglob("*")} == found
    copy.write_bytes(b"torn")
    assert whole(copy_backup(box.data, name, stick)[0])


def test_a_box_key_that_is_kept_elsewhere_is_not_needed(box: Box, stick: Path) -> None:
    """The command copies without it."""
    keyring = box.backups / "keyring"
    write_keyring(keyring, Keyring(read_keyring(keyring).keys, {}))
    for _ in range(2):
        assert whole(copy_backup(box.data, box.take(), stick)[0])


def test_a_copy_beside_the_box_leaves_the_reserve(
    box: Box, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is copied that does not fit besides it; what is there already counts as nothing."""
    name = listed(box.backups)[0].name
    rooms = [Room(1 << 30, (1 << 30) // 10)]  # all that is left is the reserve
    monkeypatch.setattr(elsewhere, "Room", _Rooms(rooms))
    with pytest.raises(StoreError, match="kept free for check-ins; name a folder on another disk"):
        copy_backup(box.data, name, stick)
    assert not list(stick.rglob("*.pack")) + list(stick.glob("documents/*/*"))
    rooms[0] = Room(1 << 30, 1 << 29)
    copy, _ = copy_backup(box.data, name, stick)
    rooms[0] = Room(1 << 30, 0)
    assert copy_backup(box.data, name, stick)[0] == copy
    assert whole(copy)


class _Rooms:
    """What the file system says, as told."""

    def __init__(self, rooms: list[Room]) -> None:
        self._rooms = rooms

    def on(self, _: Path) -> Room:
        return self._rooms[0]


def _by_a_newer_version(path: Path, **more: object) -> None:
    """Write a list as a later version may: with what this one does not know."""
    line, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(json.dumps({**json.loads(line), **more}).encode() + b"\n" + rest)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"program": "9.1.0", "compressed": True}, "9.1.0"),
        ({"v": 2}, "0.1.0"),
        ({"program": "\x1b[2J", "documents": {"lines": 0, "kind": "x"}}, "of unknown number"),
    ],
)
def test_a_backup_by_a_newer_version_is_said_to_be_one(
    box: Box, stick: Path, more: dict[str, object], named: str
) -> None:
    """It is not called damaged, nothing of it is removed, and no copy replaces it."""
    name = box.take()
    path, _ = copy_backup(box.data, name, stick)
    _by_a_newer_version(path, **{"program": "0.1.0", **more})
    with pytest.raises(BackupNewerError) as newer:
        read_header(path)
    text = str(newer.value)
    assert f"a newer version of Handrail ({named})" in text
    assert "upgrade it first" in text
    assert "damaged" not in text
    before = path.read_bytes()
    with pytest.raises(BackupNewerError):
        copy_backup(box.data, box.take(), stick)
    with pytest.raises(BackupNewerError):
        tidy(stick, Keep(1, 0, 0, 0), 1 << 30)
    assert path.read_bytes() == before
    assert all(
        pack_path(stick, pack).exists() for pack in json.loads(before.split(b"\n")[0])["packs"]
    )
