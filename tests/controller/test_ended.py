"""Sessions that have ended cost nothing: no start, no memory and no list grows with them."""

import json
import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any, cast

import pytest

from schemas.questionnaire.load import load_flow
from schemas.topics import (
    AssignmentTopic,
    FlowTopic,
    InboxTopic,
    PresenceTopic,
)
from session_controller.backup.backups import Backups
from session_controller.engine.events import FieldEntered
from session_controller.export.collect import gather
from session_controller.security.keys import _RECENT
from session_controller.service.handlers.administration import PURGED_AT_ONCE
from session_controller.service.handlers.flows import keep_flow
from session_controller.service.handlers.pairing import _let_in
from session_controller.service.handlers.timers import run_timers
from session_controller.service.jobs import background
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.settings import Settings
from session_controller.storage.entities import Code, CodeKind, StoredFlow
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction
from tests.engine.play import item
from tests.faults.loopback import Stage, staged
from tests.waiting import WITHIN_S, turns, until

_NOW = datetime.now(UTC)
_AT_ONCE = Settings(retention_of_topics=timedelta(0))
_KEPT = Settings(retention_of_topics=timedelta(days=1))


async def _open(stage: Stage) -> str:
    """Open another session, without a patient's screen; return its id."""
    before = {session.state.session for session in stage.service.registry.open_sessions()}
    stage.ask("desk", "OPEN_SESSION", flow_id="quick-check-in", label="Room 3")
    await stage.service.settled()
    now = {session.state.session for session in stage.service.registry.open_sessions()}
    (opened,) = now - before
    return opened


async def _cancel(stage: Stage, *sessions: str) -> None:
    for session in sessions:
        stage.ask("it", "CANCEL_SESSION", session=session, reason="Left")
    await stage.service.settled()


async def _clear(stage: Stage) -> None:
    stage.service.submit(run_timers)
    await stage.service.settled()


async def _guest(stage: Stage, session: str) -> str:
    """Bring in a guest; return its device."""

    def let_in(work: UnitOfWork) -> None:
        expires_at = work.at + timedelta(minutes=10)
        assert _let_in(work, Code("hash", CodeKind.SESSION, session, expires_at), "Zorblatts phone")

    stage.service.submit(let_in)
    await stage.service.settled()
    (guest,) = [d.device for d in stage.store.devices() if d.guest_of == session]
    return guest


async def test_a_guest_goes_with_the_topics_of_its_session(tmp_path: Path) -> None:
    """From the database, the memory and the broker; the record still names it."""
    async with staged(tmp_path, settings=_AT_ONCE) as stage:
        await stage.open()
        session = await _open(stage)
        guest = await _guest(stage, session)
        assert guest in stage.service.registry.devices
        await _cancel(stage, session)
        assert guest in stage.service.registry.devices, "it reads how the session ended"
        await _clear(stage)
        assert guest not in stage.service.registry.devices
        assert [d.device for d in stage.store.devices() if d.guest_of] == []
        for topic in (PresenceTopic(guest), AssignmentTopic(guest)):
            assert (topic.under("main"), b"") in stage.link.published
        record = gather(stage.store, session, site="main", at=_NOW, by="it", software="")
        assert record is not None
        assert ("Zorblatts phone", "patient") in [(d.name, d.role.value) for d in record.devices]


async def test_the_records_of_a_form_read_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading a form takes most of the store's turn that a delivery needs."""
    async with staged(tmp_path) as stage:
        await stage.open()
        read = []
        load = StoredFlow.load
        monkeypatch.setattr(StoredFlow, "load", lambda flow: read.append(flow) or load(flow))
        for _ in range(2):
            assert gather(stage.store, stage.session, site="main", at=_NOW, by="it", software="")
        assert len(read) == 1


