"""Which backups are kept, and what they no longer need.

Grandfather, father, son: the newest ones, then the newest of each day, week and month. Packs of
which less than half is still needed are written anew, and many small ones are joined. All of it in
a separate process: `python -m session_controller.backup.keeping ORDER`, as JSON.
"""

import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from session_controller.backup.manifest import Header, Manifest, listed, read_header, read_manifest
from session_controller.backup.packs import (
    DRAFT,
    FOLDER,
    HASH_BYTES,
    NoSpaceError,
    PackWriter,
    PageMap,
    PageReader,
    names,
    pack_path,
    page_hash,
    read_index,
)
from session_controller.backup.reading import only_used
from session_controller.backup.shelf import DOCUMENTS, discard_unused, names_in
from session_controller.backup.turns import Alive, always, as_long_as, turn
from session_controller.errors import StoreError

_SMALL = 4 << 20
_MANY = 128
"""So many packs of less than 4 MiB are joined: a month of them, at four backups a day."""
_HALF, _TIGHT = 0.5, 0.75
"""Share of a pack that is used, below which it is written anew: as a rule, and to save space."""
MOST = 1.5
"""How many times the live data all backups may take; with it, the box stays below 2.5 times."""
WAY_BACK = timedelta(days=30)
"""How long a backup from before an upgrade is kept at least, unless all take too much."""
_LITTLE = 256 << 20
"""Below this many bytes, nothing is dropped for its size."""


@dataclass(frozen=True, slots=True)
class Keep:
    """How many backups are kept: the newest, and one per day, week and month."""

    last: int = 4
    daily: int = 7
    weekly: int = 4
    monthly: int = 12


def kept(times: Sequence[datetime], keep: Keep) -> set[datetime]:
    """Return the times of the backups to keep, of those that there are, newest first."""
    chosen = set(times[: keep.last])
    for count, period in (
        (keep.daily, datetime.date),
        (keep.weekly, lambda at: at.isocalendar()[:2]),
        (keep.monthly, lambda at: (at.year, at.month)),
    ):
        newest = dict[object, datetime]()
        for at in times:
            newest.setdefault(period(at), at)
        chosen |= set(list(newest.values())[:count])
    return chosen


def _ways_back(headers: Collection[Header]) -> set[datetime]:
    """Return the times of the backups that lead back to the version before an upgrade."""
    newest = max((one.taken for one in headers), default=None)
    if newest is None:
        return set()
    return {h.taken for h in headers if h.before_upgrade and newest - h.taken <= WAY_BACK}


@dataclass(frozen=True, slots=True)
class Tidied:
    """What was done."""

    removed: int
    """Backups that were not to be kept."""
    dropped: int
    """Backups that were to be kept, but take too much of the disk."""
    bytes: int
    """The size of all that is left."""
    written: int


def tidy(folder: Path, keep: Keep, limit: int, alive: Alive = always) -> Tidied:
    """Remove what is not to be kept, and what nothing needs; write at most `limit` bytes.

    Raises `OSError`, `StoreError`.
    """
    paths = listed(folder)
    headers = {path: read_header(path) for path in paths}
    chosen = kept([headers[path].taken for path in paths], keep) | _ways_back(headers.values())
    gone = [path for path in paths if headers[path].taken not in chosen]
    for path in gone:
        path.unlink()
    written = collect(folder, limit, alive=alive)
    dropped, size = 0, size_of(folder)
    most = max(MOST * headers[paths[0]].data, _LITTLE) if paths else 0
    left = [path for path in paths if path not in gone]
    if size > most:
        written += collect(folder, limit - written, _TIGHT, alive)
        size = size_of(folder)
    while size > most and len(left) > keep.last:
        left.pop().unlink()
        dropped += 1
        written += collect(folder, limit - written, _TIGHT, alive)
        size = size_of(folder)
    return Tidied(len(gone), dropped, size, written)


def size_of(folder: Path) -> int:
    """Return the bytes of all packs, documents and lists."""
    files = [pack_path(folder, name) for name in names(folder)] + listed(folder)
    documents = folder / DOCUMENTS
    files += [documents / session / name for session, name in names_in(documents)]
    return sum(path.stat().st_size for path in files)


