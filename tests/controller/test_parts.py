"""Bytes of uploads are in files: what is counted is there, and what is not counted does no harm."""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from sqlite_utils import Database

from schemas.questionnaire.load import load_flow
from schemas.topics import UploadTopic
from schemas.wire.views import DocumentStatus
from session_controller import failpoints
from session_controller.backup.backups import Backups
from session_controller.backup.restore import restore
from session_controller.engine.state import Document, StoredDocument
from session_controller.failpoints import Point
from session_controller.integrity.data_folder import Extent, verify
from session_controller.media.outcome import Inspected
from session_controller.security.encryption import Cipher, DecryptionError
from session_controller.settings import Settings
from session_controller.storage import database, documents
from session_controller.storage.database import Outdated
from session_controller.storage.documents import DocumentStore, part_name
from session_controller.storage.entities import Chunk
from session_controller.storage.reader import Reader
from session_controller.storage.schema import SCHEMA
from session_controller.storage.segments import FORMAT, open_segments, seal_document
from session_controller.storage.shape import Difference
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction
from tests.contract.forms import form, item
from tests.controller.entering import enter_step_one, looked, take_as_it_is, upload
from tests.faults.history import Refused
from tests.faults.loopback import Stage, staged
from tests.pictures import png

KEY = Cipher(b"k" * 32)
PHOTO = ("s-1", "photo")
PICTURE = png(200_000)
SIZE = 65_536


def append(store: DocumentStore, *chunks: tuple[int, bytes], upload: str = "photo") -> None:
    """Append chunks to an upload."""
    store.append([Chunk("s-1", upload, at, data) for at, data in chunks], lambda _: KEY)


def held(store: DocumentStore, size: int) -> bytes | None:
    """Return the first bytes of the upload as the store reads them."""
    part = store.part(PHOTO, size)
    return open_segments(KEY, *PHOTO, part.sealed) if part else None


def path_of(data: Path, upload: tuple[str, str] = PHOTO) -> Path:
    """Return the path of an upload's file."""
    return data / "documents" / upload[0] / part_name(upload[1])


# --- the file ------------------------------------------------------------------------------


@pytest.mark.parametrize("cached", [True, False])
def test_what_is_not_counted_is_overwritten(tmp_path: Path, *, cached: bool) -> None:
    """A batch that was handled twice gives the same document, also after a start."""
    store = DocumentStore(tmp_path)
    append(store, (0, b"abc"), (3, b"def"))
    append(store, (6, b"uncounted"), (15, b"bytes"))
    again = store if cached else DocumentStore(tmp_path)
    append(again, (6, b"gh"))
    assert held(again, 8) == b"abcdefgh"
    append(again, (6, b"gh"))
    append(again, (8, b"i"))
    assert held(again, 9) == b"abcdefghi"
    assert held(DocumentStore(tmp_path), 9) == b"abcdefghi"


@pytest.mark.parametrize("torn", [1, 4, 5, 20, 35])
def test_a_torn_segment_is_cut_off(tmp_path: Path, torn: int) -> None:
    """Wherever the power failed: what is before it counts, and bytes are appended there."""
    store, path = DocumentStore(tmp_path), path_of(tmp_path)
    append(store, (0, b"abcdef"))
    size = path.stat().st_size
    append(store, (6, b"ghij"))
    with path.open("r+b") as file:
        file.truncate(size + torn)
    later = DocumentStore(tmp_path)
    assert not later.holds(PHOTO, 10)
    assert later.holds(PHOTO, 6)
    append(later, (6, b"g"))
    assert held(later, 7) == b"abcdefg"
    assert path.stat().st_size == size + 4 + 28 + 1


@pytest.mark.parametrize("size", [1, 5, 7])
def test_only_what_ends_with_a_chunk_is_held(tmp_path: Path, size: int) -> None:
    """Bytes are counted by chunks: a count between two of them is not of this file."""
    store = DocumentStore(tmp_path)
    append(store, (0, b"abcdef"))
    assert not store.holds(PHOTO, size)
    assert store.part(PHOTO, size) is None
    with pytest.raises(FileNotFoundError):
        append(DocumentStore(tmp_path), (size, b"more"))


def test_zeros_are_no_segments(tmp_path: Path) -> None:
    """As a file may hold after a power failure, in place of its content."""
    store, path = DocumentStore(tmp_path), path_of(tmp_path)
    append(store, (0, b"abcdef"))
    later = (28 + 28 + 6).to_bytes(4, "big") + bytes(28 + 28 + 6)
    path.write_bytes(FORMAT + bytes(4) + later)
    assert not DocumentStore(tmp_path).holds(PHOTO, 6)