async def test_a_start_reads_the_live_sessions_alone(tmp_path: Path) -> None:
    """Neither the state, the key nor the folder of a session that has ended and is cleared."""
    async with staged(tmp_path, settings=_AT_ONCE) as stage:
        await stage.open()
        ended = [await _open(stage) for _ in range(3)]
        await _cancel(stage, *ended)
        await _clear(stage)
        stage.store._db.execute("UPDATE sessions SET state=x'00' WHERE cleared_at IS NOT NULL")
        stage.store._db.conn.commit()
    store = Store(tmp_path)
    store.sweep()
    assert [state.session for state in store.live_states()] == [stage.session]
    assert list(store._keys._ciphers) == [stage.session]
    assert store.is_swept
    store.close()


def _plant(store: Store, session: str) -> Path:
    """Put a file into a session's folder that it does not refer to."""
    left = store.document_store.folder / session / ("0" * 64)
    left.parent.mkdir(parents=True)
    left.write_bytes(b"left over")
    return left


def _crash(data: Path) -> None:
    """Make a stop in good order look like a crash."""
    store = Store(data)
    store._db.execute("DELETE FROM meta WHERE key='stopped'")
    store._db.conn.commit()
    store._to_sweep = ["not looked at"]
    store.close()


async def test_what_a_crash_left_over_is_removed(tmp_path: Path) -> None:
    """Of live and of purged sessions at the start; of ended ones while nobody is waiting."""
    async with staged(tmp_path, settings=_AT_ONCE) as stage:
        await stage.open()
        ended = await _open(stage)
        await _cancel(stage, ended)
        await _clear(stage)
        here, gone, later = (_plant(stage.store, s) for s in (stage.session, "s-none", ended))
    _crash(tmp_path)
    async with staged(tmp_path, settings=_AT_ONCE) as stage:
        stage.store.sweep()
        assert not here.exists()
        assert not gone.exists()
        assert later.exists()
        assert not stage.store.is_swept
        maintenance = stage.service._maintenance
        assert maintenance.is_due(idle=True)
        await stage.service._in_the_stores_turn(maintenance.run)
        assert not later.exists()
        assert stage.store.is_swept


async def test_a_sweep_that_did_not_end_goes_on_with_the_next_start(tmp_path: Path) -> None:
    """A stop in good order hides no folder that nobody looked at."""
    async with staged(tmp_path, settings=_AT_ONCE) as stage:
        await stage.open()
        ended = await _open(stage)
        await _cancel(stage, ended)
        await _clear(stage)
        left = _plant(stage.store, ended)
    _crash(tmp_path)
    for _ in range(2):
        store = Store(tmp_path)
        store.sweep()
        assert not store.is_swept
        store.close()
    assert left.exists()


async def test_the_ciphers_of_ended_sessions_are_bounded(tmp_path: Path) -> None:
    """Those of live sessions stay: their views need them without the database."""
    async with staged(tmp_path, settings=_KEPT) as stage:
        await stage.open()
        many = [await _open(stage) for _ in range(_RECENT + 10)]
        await _cancel(stage, *many)
    store = Store(tmp_path)
    for name in many:
        store.cipher(name)
    assert len(store._keys._ciphers) == _RECENT
    store.live_states()
    assert all(store.screen_key(name, "kiosk") for name in (*many, stage.session))
    store.close()


def _version(n: int) -> dict[str, Any]:
    question = item("name", "string")
    step = item("who", "group", text=f"Version {n}", item=[question])
    return {"resourceType": "Questionnaire", "id": "form", "status": "active", "item": [step]}


async def _add(stage: Stage, n: int) -> str:
    flow = load_flow(json.dumps(_version(n)).encode())
    stage.service.submit(lambda work: keep_flow(work, flow))
    await stage.service.settled()
    return flow.flow_ref


