"""The history checker: it is silent on a sound box, and speaks on boxes that are broken."""

import os
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import RejectionTopic
from schemas.wire.commands import Navigate
from schemas.wire.rejections import Rejection, RejectionCode
from session_controller.engine import events as f
from session_controller.engine.moves import MOVES, Party
from session_controller.service.handlers import commands
from session_controller.service.service import Service
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage import store
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction

from .checks import check
from .history import History, Seen, Shown, Told
from .log import Log
from .loopback import Stage, staged


def _screens(history: History) -> History:
    """Show what arrives as a screen does: nothing older than what it has."""
    newest: dict[tuple[str, str], tuple[int, int, int]] = {}
    told = History()
    for h in history.happenings:
        told.note(h)
        if isinstance(h, Seen):
            age = (h.epoch, h.revision, h.acknowledged)
            if age >= newest.get((h.session, h.device), (0, 0, 0)):
                newest[h.session, h.device] = age
                told.note(Shown(h.session, h.device, age[:2], age[2]))
    return told


def _found(stage: Stage, data: Path) -> set[str]:
    """Name the promises that the checker finds broken; the box is stopped."""
    broken = check(_screens(stage.history), Log.read(data))
    return {line.split()[0] for line in broken}


async def _talk(stage: Stage) -> None:
    """Play a little: entries, a refusal, repeated and reordered sending, navigation."""
    await stage.open()
    entered = stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
    stage.say("desk", "NAVIGATE", step_id="changes")  # refused: the date is missing
    await stage.service.settled()
    stage.again("kiosk", entered)
    stage.say("kiosk", "ENTER_FIELD", field_id="birth-date", value="1990-02-01")
    await stage.service.settled()
    stage.say("desk", "NAVIGATE", step_id="changes")
    await stage.service.settled()
    stage.again("kiosk", entered)
    stage.say("kiosk", "FOCUS_FIELD", field_id="anything-changed")
    stage.say("desk", "HIGHLIGHT_FIELD", field_id="anything-changed")
    await stage.service.settled()


async def test_a_sound_box_keeps_every_promise(tmp_path: Path) -> None:
    """Where nothing is broken, the checker finds nothing."""
    async with staged(tmp_path) as stage:
        await _talk(stage)
    assert _found(stage, tmp_path) == set()
    assert stage.history.acknowledged() == 0
    assert _screens(stage.history).acknowledged() == 6


@pytest.mark.parametrize(
    ("value", "code", "epoch", "found"),
    [
        ("Ada", None, 1, set()),
        ("Grace", None, 1, {"P1"}),
        ("Grace", None, 2, set()),
        ("Grace", "field_not_enabled", 0, set()),
        ("Ada", "field_not_enabled", 0, {"P1"}),
    ],
    ids=["true", "not there", "before a restore", "refused", "refused, but there"],
)
async def test_what_a_screen_was_told_of_an_entry_is_held_against_the_log(
    tmp_path: Path, value: str, code: str | None, epoch: int, found: set[str]
) -> None:
    """A future that says 'accepted' of a value that is nowhere is a lost value, and the reverse."""
    async with staged(tmp_path) as stage:
        await _talk(stage)
    stage.history.note(Told(stage.session, "kiosk", "last-name", value, code, epoch))
    assert _found(stage, tmp_path) == found


async def test_a_box_that_does_not_know_repetitions_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without de-duplication an entry that is sent twice is applied twice: P2."""
    monkeypatch.setattr(commands, "_is_due", lambda *_: True)
    async with staged(tmp_path) as stage:
        stage.store._db.execute("DROP INDEX events_once")
        await _talk(stage)
    assert "P2" in _found(stage, tmp_path)


class _HastyService(Service):
    """Publishes before it stores."""

    async def _commit(self, work: UnitOfWork) -> None:
        work.apply(self.registry)
        self._publisher.publish(replace(work))
        await super()._commit(work)


async def test_a_box_that_publishes_before_it_commits_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two, it has shown what no log holds: P1."""
    async with staged(tmp_path, _HastyService) as stage:
        await _talk(stage)

        def killed(_: Store, __: Transaction) -> None:
            raise sqlite3.OperationalError("the process is gone")

        monkeypatch.setattr(Store, "write", killed)
        stage.say("kiosk", "FOCUS_FIELD", field_id=None)
        await stage.service.settled()
        monkeypatch.undo()
    assert "P1" in _found(stage, tmp_path)


