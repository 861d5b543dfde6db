"""The log of what was committed: a line for each event of note, ids only, and no flood."""

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, get_args

import aiomqtt
import pytest

from schemas.base import Role
from schemas.wire.rejections import RejectionCode
from session_controller.audit import events as b
from session_controller.audit.events import BoxEvent
from session_controller.engine import events as f
from session_controller.service.log_line import LogLine
from session_controller.service.monitoring import activity, line_rate
from session_controller.service.monitoring.line_rate import LineRate
from session_controller.service.unit_of_work import UnitOfWork
from tests.conftest import RunningBox
from tests.faults.loopback import Stage, staged
from tests.waiting import until

Lines = list[tuple[int, LogLine]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[Lines]:
    """Collect the lines that the controller logs, with their levels."""
    found: Lines = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.msg, LogLine):
                found.append((record.levelno, record.msg))

    caplog.set_level(logging.DEBUG)
    handler = Collect()
    logging.getLogger("session_controller").addHandler(handler)
    yield found
    logging.getLogger("session_controller").removeHandler(handler)


def sentences(lines: Lines) -> list[str]:
    """Return the sentences of the lines."""
    return [line.sentence for _, line in lines]


def found(lines: Lines, sentence: str) -> dict[str, Any]:
    """Return the fields of the only line with a sentence."""
    (fields,) = [line.fields for _, line in lines if line.sentence == sentence]
    return fields


async def _record(stage: Stage, *facts: f.Fact, device: str | None = None) -> None:
    def work_off(work: UnitOfWork) -> None:
        for fact in facts:
            session = work.session(stage.session)
            assert session is not None
            work.record(session, fact, device=device)

    stage.service.submit(work_off)
    await stage.service.settled()


async def test_the_life_of_a_session_is_logged(tmp_path: Path, lines: Lines) -> None:
    """Opened, joined and ended: with the ids of the session, the form and who did it."""
    async with staged(tmp_path) as stage:
        await stage.open()
        opened = found(lines, "session opened")
        assert opened["session"] == stage.session
        assert opened["flow"].startswith("quick-check-in-")
        assert opened["by"] == "desk"
        joined = found(lines, "patient joined")
        assert (joined["session"], joined["device"]) == (stage.session, "kiosk")
        await _record(stage, f.Cancelled(reason="Zorblatt"), device="it")
        assert found(lines, "session cancelled") == {"session": stage.session, "by": "it"}
    assert stage.service.monitor.activity.sessions == {"opened": 1, "cancelled": 1}
    assert not any("Zorblatt" in str(line) for _, line in lines)


async def test_what_is_not_stored_is_not_logged(tmp_path: Path, lines: Lines) -> None:
    """A line comes after the commit; it comes once, when the disk stores again."""
    async with staged(tmp_path) as stage:
        await stage.open()
        db = stage.store._db
        db.execute("PRAGMA query_only=1")
        await _record(stage, f.Paused(), f.Cancelled(reason="x"))
        assert "session cancelled" not in sentences(lines)
        db.execute("PRAGMA query_only=0")
        await stage.retry()
        assert sentences(lines).count("session cancelled") == 1


async def test_deliveries_are_logged_with_their_end(tmp_path: Path, lines: Lines) -> None:
    """Delivered is information; refused and held are warnings."""
    async with staged(tmp_path) as stage:
        await stage.open()

        def note(work: UnitOfWork) -> None:
            for status in ("delivered", "refused", "held", "retried"):
                act = b.DeliveryChanged(destination="ehr", status=status, sha256="0" * 64)
                work.note(act, session=stage.session)

        stage.service.submit(note)
        await stage.service.settled()
        about = [(level, line) for level, line in lines if line.fields.get("destination") == "ehr"]
    assert [level for level, _ in about] == [
        logging.INFO,
        logging.WARNING,
        logging.WARNING,
        logging.INFO,
    ]
    assert all(line.fields["session"] == stage.session for _, line in about)
    assert stage.service.monitor.activity.deliveries["ehr", "held"] == 1