def collect(folder: Path, limit: int, share: float = _HALF, alive: Alive = always) -> int:
    """Remove what no backup needs, and write packs anew that are mostly unused; return bytes.

    Those are packs of which less than `share` is used. Killed at any point, it leaves every backup
    whole: a pack goes once no list names it. Raises `OSError`, `StoreError`.
    """
    paths = listed(folder)
    discard_unused(folder, [read_header(path).documents for path in paths])
    manifests = {path: read_manifest(path) for path in paths}
    remove_unnamed(folder)
    used = _used(folder, manifests.values())
    few = {name for name, flags in used.items() if sum(flags) < share * len(flags)}
    small = {n for n in used if pack_path(folder, n).stat().st_size < _SMALL}
    victims = few | (small if len(small) > _MANY else set())
    if not victims:
        return 0
    moving = _Moving(folder, manifests, used, limit, alive)
    try:
        written = moving.move(sorted(victims))
    except NoSpaceError:
        return 0  # tried again after the next backup
    remove_unnamed(folder)
    return written


def remove_unnamed(folder: Path) -> None:
    """Remove drafts, and packs that no backup names. Raises `OSError`, `StoreError`."""
    named = {name for path in listed(folder) for name in read_header(path).packs}
    for name in names(folder):
        if name not in named:
            pack_path(folder, name).unlink()
    for draft in (folder / FOLDER).glob(f"*{DRAFT}"):
        draft.unlink(missing_ok=True)


def _used(folder: Path, manifests: Iterable[Manifest]) -> dict[str, bytearray]:
    """Return for each pack which of its pages any backup needs."""
    used = dict[str, bytearray]()
    for manifest in manifests:
        packs = manifest.header.packs
        for name in packs:
            if name not in used:
                used[name] = bytearray(len(read_index(folder, name)) // HASH_BYTES)
        for pack, first, count in manifest.pages:
            if pack != PageMap.ZERO:
                used[packs[pack]][first : first + count] = b"\x01" * count
    return used


@dataclass(slots=True)
class _Moving:
    """Moves the pages that are needed out of some packs."""

    folder: Path
    manifests: dict[Path, Manifest]
    used: dict[str, bytearray]
    limit: int
    alive: Alive
    _new: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)

    def move(self, victims: Sequence[str]) -> int:
        """Write the pages into new packs, then each list that names one; return the bytes."""
        size = next(iter(self.manifests.values())).header.page_size
        if any(m.header.page_size != size for m in self.manifests.values()):
            return 0
        writer, reader = PackWriter(self.folder, size, self.limit), PageReader(self.folder, size)
        try:
            for name in victims:
                self.alive()
                for number in [n for n, flag in enumerate(self.used[name]) if flag]:
                    (page,) = reader.read(name, number, 1)
                    self._new[name, number] = writer.add(page, page_hash(page))
            writer.finish()
        except BaseException:
            writer.discard()
            raise
        finally:
            reader.close()
        moved = set(victims)
        return writer.written + sum(
            self._moved(manifest, writer.made).write(path)
            for path, manifest in self.manifests.items()
            if moved & set(manifest.header.packs)
        )

    def _moved(self, manifest: Manifest, made: Sequence[str]) -> Manifest:
        self.alive()
        packs = manifest.header.packs
        pages = PageMap()
        for pack, first, count in manifest.pages:
            for number in range(first, first + count):
                place = None if pack == PageMap.ZERO else self._new.get((packs[pack], number))
                if place is None:
                    pages.add(pack, number)
                else:
                    pages.add(len(packs) + place[0], place[1])
        names_, pages = only_used((*packs, *made), pages)
        header = manifest.header.model_copy(update={"packs": names_})
        return replace(manifest, header=header, pages=pages)


def main() -> int:
    """Carry out the order on the command line; print what was done as JSON."""
    order = json.loads(sys.argv[1])
    os.nice(10)
    try:
        folder, alive = Path(order["folder"]), as_long_as(order["parent"])
        with turn(folder):
            done = tidy(folder, Keep(**order["keep"]), order["limit"], alive)
    except (OSError, StoreError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    sys.stdout.write(json.dumps(asdict(done)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