@pytest.mark.parametrize("chained", [True, False])
async def test_two_writers_are_found(
    chained: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two boxes on one database, each with its own idea of the state: P3.

    The chain of the log already refuses what the second writes; without it, it would be stored.
    """
    async with staged(tmp_path) as first:
        await _talk(first)
        monkeypatch.setattr(store, "lock_folder", lambda _: os.open("/dev/null", 0))
        async with staged(tmp_path, history=first.history) as second:
            second.session, second.numbers = first.session, dict(first.numbers)
            if not chained:
                first.store._head = first.store._stored_head = first.store.head()
            first.say("desk", "HIGHLIGHT_FIELD", field_id=None)
            await first.service.settled()
            if not chained:
                second.store._head = second.store._stored_head = second.store.head()
            second.say("kiosk", "FOCUS_FIELD", field_id=None)
            await second.service.settled()
    found = _found(first, tmp_path)
    assert found == set() if chained else "P3" in found


async def test_a_patient_who_leads_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A box that lets the patient's screen navigate breaks P7."""
    move = replace(MOVES[Navigate], party=Party.PATIENT)
    monkeypatch.setitem(MOVES, Navigate, move)  # type: ignore[arg-type]
    async with staged(tmp_path) as stage:
        await stage.open()
        stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
        stage.say("kiosk", "ENTER_FIELD", field_id="birth-date", value="1990-02-01")
        stage.say("kiosk", "NAVIGATE", step_id="changes")
        await stage.service.settled()
    assert {"P6", "P7"} <= _found(stage, tmp_path)


class _RefusingService(Service):
    """Rejects what it has done."""

    async def _conclude(self, work: UnitOfWork) -> None:
        for event in work.transaction.events:
            if isinstance(event.fact, f.FieldFocused):
                rejection = Rejection(
                    command_id=event.command_id,
                    seq=event.seq,
                    code=RejectionCode.UNKNOWN_FIELD,
                    message="No.",
                )
                assert event.device is not None
                work.say(RejectionTopic(event.session, event.device), rejection)
        await super()._conclude(work)


async def test_a_refusal_of_what_is_applied_is_found(tmp_path: Path) -> None:
    """What was refused must not be in the log: P2."""
    async with staged(tmp_path, _RefusingService) as stage:
        await _talk(stage)
    assert _found(stage, tmp_path) == {"P2"}


async def test_a_log_that_skips_a_revision_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revision that is given out and not stored leaves a gap: P3."""
    record = UnitOfWork.record

    def skipping(work: UnitOfWork, session: Any, fact: Any, **options: Any) -> Any:
        after = record(work, session, fact, **options)
        if isinstance(fact, f.FieldFocused):
            work.transaction.events.pop()
        return after

    monkeypatch.setattr(UnitOfWork, "record", skipping)
    async with staged(tmp_path) as stage:
        await _talk(stage)
    assert {"P1", "P3"} <= _found(stage, tmp_path)


async def test_an_old_view_sent_late_is_found(tmp_path: Path) -> None:
    """A view that comes after a newer one on the same connection breaks P3."""
    async with staged(tmp_path) as stage:
        await _talk(stage)
        topic, payload = next(p for p in stage.link.published if "/state/kiosk" in p[0])
        stage.history.into(topic, payload)
    assert _found(stage, tmp_path) == {"P3"}


async def test_commands_that_change_places_are_found(tmp_path: Path) -> None:
    """A command sent after another's acknowledgement has to have the higher revision: P5."""
    async with staged(tmp_path) as stage:
        await _talk(stage)
    history = _screens(stage.history)
    views = [h for h in history.happenings if isinstance(h, Seen)]
    history.happenings.insert(0, views[-1])
    broken = check(history, Log.read(tmp_path), quiet=False)
    assert any(line.startswith("P5") for line in broken)


async def test_a_screen_that_is_left_behind_is_found(tmp_path: Path) -> None:
    """After quiet every screen stands where the log does: P8."""
    async with staged(tmp_path) as stage:
        await _talk(stage)
        stage.link.away = True
        stage.say("desk", "HIGHLIGHT_FIELD", field_id=None)
        await stage.service.settled()
    assert _found(stage, tmp_path) == {"P8"}


async def test_a_state_that_the_log_does_not_give_is_found(tmp_path: Path) -> None:
    """The stored state is what a start takes up: it has to be the log's, P3."""
    async with staged(tmp_path) as stage:
        await _talk(stage)
    log = Log.read(tmp_path)
    session = log.sessions[stage.session]
    older = replace(session, state=session.sessions[-2].state)
    log = replace(log, sessions={**log.sessions, stage.session: older})
    assert any(line.startswith("P3") for line in check(stage.history, log, quiet=False))