def test_an_upload_that_begins_again_is_another_file(tmp_path: Path) -> None:
    """What was linked before, or is being read, does not change."""
    store = DocumentStore(tmp_path)
    append(store, (0, b"abcdef"))
    part = store.part(PHOTO, 6)
    assert part is not None
    name = store.keep(part)
    append(store, (0, b"another"))
    assert held(store, 7) == b"another"
    sealed = store.sealed("s-1", name)
    assert sealed == part.sealed
    assert open_segments(KEY, *PHOTO, sealed) == b"abcdef"


def test_a_segment_opens_in_its_place_alone() -> None:
    """Not in another upload, session or order; nor without those before it."""
    whole = seal_document(KEY, *PHOTO, bytes(SIZE) + b"rest")
    assert open_segments(KEY, *PHOTO, whole) == bytes(SIZE) + b"rest"
    first, second = whole[len(FORMAT) : len(FORMAT) + SIZE + 32], whole[len(FORMAT) + SIZE + 32 :]
    for other, content in (
        (("s-1", "other"), whole),
        (("s-2", "photo"), whole),
        (PHOTO, FORMAT + second + first),
        (PHOTO, FORMAT + second),
        (PHOTO, FORMAT + first + first),
        (PHOTO, whole[:-1]),
        (PHOTO, whole + b"\0"),
    ):
        with pytest.raises(DecryptionError):
            open_segments(KEY, *other, content)


def test_a_document_is_the_very_file_that_was_stored(tmp_path: Path) -> None:
    """One that lacks its end, or another of the same upload in its place, does not open."""
    store = DocumentStore(tmp_path)
    cut = len(FORMAT) + SIZE + 32
    name = store.put(PHOTO, KEY, bytes(SIZE) + b"rest")
    path = tmp_path / "documents" / "s-1" / name
    reader = Reader(Database(memory=True), _Keys(), store.sealed)  # type: ignore[arg-type]
    document = Document("photo", 9, "0" * 64, "image/png", stored=_stored(name))
    assert reader.document("s-1", document) == bytes(SIZE) + b"rest"
    whole = path.read_bytes()
    for content in (whole[:cut], seal_document(KEY, *PHOTO, b"other")):
        path.write_bytes(content)
        with pytest.raises(DecryptionError):
            reader.document("s-1", document)


class _Keys:
    """The keys of all sessions are one."""

    def cipher(self, _: str) -> Cipher:
        """Return it."""
        return KEY


def _stored(file: str) -> StoredDocument:
    return StoredDocument(file, "0" * 64, 9, "image/png")


def test_another_file_is_no_document() -> None:
    """Whatever it holds, encrypted or not."""
    for content in (b"", b"handdoc", KEY.encrypt(b"document", b"document:s-1")):
        with pytest.raises(DecryptionError):
            open_segments(KEY, *PHOTO, content)


def test_a_part_becomes_a_document_without_being_written(tmp_path: Path) -> None:
    """It has two names until the commit."""
    store = DocumentStore(tmp_path)
    append(store, (0, b"abc"), (3, b"def"))
    part = store.part(PHOTO, 6)
    assert part is not None
    name = store.keep(part)
    document = tmp_path / "documents" / "s-1" / name
    assert document.samefile(path_of(tmp_path))
    assert name == hashlib.sha256(document.read_bytes()).hexdigest()
    assert list(store.names()) == [("s-1", name)]
    store.discard("s-1", part_name("photo"))
    append(store, (0, b"abc"))
    store.forget(["s-1"])
    assert not document.parent.exists()


def _no_links(*_: object) -> None:
    raise PermissionError(errno.EPERM, "Operation not permitted")


def _of_another(store: DocumentStore) -> Callable[[Any, Any], None]:
    link = os.link

    def linked(source: Path, path: Path) -> None:
        append(store, (0, b"another"))
        link(source, path)

    return linked


@pytest.mark.parametrize("fault", ["no links", "began again", "part is gone", "name is taken"])
def test_a_part_that_cannot_be_linked_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """As on FAT, which has no links; the document is what was looked at, whatever the part is."""
    store = DocumentStore(tmp_path)
    append(store, (0, b"abcdef"))
    part = store.part(PHOTO, 6)
    assert part is not None
    if fault == "no links":
        monkeypatch.setattr(os, "link", _no_links)
    elif fault == "began again":
        monkeypatch.setattr(os, "link", _of_another(store))
    elif fault == "part is gone":
        path_of(tmp_path).unlink()
    else:
        path_of(tmp_path).with_name(hashlib.sha256(part.sealed).hexdigest()).write_bytes(b"")
    sealed = store.sealed("s-1", store.keep(part))
    assert sealed == part.sealed


