"""The documents of all backups, and the log of which backup has which."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from session_controller.backup import shelf as shelving
from session_controller.backup.manifest import Listed
from session_controller.backup.shelf import LOG, Shelf, discard_unused, names_of
from session_controller.errors import StoreError
from session_controller.security.encryption import Cipher
from session_controller.storage.documents import DocumentStore

ROOM = 1 << 40
CIPHER = Cipher(b"k" * 32)


@pytest.fixture
def live(tmp_path: Path) -> DocumentStore:
    """The documents of a box."""
    return DocumentStore(tmp_path / "live")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of backups."""
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups"


def taken(live: DocumentStore, folder: Path, count: int) -> Iterator[Listed]:
    """Yield what backups list: each time, a document came and the oldest of five went."""
    for n in range(count):
        live.put(("s-1", "photo"), CIPHER, b"%04d" % n)
        if len(names := sorted((live.folder / "s-1").iterdir(), key=_age)) > 5:
            live.discard("s-1", names[0].name)
        yield Shelf(folder, ROOM).update(live.folder)


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns


def test_the_log_has_only_what_the_backups_list(live: DocumentStore, folder: Path) -> None:
    """However many documents came and went; what is kept stays as it is."""
    kept = list[Listed]()
    for one in taken(live, folder, 100):
        kept = [*kept[-3:], one]
        discard_unused(folder, kept)
        assert [len(names_of(folder, each)) for each in kept] == [each.count for each in kept]
        assert len((folder / LOG).read_text().splitlines()) <= 2 * (5 + 2 * 4 + 4) + 2
    assert kept[-1].lines == 195
    assert len(list(folder.glob("documents/*/*"))) == 8


def test_a_log_that_is_shortened_and_killed_is_the_old_or_the_new(
    live: DocumentStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is replaced at once."""
    *_, last = taken(live, folder, 30)
    before = (folder / LOG).read_bytes()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            discard_unused(folder, [last])
    assert (folder / LOG).read_bytes() == before
    assert len(names_of(folder, last)) == 5
    discard_unused(folder, [last])
    assert len((folder / LOG).read_bytes()) < len(before) // 4
    assert len(names_of(folder, last)) == 5


@pytest.mark.parametrize("damage", ["lost", "cut"])
def test_no_document_goes_while_the_log_does_not_list_them(
    damage: str, live: DocumentStore, folder: Path
) -> None:
    """Without a log nothing is known to be unused; the box then lists all again."""
    *_, last = taken(live, folder, 5)
    log = folder / LOG
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    if damage == "lost":
        log.unlink()
    discard_unused(folder, [last])
    assert len(list(folder.glob("documents/*/*"))) == 5
    again = Shelf(folder, ROOM).update(live.folder)
    assert len(names_of(folder, again)) == 5


@pytest.mark.parametrize(
    "line", [b"+s-1/\xff\n", b"\n", b"=1\n=0\n", b"=-1\n", b"=" + b"9" * 5000 + b"\n", b"+s\x1c\n"]
)
def test_a_damaged_log_is_named(line: bytes, folder: Path) -> None:
    """Whatever is in it."""
    (folder / LOG).write_bytes(line)
    with pytest.raises(StoreError, match=r"documents\.log is damaged"):
        names_of(folder, Listed(lines=1, count=1))


def test_documents_that_a_killed_backup_copied_are_synced(
    live: DocumentStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their names need not be on the disk yet when the next backup finds them."""
    live.put(("s-1", "photo"), CIPHER, b"x")
    synced = list[Path]()

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Shelf, "_sync", killed)
        with pytest.raises(KeyboardInterrupt):
            Shelf(folder, ROOM).update(live.folder)
    monkeypatch.setattr(shelving, "sync_folder", synced.append)
    assert Shelf(folder, ROOM).update(live.folder).count == 1
    assert folder / "documents" / "s-1" in synced
    synced.clear()
    Shelf(folder, ROOM).update(live.folder)
    assert synced == []
