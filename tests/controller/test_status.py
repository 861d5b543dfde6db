"""SHOW_STATUS: how the box is doing, and how near it is to its limits."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.topics import MAX_CHUNK, InboxTopic, UploadTopic
from schemas.wire.destinations import Destinations, FolderDestination
from session_controller.box import _bare
from session_controller.engine import patient_moves
from session_controller.engine.limits import OF_A_SESSION, Limit
from session_controller.security.rate_limit import FREE_TRIES
from session_controller.service.jobs.status import Surroundings
from session_controller.settings import Settings
from session_controller.storage.deliveries import DeliveryStatus
from tests.controller.entering import enter_everything, enter_step_one, take_as_it_is, upload
from tests.faults.loopback import Stage, staged
from tests.pictures import png

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
MEASURED = ["max_open_sessions", "max_devices", "disk_bytes", "log_bytes", "exports_bytes"]
MEASURED += ["wrong_codes", "waiting_messages"]


async def status(stage: Stage) -> dict[str, Any]:
    """Ask for the status, and return the answer."""
    stage.ask("it", "SHOW_STATUS")
    while not (said := stage.said(InboxTopic("it"))) or said[-1]["type"] != "STATUS_SHOWN":
        await stage.service.settled()
    stage.link.published.clear()
    return said[-1]


def limits(shown: dict[str, Any]) -> dict[str, tuple[int | None, int, int]]:
    """Return the level, the limit and the count of refusals, by limit."""
    return {one["limit"]: (one["level"], one["most"], one["refused"]) for one in shown["limits"]}


async def test_the_status_counts_screens_and_sessions(tmp_path: Path) -> None:
    """Screens that are enrolled, sessions by status; those of the command line are no screens."""
    async with staged(tmp_path, version="1.2.3") as stage:
        await stage.open()
        shown = await status(stage)
        assert (shown["site"], shown["version"], shown["disk_error"]) == ("main", "1.2.3", None)
        assert shown["screens"] == {"enrolled": 2, "online": 2, "guests": 0}
        active = {"open": 1, "waiting": 0, "active": 1, "paused": 0, "completed_today": 0}
        assert shown["sessions"] == active
        stage.say("desk", "PAUSE")
        paused = (await status(stage))["sessions"]
        assert (paused["active"], paused["paused"]) == (0, 1)
        found = limits(shown)
        assert found["max_open_sessions"] == (1, 2_000, 0)
        assert found["max_devices"] == (3, 5_000, 0)
        assert list(found) == [*MEASURED[:-1], *OF_A_SESSION, MEASURED[-1]]


async def test_completed_is_what_completed_since_midnight(tmp_path: Path) -> None:
    """At the box's own time, which a session of yesterday is not of."""
    now = [NOON.astimezone()]
    async with staged(tmp_path, inspect=take_as_it_is, clock=lambda: now[0]) as stage:
        await stage.open()
        await enter_everything(stage, "Ada")
        stage.say("desk", "COMPLETE")
        await stage.service.settled()
        stage.ask("desk", "OPEN_SESSION", flow_id="quick-check-in")
        await stage.service.settled()
        [other] = stage.service.registry.open_sessions()
        stage.ask("it", "CANCEL_SESSION", session=other.state.session, reason="gone")
        await stage.service.settled()
        assert (await status(stage))["sessions"]["completed_today"] == 1
        now[0] += timedelta(days=1)
        assert (await status(stage))["sessions"]["completed_today"] == 0


async def test_deliveries_are_counted_with_the_age_of_the_oldest(tmp_path: Path) -> None:
    """It is when the session was completed, however often its delivery was tried since."""
    out = FolderDestination(kind="folder", name="out", folder=str(tmp_path / "absent"))
    async with staged(tmp_path, inspect=take_as_it_is, clock=lambda: NOON) as stage:
        stage.service.registry.destinations = Destinations(destinations=(out,))
        await stage.open()
        assert (await status(stage))["deliveries"]["oldest_waiting"] is None
        await enter_everything(stage, "Ada")
        stage.say("desk", "COMPLETE")
        await stage.service.settled()
        shown = (await status(stage))["deliveries"]
        assert shown == {
            "waiting": 1,
            "oldest_waiting": "2026-11-29T12:00:00.000Z",
            "held": 0,
            "refused": 0,
        }
        stage.store._db.execute("UPDATE deliveries SET status=?", [DeliveryStatus.REFUSED])
        stage.store._db.conn.commit()
        shown = (await status(stage))["deliveries"]
        assert (shown["waiting"], shown["refused"], shown["oldest_waiting"]) == (0, 1, None)


async def test_what_was_refused_at_a_limit_is_counted(tmp_path: Path) -> None:
    """Once each, by limit; not what was refused for another reason, nor an answer said again."""
    settings = Settings(max_open_sessions=1, max_devices=3)
    async with staged(tmp_path, settings=settings, inspect=take_as_it_is) as stage:
        await stage.open()
        stage.ask("desk", "OPEN_SESSION", flow_id="quick-check-in")
        stage.ask("it", "ENROL_DEVICE", name="Tablet", role="patient")
        stage.ask("it", "CANCEL_SESSION", session="s-nothing", reason="gone")
        long = stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="x" * 20_000)
        await stage.service.settled()
        stage.again("kiosk", long)
        await enter_step_one(stage, "Ada")
        await upload(stage, "large", b"x" * 21 * 1024 * 1024)
        stage.store.document_store.usage = lambda _: _Full()
        await upload(stage, "photo", png(3_000))
        found = {name: refused for name, (_, _, refused) in limits(await status(stage)).items()}
        assert {name: count for name, count in found.items() if count} == {
            Limit.OPEN_SESSIONS: 1,
            Limit.DEVICES: 1,
            Limit.VALUE: 1,
            Limit.DOCUMENT: 1,
            Limit.DISK: 1,
        }