async def test_a_version_that_no_session_uses_is_forgotten(tmp_path: Path) -> None:
    """Not while a session has it open, and it can be opened again by its reference."""
    async with staged(tmp_path, settings=_AT_ONCE) as stage:
        await stage.open()
        first = await _add(stage, 1)
        stage.ask("desk", "OPEN_SESSION", flow_id="form")
        await stage.service.settled()
        session = next(
            s.state.session
            for s in stage.service.registry.open_sessions()
            if s.state.flow_ref == first
        )
        second = await _add(stage, 2)
        await _clear(stage)
        assert {first, second} <= stage.service.registry.flows.keys()
        await _cancel(stage, session)
        await _clear(stage)
        await _clear(stage)
        assert first not in stage.service.registry.flows
        assert (FlowTopic(first).under("main"), b"") in stage.link.published
        stage.ask("it", "SHOW_SESSION", session=session)
        await stage.service.settled()
        shown = stage.said(InboxTopic("it"))[-1]
        assert (shown["type"], shown["view"]["flow_ref"]) == ("SESSION_SHOWN", first)
        stage.ask("desk", "OPEN_SESSION", flow_id=first)
        await stage.service.settled()
        assert stage.said(InboxTopic("desk"))[-1]["flow_ref"] == first
        assert stage.service.registry.current["form"] == second
    store = Store(tmp_path)
    newest = store.newest_flows()
    assert second in newest
    assert first not in newest
    store.close()


async def _page(stage: Stage, **fields: Any) -> dict[str, Any]:
    stage.ask("it", "LIST_SESSIONS", **fields)
    await stage.service.settled()
    return stage.said(InboxTopic("it"))[-1]


async def test_a_list_comes_in_pages(tmp_path: Path) -> None:
    """The newest first, each session once, whatever is opened or purged between two pages."""
    async with staged(tmp_path, settings=_AT_ONCE) as stage:
        await stage.open()
        opened = [stage.session, *[await _open(stage) for _ in range(119)]]
        await _cancel(stage, *opened[:100])
        await _clear(stage)
        found: list[str] = []
        page = await _page(stage, ended=True)
        assert len(json.dumps(page)) < 64_000
        while True:
            found += [line["session"] for line in page["sessions"]]
            if "next_page" not in page:
                break
            stage.ask(
                "it", "PURGE_SESSIONS", sessions=[found[-1]] if found[-1] in opened[:100] else []
            )
            await _open(stage)
            page = await _page(stage, ended=True, page=page["next_page"])
        assert sorted(found) == sorted(opened)
        starts = {
            s: at
            for at, s in stage.store.page_of_sessions(None, since=None, status=None, limit=999)
        }
        known = [starts[name] for name in found if name in starts]
        assert known == sorted(known, reverse=True)
        open_now = await _page(stage)
        assert {line["status"] for line in open_now["sessions"]} == {"waiting"}
        assert "next_page" not in open_now
        cancelled = await _page(stage, status="cancelled")
        assert {line["status"] for line in cancelled["sessions"]} == {"cancelled"}
        later = (_NOW + timedelta(days=1)).isoformat()
        assert (await _page(stage, ended=True, opened_since=later))["sessions"] == []
        assert (await _page(stage, opened_since=later))["sessions"] == []
        assert (await _page(stage, page="nonsense"))["type"] == "REJECTION"


async def _purge(stage: Stage, **fields: Any) -> dict[str, Any]:
    """Purge, and return the answer once it comes."""
    stage.ask("it", "PURGE_SESSIONS", **fields)
    await until(lambda: any("purged" in one for one in stage.said(InboxTopic("it"))), "an answer")
    return stage.said(InboxTopic("it"))[-1]


async def _ended(stage: Stage, count: int) -> list[str]:
    ended = [await _open(stage) for _ in range(count)]
    await _cancel(stage, *ended)
    await _clear(stage)
    stage.link.published.clear()
    return ended


