"""Which backups are kept, what they need, and what all of them take."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from session_controller.backup import keeping
from session_controller.backup.checking import assemble
from session_controller.backup.keeping import Keep, collect, kept, size_of, tidy
from session_controller.backup.manifest import (
    Header,
    Listed,
    Manifest,
    RootHash,
    listed,
    read_header,
    read_manifest,
)
from session_controller.backup.packs import PackWriter, PageMap, names, pack_path, page_hash
from session_controller.backup.reading import only_used
from session_controller.backup.shelf import Shelf, discard_unused, names_of
from session_controller.security.encryption import Cipher
from session_controller.storage.documents import DocumentStore

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
SIZE = 512
ROOM = 1 << 40


def test_a_son_a_father_and_a_grandfather_are_kept() -> None:
    """Of two years at four backups a day: the last four, then one per day, week and month."""
    times = [NOW - timedelta(hours=6 * n) for n in range(4 * 730)]
    chosen = kept(times, Keep())
    assert set(times[:4]) <= chosen
    assert len({at.date() for at in chosen if at > NOW - timedelta(days=6)}) == 7
    assert len({(at.year, at.month) for at in chosen}) == 12
    assert 4 + 6 + 2 + 10 <= len(chosen) <= 4 + 7 + 4 + 12


def test_a_gap_in_the_backups_uses_up_no_day() -> None:
    """A box that was off for a year still has the backups of before."""
    times = [NOW, *(NOW - timedelta(days=365 + n) for n in range(30))]
    assert len(kept(times, Keep(1, 7, 0, 0))) == 7


class Folder:
    """Backups of a database of random pages, of which some change each time."""

    def __init__(self, path: Path, pages: int = 200) -> None:
        self.path, self.random = path, Random(1)
        self.pages = [self.random.randbytes(SIZE) for _ in range(pages)]
        self.states: dict[Path, list[bytes]] = {}

    def take(self, at: datetime, changed: int) -> Path:
        """Change some pages, and write a backup as the box does."""
        for n in self.random.sample(range(len(self.pages)), changed):
            self.pages[n] = self.random.randbytes(SIZE)
        newest = next(iter(listed(self.path)), None)
        former = read_manifest(newest) if newest else None
        old = self.states[newest] if newest else []
        places = list(zip(*former.pages.pages(), strict=True)) if former else []
        packs = former.header.packs if former else ()
        writer, pages, root = PackWriter(self.path, SIZE, ROOM), PageMap(), RootHash()
        for n, page in enumerate(self.pages):
            root.add(page_hash(page))
            if n < len(old) and old[n] == page:
                pages.add(*places[n])
            else:
                pack, index = writer.add(page, page_hash(page))
                pages.add(len(packs) + pack, index)
        writer.finish()
        used, pages = only_used((*packs, *writer.made), pages)
        header = Header(
            taken=at,
            page_size=SIZE,
            pages=len(self.pages),
            root=root.hexdigest(),
            packs=used,
            data=SIZE * len(self.pages),
        )
        path = self.path / f"handrail-{at:%Y%m%dT%H%M%S}.000000Z.backup"
        Manifest(header, pages).write(path)
        self.states[path] = list(self.pages)
        return path

    def check(self) -> None:
        """Assert that every backup that is there is whole."""
        for path in listed(self.path):
            with (self.path / "whole").open("w+b") as file:
                assemble(self.path, read_manifest(path), file)
                file.seek(0)
                assert file.read() == b"".join(self.states[path])


def test_backups_stay_whole_however_they_are_thinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a year of them; packs that are mostly unused are written anew, small ones joined."""
    monkeypatch.setattr(keeping, "_MANY", 10)
    folder = Folder(tmp_path)
    written = changed = 0
    for n in range(150):
        folder.take(NOW + timedelta(days=n), 10)
        changed += 10 * SIZE
        written += tidy(tmp_path, Keep(), ROOM).written
        assert len(names(tmp_path)) <= 10 + 5
    folder.check()
    assert 10 < len(listed(tmp_path)) <= 27
    used = {p for path in listed(tmp_path) for p in read_header(path).packs}
    assert set(names(tmp_path)) == used
    pages = sum(pack_path(tmp_path, name).stat().st_size for name in used) // SIZE
    needed = len({page for path in listed(tmp_path) for page in folder.states[path]})
    assert pages <= 2 * needed + len(used)