@pytest.mark.parametrize(
    ("constant", "limit"),
    [
        ("MAX_ANSWER_BYTES", Limit.ANSWERS),
        ("MAX_UPLOAD_BYTES", Limit.DOCUMENT),
        ("MAX_DOCUMENTS", Limit.DOCUMENTS),
        ("MAX_DOCUMENT_BYTES", Limit.DOCUMENTS_BYTES),
    ],
)
async def test_each_limit_of_a_session_is_counted_as_itself(
    constant: str, limit: Limit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is so low that the first answer, or the first document, is beyond it."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        monkeypatch.setattr(patient_moves, constant, 0)
        stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Eve")
        await upload(stage, "photo", png(3_000))
        assert stage.service.registry.refused == {limit: 1}


async def test_a_chunk_that_is_too_large_is_counted(tmp_path: Path) -> None:
    """More bytes than one message may hold."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        await upload(stage, "photo", png(3_000))
        topic = UploadTopic(stage.session, "kiosk", "photo", "0").under("main")
        stage.link.deliver(topic, bytes(MAX_CHUNK + 1))
        assert limits(await status(stage))["chunk_bytes"] == (None, MAX_CHUNK, 1)


class _Full:
    total, free = 100_000, 0


async def test_a_form_that_asks_for_less_reaches_no_limit_of_the_box(tmp_path: Path) -> None:
    """Its `maxSize` is the form's own: that it refuses says nothing of the box."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_step_one(stage, "Ada")
        form = stage.service.registry.sessions[stage.session].flow
        most = form.items["new-card"].max_size
        assert most is not None
        await upload(stage, "large", b"x" * (most + 1))
        assert limits(await status(stage))["document_bytes"][2] == 0


async def test_codes_that_are_refused_unread_are_counted(tmp_path: Path) -> None:
    """The level is how many wrong ones count; the rest of a guesser's is refused unread."""
    async with staged(tmp_path) as stage:
        await stage.open()
        for number in range(FREE_TRIES + 40):
            stage.claim(f"pairing-{number:032x}", "BBBBBBBB")
        level, most, refused = limits(await status(stage))["wrong_codes"]
        assert most == FREE_TRIES
        assert level == FREE_TRIES + 1, "the next one's turn is at once"
        assert refused == 40 - 1 - 20, "twenty wait for their turn"


async def test_the_status_says_what_the_box_and_its_broker_are(tmp_path: Path) -> None:
    """Addresses and the broker's levels come from the box."""
    around = Surroundings(["mqtt://127.0.0.1:1883"], [("broker.connections", 3, 10, 2)])
    async with staged(tmp_path, surroundings=lambda: around) as stage:
        await stage.open()
        shown = await status(stage)
        assert shown["addresses"] == ["mqtt://127.0.0.1:1883"]
        assert limits(shown)["broker.connections"] == (3, 10, 2)


def test_an_address_is_shown_without_user_and_password() -> None:
    """A broker of your own is named with both."""
    assert _bare("mqtts://box:secret@broker.example:8883") == "mqtts://broker.example:8883"
    assert _bare("http://127.0.0.1:8080") == "http://127.0.0.1:8080"


async def test_a_box_that_cannot_store_still_says_how_it_is_doing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status writes nothing; it says why the database does not store."""
    async with staged(tmp_path) as stage:
        await stage.open()
        with monkeypatch.context() as patch:

            def full(*_: object) -> None:
                raise sqlite3.OperationalError("database or disk is full")

            patch.setattr(stage.store, "write", full)
            stage.say("kiosk", "ENTER_FIELD", field_id="last-name", value="Ada")
            await stage.service.settled()
            shown = await status(stage)
            assert shown["disk_error"] == "OperationalError"
            assert limits(shown)["waiting_messages"][0] >= 1
        await stage.retry()
        assert (await status(stage))["disk_error"] is None


async def test_the_status_contains_nothing_of_a_patient(tmp_path: Path) -> None:
    """Neither what was entered, nor a session's id or label."""
    async with staged(tmp_path, inspect=take_as_it_is) as stage:
        await stage.open()
        await enter_everything(stage, "Zebulon")
        said = json.dumps(await status(stage))
        assert "Zebulon" not in said
        assert stage.session not in said
        assert "kiosk" not in said


async def test_the_log_has_no_entry_of_a_status(tmp_path: Path) -> None:
    """It may be asked each minute."""
    async with staged(tmp_path) as stage:
        await stage.open()
        before = stage.store.head()
        await status(stage)
        assert stage.store.head() == before


async def test_the_status_is_read_by_indexes(tmp_path: Path) -> None:
    """No statement goes through sessions, deliveries or the log; what is open is counted."""
    async with staged(tmp_path) as stage:
        await stage.open()
        database, asked = stage.store._db.conn, list[str]()
        database.set_trace_callback(asked.append)
        await status(stage)
        database.set_trace_callback(None)
        read = [sql for sql in asked if sql.startswith("SELECT") and "answers" not in sql]
        plans = [
            step["detail"]
            for sql in read
            for step in stage.store._rows(f"EXPLAIN QUERY PLAN {sql}")
        ]
        assert len(read) == 2
        assert [step for step in plans if not step.startswith("SEARCH")] == [
            "SCAN deliveries USING COVERING INDEX deliveries_open"
        ]