async def test_a_large_purge_yields(tmp_path: Path) -> None:
    """It goes batch by batch, lets others in between, says how far it is, and counts."""
    steady = count()
    async with staged(tmp_path, settings=_AT_ONCE, steady=lambda: float(next(steady))) as stage:
        await stage.open()
        ended = await _ended(stage, 2 * PURGED_AT_ONCE + 3)
        sizes: list[int] = []
        write = stage.store.write

        def watched(transaction: Transaction) -> None:
            if transaction.purged:
                sizes.append(len(transaction.purged))
                stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value=f"Ada {len(sizes)}")
            elif transaction.events:
                sizes.append(0)
            write(transaction)

        stage.store.write = watched  # type: ignore[method-assign]
        answer = await _purge(stage, older_than_s=0)
        assert sizes == [PURGED_AT_ONCE, 0, PURGED_AT_ONCE, 0, 3, 0], "a command after each batch"
        told = [one for one in stage.said(InboxTopic("it")) if one["type"] == "IN_PROGRESS"]
        assert [(one["done"], one["total"]) for one in told][:1] == [(PURGED_AT_ONCE, len(ended))]
        assert (answer["purged"], answer["kept_count"]) == (len(ended), 0)
        assert stage.store.wrapped_keys().keys() >= {f"session:{stage.session}"}
        assert not [name for name in ended if f"session:{name}" in stage.store.key_names()]
        cleared = [topic for topic, payload in stage.link.published if not payload]
        assert cleared == [], "what is retained of them was cleared before"


async def test_commands_go_on_while_the_backups_forget(tmp_path: Path) -> None:
    """The backups of years take a while, and do not need the database."""
    forgetting, may_end = Event(), Event()

    class Slow:
        def forget(self, gone: Collection[str]) -> None:
            assert len(gone) == len(ended)
            forgetting.set()
            assert may_end.wait(WITHIN_S)

    async with staged(tmp_path, settings=_AT_ONCE) as stage:
        await stage.open()
        ended = await _ended(stage, PURGED_AT_ONCE + 1)
        stage.service._maintenance.backups = cast("Backups", Slow())
        stage.ask("it", "PURGE_SESSIONS", older_than_s=0)
        await until(forgetting.is_set, "the end of the purge")
        stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
        await stage.service.settled()
        (*_, last) = stage.store.events(stage.session)
        assert isinstance(last.fact, FieldEntered)
        assert not any("purged" in one for one in stage.said(InboxTopic("it"))), "all is gone"
        may_end.set()
        await until(
            lambda: any("purged" in one for one in stage.said(InboxTopic("it"))), "an answer"
        )


async def test_a_large_purge_waits_for_a_disk_that_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not stored is purged later, and counted once."""
    async with staged(tmp_path, settings=_AT_ONCE) as stage:
        await stage.open()
        ended = await _ended(stage, PURGED_AT_ONCE + 1)
        monkeypatch.setattr(background, "_PURGE_AGAIN_S", 0.0)
        sync, failed = stage.service._disk.sync, list[Transaction]()

        async def full(transaction: Transaction) -> None:
            if transaction.purged and not failed:
                failed.append(transaction)
                stage.store._undo()
                raise sqlite3.OperationalError("database or disk is full")
            await sync(transaction)

        stage.service._disk.sync = full  # type: ignore[method-assign]
        answer = await _purge(stage, older_than_s=0)
        assert failed
        assert answer["purged"] == len(ended)


async def test_a_large_purge_that_is_stopped_leaves_nothing_of_what_it_deleted(
    tmp_path: Path,
) -> None:
    """The stop scrubs what was deleted until then, and the rest is there."""
    async with staged(tmp_path, settings=_AT_ONCE) as stage:
        await stage.open()
        ended = await _ended(stage, 2 * PURGED_AT_ONCE)
        files = [_plant(stage.store, name) for name in ended]
        stage.ask("it", "PURGE_SESSIONS", older_than_s=0)
        while all(map(stage.store.knows, ended)):
            await turns()
    store = Store(tmp_path)
    left = [file for file in files if file.exists()]
    assert len(left) == sum(map(store.knows, ended)) < len(ended)
    store.close()
