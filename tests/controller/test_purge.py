"""After a purge nothing of a session is left: no byte in the data folder, none in a backup."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.wire.destinations import Destinations, FolderDestination
from schemas.wire.requests import PurgeSessions, SessionsPurged
from schemas.wire.views import DocumentStatus
from session_controller.backup.backups import Backups
from session_controller.backup.restore import restore
from session_controller.engine.events import Completed
from session_controller.engine.refusal import Refusal
from session_controller.integrity.data_folder import verify
from session_controller.service.handlers.administration import purge_sessions
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import EntryFilter
from session_controller.storage.store import Store
from tests.backups import copied, verified
from tests.controller.entering import enter_everything, enter_photo, take_as_it_is
from tests.faults.loopback import Stage, staged


def pieces(store: Store, session: str) -> Iterator[bytes]:
    """Return all that is stored of a session, as stored."""
    yield store.wrapped_keys()[f"session:{session}"]
    for entry in store.entries(EntryFilter(session=session)):
        if entry.place.revision is not None:
            assert entry.content is not None
            yield entry.content
    yield store._db.execute("SELECT state FROM sessions").fetchone()[0]
    for _, name in store.document_store.names():
        sealed = store.document_store.sealed(session, name)
        assert sealed is not None
        yield sealed


def found_in(folder: Path, wanted: list[bytes]) -> list[str]:
    """Search every file of a folder, write-ahead log and free pages included."""
    return [
        f"{path.relative_to(folder)}: {len(piece)} bytes"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for piece in wanted
        if piece in path.read_bytes()
    ]


async def purge(stage: Stage) -> None:
    """Purge the session as an admin device does."""
    answers: list[object] = []

    def ask(work: UnitOfWork) -> None:
        admin = work.device("desk")
        assert admin is not None
        request = PurgeSessions(request_id="1", sessions=(stage.session,))
        answers.append(purge_sessions(work, stage.store, admin, request))

    stage.service.submit(ask)
    await stage.service.settled()
    assert isinstance(answers[0], SessionsPurged)


async def end(stage: Stage) -> None:
    """End the session."""
    stage.say("desk", "CANCEL", reason="Left for lunch")
    await stage.service.settled()


VALUE = b"Zorblatt"


async def test_no_byte_is_left_in_the_data_folder(tmp_path: Path) -> None:
    """Neither as it was entered nor as it was stored; the log's entries stay, and are whole."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, VALUE.decode())
        await end(stage)
        stored = list(pieces(stage.store, stage.session))
        assert len(stored) > 8
        assert found_in(tmp_path, stored)
        before = len(list(stage.store.entries()))
        await purge(stage)
        assert found_in(tmp_path, [*stored, VALUE]) == []
        entries = list(stage.store.entries())
        assert len(entries) == before + 1
        assert entries[0].place.kind == "SessionPurged"
        assert f"session:{stage.session}" not in stage.store.key_names()
    assert verify(tmp_path / "handrail.sqlite").faults == ()
    assert found_in(tmp_path, [*stored, VALUE]) == []