def test_all_backups_take_at_most_so_many_times_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If much changes, older ones go before their time; the last ones stay."""
    monkeypatch.setattr(keeping, "_LITTLE", 0)
    folder = Folder(tmp_path, 400)
    for n in range(30):
        folder.take(NOW + timedelta(days=n), 10)
        done = tidy(tmp_path, Keep(), ROOM)
        assert done.bytes == size_of(tmp_path) <= keeping.MOST * 400 * SIZE
    assert len(listed(tmp_path)) >= 4
    folder.check()


@pytest.mark.parametrize("step", ["_moved", "remove_unnamed", "write"])
def test_thinning_that_is_killed_leaves_every_backup_whole(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first list is written, between two of them, and before old packs are removed."""
    folder = Folder(tmp_path)
    for n in range(6):
        folder.take(NOW + timedelta(hours=n), 60)
    for path in listed(tmp_path)[2:]:
        path.unlink()
    calls = iter(range(100))

    def killed(*arguments: object) -> object:
        if next(calls) == 1 or step == "_moved":
            raise KeyboardInterrupt
        return original(*arguments)  # type: ignore[operator]

    owner = {"_moved": keeping._Moving, "write": Manifest}.get(step, keeping)
    original = getattr(owner, step)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, killed)
        with pytest.raises(KeyboardInterrupt):
            collect(tmp_path, ROOM)
    folder.check()
    collect(tmp_path, ROOM)
    folder.check()
    assert set(names(tmp_path)) == {p for m in listed(tmp_path) for p in read_header(m).packs}


def test_packs_are_not_written_anew_where_there_is_no_room(tmp_path: Path) -> None:
    """What is unused goes, what is used stays where it is."""
    folder = Folder(tmp_path)
    for n in range(4):
        folder.take(NOW + timedelta(hours=n), 150)
    for path in listed(tmp_path)[1:]:
        path.unlink()
    assert collect(tmp_path, 1000) == 0
    folder.check()
    assert collect(tmp_path, ROOM) > 0
    folder.check()


def test_documents_stay_for_as_long_as_a_backup_lists_them(tmp_path: Path) -> None:
    """One that was replaced goes with the last backup that has it; a new one is copied once."""
    live, folder = DocumentStore(tmp_path / "live"), tmp_path / "backups"
    folder.mkdir()
    cipher = Cipher(b"k" * 32)
    lists = list[Listed]()
    all_names = [live.put(("s-1", "photo"), cipher, bytes([n]) * 100) for n in range(4)]
    for name in all_names:
        shelf = Shelf(folder, ROOM)
        lists.append(shelf.update(live.folder))
        live.discard("s-1", name)
    assert [len(names_of(folder, one)) for one in lists] == [4, 3, 2, 1]
    discard_unused(folder, [lists[1], lists[3]])
    assert sorted(path.name for path in folder.glob("documents/*/*")) == sorted(all_names[1:])
    discard_unused(folder, [lists[3]])
    assert [path.name for path in folder.glob("documents/*/*")] == all_names[3:]
    assert Shelf(folder, ROOM).update(live.folder).count == 0
    with (folder / "documents.log").open("a") as log:
        log.write("+s-1/cut")
    live.put(("s-2", "photo"), cipher, b"new")
    assert len(names_of(folder, Shelf(folder, ROOM).update(live.folder))) == 1


def test_a_second_copy_of_documents_writes_nothing(tmp_path: Path) -> None:
    """What is there is not copied again."""
    live, folder = DocumentStore(tmp_path / "live"), tmp_path / "backups"
    folder.mkdir()
    live.put(("s-1", "photo"), Cipher(b"k" * 32), b"x" * 1000)
    first, second = Shelf(folder, ROOM), Shelf(folder, ROOM)
    first.update(live.folder)
    second.update(live.folder)
    assert 1000 < first.written < 1300
    assert second.written == 0