def test_an_appended_chunk_is_synced_with_its_new_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes first, then the names: of the file, of the folder, and of the folder above."""
    synced: list[str] = []
    fsync = os.fsync

    def note(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", note)
    store = DocumentStore(tmp_path)
    append(store, (0, b"abc"))
    assert synced == ["documents", tmp_path.name, "photo.part", "s-1"]
    append(store, (3, b"def"))
    assert synced[4:] == ["photo.part"]
    part = store.part(PHOTO, 6)
    assert part is not None
    store.keep(part)
    assert synced[5:] == ["s-1"]


# --- the commit ----------------------------------------------------------------------------


async def _begin(stage: Stage) -> None:
    await stage.open()
    await enter_step_one(stage, "Ada")


def _document(stage: Stage) -> Document:
    state = stage.store.state(stage.session)
    assert state is not None
    return state.documents["new-card"]


def _is_taken(stage: Stage) -> bool:
    document = _document(stage)
    return (
        document.status is DocumentStatus.RECEIVED
        and stage.store.document(stage.session, document) == PICTURE
        and _files(stage) == [document.stored.file if document.stored else ""]
    )


def _files(stage: Stage) -> list[str]:
    folder = stage.store.document_store.folder / stage.session
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def _rejections(stage: Stage) -> list[str]:
    return [h.code for h in stage.history.happenings if isinstance(h, Refused)]


async def _send_rest(stage: Stage, name: str = "photo", data: bytes = PICTURE) -> None:
    for offset in range(_document(stage).received, len(data), SIZE):
        topic = UploadTopic(stage.session, "kiosk", name, str(offset)).under("main")
        stage.link.deliver(topic, data[offset : offset + SIZE])
    await stage.service.settled()


async def _finish(stage: Stage, name: str = "photo") -> None:
    stage.say("kiosk", "FINISH_UPLOAD", upload=name)
    await looked(stage)


_ENDS = {
    "cleared": ("kiosk", "CLEAR_FIELD", {"field_id": "new-card"}),
    "cancelled": ("desk", "CANCEL", {"reason": "Left"}),
}


@pytest.mark.parametrize("end", _ENDS)
async def test_a_part_ends_with_its_upload(tmp_path: Path, end: str) -> None:
    """Nothing stays of what was taken back, or of a session that ended; nor during a backup."""
    device, command, fields = _ENDS[end]
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE)
        assert _files(stage) == ["photo.part"]
        with stage.store.copied(lambda: None):
            stage.say(device, command, **fields)
            await stage.service.settled()
            assert _files(stage) == []


async def test_a_part_ends_with_the_upload_that_replaces_it(tmp_path: Path) -> None:
    """Another upload has another file; the same one, taken back before, a new one."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", png(90_000))
        await upload(stage, "other", png(80_000))
        assert _files(stage) == ["other.part"]
        stage.say("kiosk", "CLEAR_FIELD", field_id="new-card")
        await upload(stage, "other", PICTURE)  # all in one transaction
        assert _files(stage) == ["other.part"]
        await _finish(stage, "other")
        assert _is_taken(stage)


async def test_parts_are_no_documents(tmp_path: Path) -> None:
    """A verification finds no fault in one, and a backup does not copy it."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE)
        await Backups(stage.store, tmp_path).take()
        assert not [*(tmp_path / "backups").rglob("*.part")]
        assert verify(tmp_path / "handrail.sqlite", Extent.DEEP).faults == ()
        assert not list(stage.store.document_store.names())


async def test_a_start_keeps_parts_that_a_session_counts(tmp_path: Path) -> None:
    """What a crash left of others is removed."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE[: SIZE * 2], whole=PICTURE)
        session, numbers, history = stage.session, stage.numbers, stage.history
        for name in ("gone.part", f"{'0' * 64}.new"):
            (stage.store.document_store.folder / session / name).write_bytes(b"left over")
    async with staged(tmp_path, history=history, inspect=take_as_it_is) as stage:
        stage.session, stage.numbers = session, numbers
        stage.store.sweep()
        assert _files(stage) == ["photo.part"]
        await stage.service.settled()
        assert _document(stage).received == SIZE * 2