async def test_a_purge_reaches_the_backups(tmp_path: Path) -> None:
    """A backup of before, restored, knows that the session was, and nothing of what was in it."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, VALUE.decode())
        await end(stage)
        backups = Backups(stage.store, tmp_path)
        backup = await backups.take()
        stage.service._maintenance.backups = backups
        session = stage.session
        key = stage.store.wrapped_keys()[f"session:{session}"]
        await purge(stage)
        assert found_in(tmp_path, [key]) == []
    assert verified(backup).faults == ()
    done = restore(tmp_path, backup, datetime.now(UTC))
    assert done.sessions == 0
    with_store = Store(tmp_path)
    assert with_store.state(session) is None
    assert session in with_store.purged()
    assert list(with_store.document_store.names()) == []
    with_store.close()
    assert found_in(tmp_path, [VALUE]) == []
    assert verify(tmp_path / "handrail.sqlite").faults == ()


async def test_an_old_copy_of_the_keys_brings_nothing_back(tmp_path: Path) -> None:
    """What the replaced database knows as purged stays purged, whoever kept its key."""
    data = tmp_path / "data"
    async with staged(data, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, VALUE.decode())
        await end(stage)
        backup = await Backups(stage.store, data).take()
        copy = copied(backup, tmp_path / "stick")
        await purge(stage)
    assert restore(data, copy, datetime.now(UTC)).sessions == 0
    assert verify(data / "handrail.sqlite").faults == ()


async def test_what_a_restore_put_aside_forgets_too(tmp_path: Path) -> None:
    """A database that a restore replaced has its own copy of the key: the purge takes that too."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, VALUE.decode())
        await end(stage)
        backup = await Backups(stage.store, tmp_path).take()
        session = stage.session
        key = stage.store.wrapped_keys()[f"session:{session}"]
        old = "UPDATE devices SET name='Zorblatts phone', guest_of=? WHERE device='kiosk'"
        stage.store._db.execute(old, [session])
        stage.store._db.conn.commit()
    restore(tmp_path, backup, datetime.now(UTC))
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        stage.session = session
        stage.service._maintenance.backups = Backups(stage.store, tmp_path)
        assert len(found_in(tmp_path, [key, VALUE])) > 1
        await purge(stage)
        assert found_in(tmp_path, [key, VALUE]) == []


async def test_an_open_session_is_not_purged(tmp_path: Path) -> None:
    """It is ended first; nothing of it changes."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        request = PurgeSessions(request_id="1", sessions=(stage.session,))
        found: list[object] = []
        stage.service.submit(
            lambda work: found.append(
                purge_sessions(work, stage.store, work.registry.devices["desk"], request)
            )
        )
        await stage.service.settled()
        assert isinstance(found[0], Refusal)
        assert f"session:{stage.session}" in stage.store.key_names()


async def test_what_completes_in_the_same_batch_waits_already(tmp_path: Path) -> None:
    """Its place in the outbox is not on disk yet, and counts: it is not purged."""
    share = FolderDestination(name="share", folder=str(tmp_path))
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        stage.service.registry.destinations = Destinations(destinations=(share,))
        found: list[object] = []

        def complete_and_purge(work: UnitOfWork) -> None:
            session = work.session(stage.session)
            assert session is not None
            work.record(session, Completed())
            request = PurgeSessions(request_id="1", sessions=(stage.session,))
            desk = work.registry.devices["desk"]
            found.append(purge_sessions(work, stage.store, desk, request))

        stage.service.submit(complete_and_purge)
        await stage.service.settled()
        assert isinstance(found[0], Refusal)
        assert "not delivered to share yet" in found[0].message
        assert stage.store.undelivered(stage.session) == ["share"]


async def test_a_purge_that_the_disk_stops_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is gone with the commit; files that stay are removed at the next look."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, VALUE.decode())
        await end(stage)
        stored = list(pieces(stage.store, stage.session))
        with monkeypatch.context() as patch:

            def stuck(_: str) -> None:
                raise OSError(5, "I/O error")

            patch.setattr(stage.store.document_store, "forget", stuck)
            await purge(stage)
            assert found_in(tmp_path, stored)
        assert f"session:{stage.session}" not in stage.store.key_names()
        await stage.service._in_the_stores_turn(stage.service._maintenance.run)
        assert found_in(tmp_path, stored) == []


async def test_a_document_that_is_replaced_leaves_its_file(tmp_path: Path) -> None:
    """Only the newest is kept."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_photo(stage, "first", seed=1)
        (first,) = stage.store.document_store.names()
        await enter_photo(stage, "second", seed=2)
        (second,) = stage.store.document_store.names()
        assert second != first
        state = stage.store.state(stage.session)
        assert state is not None
        (document,) = state.documents.values()
        assert document.status is DocumentStatus.RECEIVED
        assert document.stored is not None
        assert second == (stage.session, document.stored.file)