async def test_devices_that_come_and_go_are_logged(tmp_path: Path, lines: Lines) -> None:
    """Once each; what does not change is not logged."""
    async with staged(tmp_path) as stage:
        await stage.open()
        assert sentences(lines).count("device online") == 2
        stage.online("kiosk")
        await stage.service.settled()
        assert sentences(lines).count("device online") == 2
        assert {"device": "kiosk", "role": "patient"} in [line.fields for _, line in lines]


async def test_a_flapping_device_does_not_flood_the_log(tmp_path: Path, lines: Lines) -> None:
    """Some lines each minute, then how many were omitted, and how the device is."""
    now_s = 0.0
    async with staged(tmp_path, steady=lambda: now_s) as stage:
        await stage.open()
        lines.clear()
        for connection in range(2, 40):
            stage.online("kiosk", connection)
            await stage.service.settled()
            _goes(stage, "kiosk", connection)
            await stage.service.settled()
        assert sentences(lines).count("device online") == line_rate.MOST - 1, "one was before"
        assert sentences(lines).count("device offline") == line_rate.MOST
        lines.clear()
        now_s = line_rate.WINDOW_S
        stage.service.monitor.activity.log_omitted(stage.service.registry.devices)
        told = {line.fields["line"]: line.fields for _, line in lines}
        assert told["device offline"]["count"] == 38 - line_rate.MOST
        assert told["device online"]["online"] is False
        lines.clear()
        stage.online("kiosk", 40)
        await stage.service.settled()
        assert "device online" in sentences(lines), "a new minute"


def _goes(stage: Stage, device: str, connection: int) -> None:
    body = b'{"v": 1, "online": false, "connection": %d}' % connection
    stage.link.deliver(f"handrail/v1/main/devices/{device}/presence", body)


async def test_refusals_are_counted_and_do_not_flood_the_log(tmp_path: Path, lines: Lines) -> None:
    """All are counted by their code; a stranger's client ids make no new lines."""
    async with staged(tmp_path, steady=lambda: 0.0) as stage:
        await stage.open()
        for _ in range(20):
            stage.say("kiosk", "ENTER_FIELD", field_id="Zorblatt", value="Zorblatt")
            stage.ask("kiosk", "LIST_DEVICES")
        for n in range(9):
            stage.claim(f"pairing-{n:032x}", "BCDF-GHJK")
        await stage.service.settled()
        refused = stage.service.monitor.activity.refused
    assert sentences(lines).count("command refused") == line_rate.MOST
    assert sentences(lines).count("request refused") == line_rate.MOST
    assert sentences(lines).count("pairing code refused") == line_rate.MOST
    assert (refused["unknown_field"], refused["not_allowed_for_role"]) == (20, 20)
    assert refused["code_refused"] == 9
    assert not any("Zorblatt" in str(line) for _, line in lines)


async def test_what_was_typed_for_a_sessions_id_is_not_logged(tmp_path: Path, lines: Lines) -> None:
    """A device may put any words into a topic; the audit log has them, and stays in the box."""
    refused = b.OutsiderRefused(code=RejectionCode.UNKNOWN_SESSION)
    async with staged(tmp_path) as stage:
        for session in ("zorblatt", "s-0123456789ab"):
            stage.service.submit(partial(_note, act=refused, session=session))
            await stage.service.settled()
    about = [line.fields for _, line in lines if line.fields.get("code") == "unknown_session"]
    assert [fields.get("session") for fields in about] == [None, "s-0123456789ab"]


def _note(work: UnitOfWork, act: BoxEvent, session: str) -> None:
    work.note(act, device="kiosk", session=session)