async def test_a_start_removes_parts_of_sessions_that_ended(tmp_path: Path) -> None:
    """Where a crash came between the end of the session and the end of its parts."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE)
        part, session = path_of(tmp_path, (stage.session, "photo")), stage.session
        content = part.read_bytes()
        stage.say("desk", "CANCEL", reason="Left")
        await stage.service.settled()
        part.write_bytes(content)
    with closing(Store(tmp_path)) as store:
        store.sweep()
        assert store.has_ended(session)
        assert not part.exists()


async def test_bytes_are_on_disk_before_the_commit_that_counts_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a part is removed after the commit that refers to the document."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        passed: list[str] = []
        fsync = os.fsync

        def note(handle: int) -> None:
            passed.append(Path(f"/proc/self/fd/{handle}").readlink().suffix)
            fsync(handle)

        monkeypatch.setattr(os, "fsync", note)
        monkeypatch.setattr(failpoints, "reached", passed.append)
        await upload(stage, "photo", PICTURE[:SIZE])
        begun = passed.index(Point.PART_WRITTEN)
        steps = [step for step in passed[begun:] if step]
        assert steps[:4] == [
            Point.PART_WRITTEN,
            ".part",
            Point.PART_SYNCED,
            Point.COMMITTING,
        ]
        passed.clear()
        await _finish(stage)
        assert passed.index(Point.DOCUMENT_NAMED) < passed.index(Point.COMMITTING)
        assert passed.index(Point.COMMITTING) < passed.index(Point.REMOVING_PART)
        assert passed.index(Point.REMOVING_PART) < passed.index(Point.PUBLISHED)


# --- full disks ----------------------------------------------------------------------------


class _Full:
    """A disk that is full at a point, until it is mended."""

    def __init__(self, point: Point) -> None:
        self.point: Point | None = point

    def __call__(self, point: Point) -> None:
        """Raise as a full disk does."""
        if point is self.point:
            raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("point", [Point.PART_WRITTEN, Point.PART_SYNCED, Point.COMMITTING])
async def test_bytes_that_a_disk_does_not_take_are_tried_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    point: Point,
) -> None:
    """No PUBACK goes before they are on disk; then the upload goes on by itself."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE[:SIZE], whole=PICTURE)
        disk = _Full(point)
        monkeypatch.setattr(failpoints, "reached", disk)
        await _send_rest(stage)
        await stage.retry()
        sent = stage.link.delivered[-3:]
        assert [d.acknowledged for d in sent] == [0, 0, 0]
        assert _document(stage).received == SIZE
        assert "refuses to store: ENOSPC" in caplog.text
        disk.point = None
        await stage.retry()
        assert [d.acknowledged for d in sent] == [1, 1, 1]
        await _finish(stage)
        assert _is_taken(stage)
        assert _rejections(stage) == []


async def test_bytes_that_a_disk_never_takes_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The PUBACK is withheld, so that the device sends them again; nothing half-written counts."""
    impatient = Settings(commit_patience=timedelta(0))
    async with staged(tmp_path, inspect=take_as_it_is, settings=impatient) as stage:
        await _begin(stage)
        with monkeypatch.context() as patch:
            patch.setattr(failpoints, "reached", _Full(Point.PART_WRITTEN))
            patch.setattr(documents, "_write", _half)
            await upload(stage, "photo", PICTURE)
        refused = next(d for d in stage.link.delivered if d.topic.endswith("/photo/0"))
        assert (refused.acknowledged, refused.given_back) == (0, 1)
        assert _document(stage).received == 0
        await _send_rest(stage)
        await _finish(stage)
        assert _is_taken(stage)


def _half(file: BinaryIO, at: int, content: bytes) -> int:
    os.pwrite(file.fileno(), content[: len(content) // 2], at)
    raise OSError(errno.ENOSPC, "No space left on device")


# --- parts that are lost -------------------------------------------------------------------


def _gone(path: Path) -> None:
    path.unlink()


def _too_short(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 1)


def _damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("lose", [_gone, _too_short])
async def test_a_start_begins_a_lost_upload_again(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    """The view tells so, and screens go on from its first byte by themselves."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE)
        session, numbers, history = stage.session, stage.numbers, stage.history
    lose(path_of(tmp_path, (session, "photo")))
    async with staged(tmp_path, history=history, inspect=take_as_it_is) as stage:
        stage.session, stage.numbers = session, numbers
        await stage.service.settled()
        view = json.loads([p for t, p in stage.link.published if t.endswith("/state/kiosk")][-1])
        assert view["documents"]["new-card"]["received"] == 0
        assert _files(stage) == []
        await _send_rest(stage)
        await _finish(stage)
        assert _is_taken(stage)
        assert stage.service.counters["bugs"] == 0


async def test_a_start_begins_all_lost_uploads_of_a_session_again(tmp_path: Path) -> None:
    """One that is not lost goes on where it is."""
    fields = ("one", "two", "three")
    step = item("step", "group", item=[item(name, "attachment") for name in fields])
    async with staged(tmp_path) as stage:
        await stage.open(load_flow(form("papers", step)))
        for field in fields:
            announced = {"size": 9, "sha256": "0" * 64, "media_type": "image/png"}
            stage.say("kiosk", "BEGIN_UPLOAD", field_id=field, upload=field, **announced)
            stage.link.deliver(
                UploadTopic(stage.session, "kiosk", field, "0").under("main"), b"bytes"
            )
        await stage.service.settled()
        session = stage.session
    for field in ("one", "three"):
        path_of(tmp_path, (session, field)).unlink()
    async with staged(tmp_path) as stage:
        await stage.service.settled()
        state = stage.store.state(session)
        assert state is not None
        assert [state.documents[field].received for field in fields] == [0, 5, 0]


@pytest.mark.parametrize("lose", [_gone, _too_short])
async def test_a_chunk_begins_a_lost_upload_again(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    """Its PUBACK goes, and the view tells from where to go on."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE[:SIZE], whole=PICTURE)
        lose(path_of(tmp_path, (stage.session, "photo")))
        topic = UploadTopic(stage.session, "kiosk", "photo", str(SIZE)).under("main")
        chunk = stage.link.deliver(topic, PICTURE[SIZE : 2 * SIZE])
        await stage.service.settled()
        assert chunk.acknowledged == 1
        assert _document(stage).received == 0
        await _send_rest(stage)
        await _finish(stage)
        assert _is_taken(stage)
        assert stage.service.counters["bugs"] == 0


@pytest.mark.parametrize("lose", [_gone, _too_short, _damaged])
async def test_an_end_begins_a_lost_upload_again(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    """It is refused as not complete, which is what the view tells too."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE)
        lose(path_of(tmp_path, (stage.session, "photo")))
        await _finish(stage)
        assert _rejections(stage) == ["upload_incomplete"]
        assert _document(stage).received == 0
        assert _files(stage) == []
        await _send_rest(stage)
        await _finish(stage)
        assert _is_taken(stage)
        assert stage.service.counters["bugs"] == 0


async def test_a_restore_begins_incomplete_uploads_again(tmp_path: Path) -> None:
    """A backup holds complete documents alone."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE)
        backup = await Backups(stage.store, tmp_path).take()
        session, numbers = stage.session, stage.numbers
    restore(tmp_path, backup, datetime.now(UTC))
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        stage.session, stage.numbers = session, numbers
        await stage.service.settled()
        assert _document(stage).received == 0
        await _send_rest(stage)
        await _finish(stage)
        assert _is_taken(stage)


async def test_uploads_of_an_earlier_version_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their bytes were rows of a table, which the start drops."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE)
        session = stage.session
    path_of(tmp_path, (session, "photo")).unlink()
    with closing(Database(tmp_path / "handrail.sqlite").conn) as db:
        db.execute("CREATE TABLE chunks (session, upload, offset, bytes)")
        db.execute("INSERT INTO chunks VALUES (?, 'photo', 0, 'bytes')", [session])
        db.execute("DELETE FROM _sqlite_migrations WHERE name='parts of documents are files'")
        db.commit()
    # Its later migrations are recorded as well here, which no earlier version's are.
    monkeypatch.setattr(database, "difference", lambda _: Difference())
    Store(tmp_path, Outdated.MIGRATE).close()
    monkeypatch.undo()
    async with staged(tmp_path) as stage:
        stage.session = session
        await stage.service.settled()
        assert not stage.store._db["chunks"].exists()
        assert _document(stage).received == 0
    assert SCHEMA


# --- pictures that are changed -------------------------------------------------------------


async def test_a_document_that_differs_is_written_once(tmp_path: Path) -> None:
    """A picture without its metadata is another file, and the part goes."""

    async def strip(data: bytes, media_type: str, _: tuple[str, ...]) -> Inspected:
        return Inspected(media_type, data[:-5])

    async with staged(tmp_path, inspect=strip) as stage:
        await _begin(stage)
        await upload(stage, "photo", PICTURE)
        await _finish(stage)
        document = _document(stage)
        assert stage.store.document(stage.session, document) == PICTURE[:-5]
        assert _files(stage) == [document.stored.file if document.stored else ""]


def test_a_transaction_without_bytes_touches_no_file(tmp_path: Path) -> None:
    """Most commands write to the database alone."""
    with closing(Store(tmp_path)) as store:
        transaction = Transaction()
        store.write(transaction)
        store.sync(transaction)
        assert not store.document_store.folder.exists()