async def test_devices_of_a_box_that_stopped_are_offline(tmp_path: Path, lines: Lines) -> None:
    """The line says that it was not the device."""
    async with staged(tmp_path) as stage:
        await stage.open()
    lines.clear()
    async with staged(tmp_path) as stage:
        await stage.service.settled()
    gone = [line.fields for _, line in lines if line.sentence == "device offline"]
    assert {fields["reason"] for fields in gone} == {"box_stopped"}
    assert {fields["device"] for fields in gone} == {"desk", "kiosk"}


async def test_a_restore_is_logged_at_the_next_start(tmp_path: Path, lines: Lines) -> None:
    """And at that one only."""
    async with staged(tmp_path) as stage:
        stage.service.submit(lambda work: work.note(b.Restored(epoch=2)))
        await stage.service.settled()
    for expected in (1, 1):
        async with staged(tmp_path):
            pass
        assert sentences(lines).count("a backup was restored") == expected


async def test_a_device_is_logged_with_its_address(async_box: RunningBox, lines: Lines) -> None:
    """As the broker knows it when it comes, and why the connection ended when it goes."""
    device, secret = next(iter(async_box.admins.items()))
    host = {"hostname": "127.0.0.1", "port": async_box.port}
    topic = f"handrail/v1/main/devices/{device}/presence"
    client = aiomqtt.Client(**host, identifier=device, username=device, password=secret)
    async with client:
        await client.publish(topic, b'{"v": 1, "online": true, "connection": 1}', qos=1)
        await until(lambda: "device online" in sentences(lines), "it is online")
    await until(lambda: "device offline" in sentences(lines), "it is offline")
    assert found(lines, "device online")["address"] == "127.0.0.1"
    gone = found(lines, "device offline")
    assert (gone["address"], gone["reason"]) == ("127.0.0.1", "disconnect")


def test_every_box_event_has_its_line() -> None:
    """A new type of box event is logged, or is one of those that no batch contains."""
    known = [*activity._ACTS, *activity._REFUSED, b.DeliveryChanged, b.KeyRotated, b.Restored]
    assert sorted(known, key=str) == sorted(get_args(BoxEvent), key=str)
    statuses = get_args(b.DeliveryChanged.__annotations__["status"])
    assert set(activity._DELIVERIES) == set(statuses)


_WORD = "Zorblatt"


def _filled(kind: type[Any]) -> Any:
    """Make a fact of a type, with a word in each text that is not an id."""
    texts = {"label": _WORD, "name": _WORD, "reason": _WORD, "family": _WORD, "printed_name": _WORD}
    others = {
        "flow_ref": "form-1",
        "check_words": (_WORD, _WORD),
        "host": "desk",
        "host_role": Role.FACILITY,
        "host_online": True,
        "device": "kiosk",
        "role": Role.PATIENT,
        "online": True,
        "override_reason": _WORD,
        "given": (_WORD,),
        "staff_name": _WORD,
    }
    wanted = kind.__dataclass_fields__
    return kind(**{k: v for k, v in {**texts, **others}.items() if k in wanted})


@pytest.mark.parametrize("kind", activity._FACTS, ids=lambda kind: kind.__name__)
def test_no_line_has_a_word_of_a_person(kind: type[Any]) -> None:
    """Of what a fact holds, a line has ids and words of the program only."""
    fact = _filled(kind)
    said = activity._FACTS[kind]
    assert _WORD not in str(LogLine(said.sentence, **said.fields(fact)))


def test_a_line_stays_one_line() -> None:
    """Whatever is in a field: it is quoted and escaped, and an absent one is left out."""
    line = LogLine("device online", device="kiosk-1", address="::1", x='a "b"\n\x1b', n=3, no=None)
    assert str(line) == 'device online device=kiosk-1 address=::1 x="a \\"b\\"\\n\\u001b" n=3'
    assert str(LogLine("lines omitted", online=True)) == "lines omitted online=true"


def test_a_rate_forgets_and_stays_small() -> None:
    """Names of strangers do not fill the memory."""
    rate = LineRate[int]()
    for n in range(25_000):
        assert rate.allows(n, 0.0)
    assert len(rate._windows) <= 10_000
