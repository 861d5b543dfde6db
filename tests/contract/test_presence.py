"""Presence and wills, assignment, lobby, the controller's status, the flows' topic."""

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from tests.conftest import StartBox

from .forms import PRE_REGISTRATION, VISIT
from .raw import ROOT, Device, Json, Pair, Room, on, room

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture
def pair(clinic: Room) -> Pair:
    """A session on its first step."""
    return Pair(clinic, VISIT)


def online(pair: Pair, device: Device) -> bool:
    """Return whether the staff's newest view reports a device as online."""
    view = pair.staff.newest(pair.session)
    assert view is not None
    found: bool = view["participants"][device.device]["online"]
    return found


def test_a_lost_connection_shows_on_the_other_side(pair: Pair) -> None:
    """The will tells: the patient is `online: false`; the host: `host_online: false`."""
    before = pair.both()[0]["revision"]
    pair.patient.vanish()
    view = pair.staff.view(
        pair.session, lambda v: not v["participants"][pair.patient.device]["online"]
    )
    assert view["revision"] == before + 1
    pair.patient.online()
    pair.staff.view(pair.session, lambda v: v["participants"][pair.patient.device]["online"])
    pair.staff.vanish()
    pair.patient.view(pair.session, lambda v: v["host_online"] is False)
    pair.staff.online()
    pair.patient.view(pair.session, lambda v: v["host_online"] is True)


def test_who_disconnects_without_a_word_is_gone(pair: Pair) -> None:
    """A DISCONNECT takes the will back (3.1.1, 3.14.4-3): the box's own broker tells instead."""
    before = pair.both()[0]["revision"]
    pair.patient.close()
    view = pair.staff.view(
        pair.session, lambda v: not v["participants"][pair.patient.device]["online"]
    )
    assert view["revision"] == before + 1


def test_a_late_will_of_an_old_connection_hides_nobody(pair: Pair) -> None:
    """`online: false` of a lower `connection` is ignored; of the newest it counts."""
    patient = pair.patient
    topic = f"{ROOT}/devices/{patient.device}/presence"
    patient.connection = 5
    patient.publish(topic, {"v": 1, "online": True, "connection": 5}, retain=True)
    patient.publish(topic, {"v": 1, "online": False, "connection": 4}, retain=True)
    patient.sync(pair.session)
    pair.staff.sync(pair.session)
    assert online(pair, patient)
    patient.publish(topic, {"v": 1, "online": False, "connection": 5}, retain=True)
    pair.staff.view(pair.session, lambda v: not v["participants"][patient.device]["online"])


def test_a_device_that_is_taken_over_by_itself_stays_online(pair: Pair) -> None:
    """A second connection of the same device ends the first, whose will then comes too late."""
    second = Device(pair.room.port, pair.patient.device, pair.patient.secret)
    second.connection = 1
    pair.room.keep(second).online()
    pair.patient.wait_closed()
    second.view(pair.session)
    second.sync(pair.session)
    pair.staff.sync(pair.session)
    assert online(pair, second)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"no",
        b"[]",
        b"{}",
        b'{"v": 1, "online": "yes", "connection": 1}',
        b'{"v": 1, "online": false}',
        b'{"v": 1, "online": false, "connection": -1}',
        b'{"v": 2, "online": false, "connection": 99}',
        b'{"v": 1, "online": false, "connection": 1e999}',
    ],
)
def test_a_presence_that_is_none_changes_nothing(pair: Pair, payload: bytes) -> None:
    """What is no presence is ignored."""
    topic = f"{ROOT}/devices/{pair.patient.device}/presence"
    pair.patient.deliver(topic, payload, retain=True)
    pair.patient.sync(pair.session)
    pair.staff.sync(pair.session)
    assert online(pair, pair.patient)


def test_the_assignment_tells_a_kiosk_its_session(clinic: Room) -> None:
    """Retained: `session`, `flow_ref`, `joined_at`; null before and after a session."""
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    staff, kiosk = clinic.enrol("facility", "Desk"), clinic.enrol("patient", "Kiosk")
    nothing = kiosk.wait(lambda m: m.topic.endswith("/assignment")).json
    assert (nothing["v"], nothing["session"]) == (1, None)
    opened = staff.ask(
        "OPEN_SESSION", "SESSION_OPENED", flow_id="visit", patient_device=kiosk.device
    )
    assert opened.get("code") is None
    first = kiosk.wait(lambda m: m.topic.endswith("/assignment") and m.json["session"]).json
    assert (first["session"], first["flow_ref"]) == (opened["session"], opened["flow_ref"])
    assert TIME.fullmatch(first["joined_at"])
    kiosk.view(opened["session"])
    kiosk.vanish()
    since = kiosk.mark()
    kiosk.online()
    again = [
        kiosk.wait(lambda m: m.topic.endswith("/assignment") and m.retain, since).json,
        kiosk.wait(lambda m: m.topic.endswith("/assignment") and not m.retain, since).json,
    ]
    assert again == [first, first], "joined_at is when it joined, not when it came back"
    staff.view(opened["session"])
    staff.do(opened["session"], "CANCEL", reason="Over")
    kiosk.wait(
        lambda m: m.topic.endswith("/assignment") and not m.retain and m.json["session"] is None,
        since,
    )
    fresh = clinic.device(kiosk.device, kiosk.secret)
    assert fresh.wait(lambda m: m.topic.endswith("/assignment")).json["session"] is None


def lobby(device: Device, match: Callable[[list[Json]], Any]) -> Json:
    """Wait for a lobby whose lines match."""
    answer: Json = device.wait(
        lambda m: m.topic.endswith("/lobby") and match(m.json["sessions"])
    ).json
    return answer


def test_the_lobby_lists_the_sites_open_sessions(clinic: Room) -> None:
    """A line each, to every facility device, with the label and no patient data."""
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    staff, other = clinic.enrol("facility", "Desk"), clinic.enrol("facility", "Back office")
    opened = staff.ask("OPEN_SESSION", "SESSION_OPENED", flow_id="visit", label="Room 4")
    for device in (staff, other):
        (line,) = lobby(device, lambda lines: lines)["sessions"]
        assert set(line) >= {
            "session",
            "label",
            "flow_ref",
            "status",
            "step_id",
            "step_index",
            "steps_total",
            "patient_online",
            "help_requested",
            "host",
            "opened_at",
            "updated_at",
        }
        assert line["session"] == opened["session"]
        assert (line["label"], line["status"], line["host"]) == ("Room 4", "waiting", staff.device)
        assert line["patient_online"] is False
        assert TIME.fullmatch(line["opened_at"])
    patient = clinic.pair(opened["code"])
    patient.view(opened["session"])
    lobby(other, lambda lines: lines and lines[0]["patient_online"])
    patient.do(opened["session"], "ENTER_FIELD", field_id="name", value="Zaphod")
    patient.do(opened["session"], "ASK_FOR_HELP")
    lobby(other, lambda lines: lines and lines[0]["help_requested"])
    staff.view(opened["session"])
    staff.do(opened["session"], "CANCEL", reason="Over")
    since = other.mark()
    if not any(m.topic.endswith("/lobby") and m.json["sessions"] == [] for m in other.messages):
        other.wait(lambda m: m.topic.endswith("/lobby") and m.json["sessions"] == [], since)
    assert not [m for m in other.messages if b"Zaphod" in m.payload]
    assert not [m for m in patient.messages if m.topic.endswith("/lobby")]


def test_the_lobby_is_retained(pair: Pair) -> None:
    """A staff screen that comes later has the lobby at once."""
    lobby(pair.staff, lambda lines: lines and lines[0]["patient_online"])
    fresh = pair.room.device(pair.staff.device, pair.staff.secret)
    found = fresh.wait(lambda m: m.topic.endswith("/lobby"))
    assert found.retain
    assert found.json["v"] == 1


def test_the_controllers_status_is_retained(clinic: Room) -> None:
    """`online`, `epoch`, `version`, `started_at`, to everyone who is enrolled."""
    for role in ("facility", "patient"):
        device = clinic.enrol(role)
        found = device.wait(lambda m: m.topic == f"{ROOT}/controller/status")
        assert found.retain
        assert found.json["v"] == 1
        assert found.json["online"] is True
        assert type(found.json["epoch"]) is int
        assert found.json["version"]
        assert TIME.fullmatch(found.json["started_at"])


def test_the_controllers_status_says_when_it_goes(start_box: StartBox, tmp_path: Path) -> None:
    """When the box stops, who is connected hears `online: false`; then the connection ends."""
    with ExitStack() as after:
        with start_box(tmp_path / "data") as box:
            here = after.enter_context(room(box.port, box.admins))
            staff = here.enrol("facility")
            staff.wait(lambda m: m.topic.endswith("/status"))
        staff.wait_closed()
        last = [m.json for m in staff.messages if m.topic.endswith("/status")][-1]
        assert last["online"] is False


@pytest.mark.parametrize("questionnaire", [VISIT, PRE_REGISTRATION], ids=["visit", "real"])
def test_a_flow_is_published_under_the_hash_of_its_canonical_form(
    clinic: Room, questionnaire: Json
) -> None:
    """flow_ref = id + first 12 hex of the SHA-256 of its RFC 8785 form; the payload is a form."""
    added = clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=questionnaire)
    device = clinic.enrol("patient")
    device.subscribe(f"{ROOT}/flows/+")
    found = device.wait(lambda m: m.topic == f"{ROOT}/flows/{added['flow_ref']}")
    assert found.retain
    assert found.json["resourceType"] == "Questionnaire"
    digest = hashlib.sha256(rfc8785.dumps(found.json)).hexdigest()
    assert added["flow_ref"] == f"{questionnaire['id']}-{digest[:12]}"
    assert len(found.payload) <= 512 * 1024
    links = re.findall(r'"linkId": ?"([^"]+)"', json.dumps(questionnaire))
    assert set(links) == set(re.findall(r'"linkId": ?"([^"]+)"', json.dumps(found.json)))


def test_a_changed_flow_has_another_reference_and_open_sessions_keep_theirs(pair: Pair) -> None:
    """A flow_ref is immutable; both stay published."""
    changed = {**VISIT, "title": "Visit, new"}
    added = pair.room.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=changed)
    assert added["flow_ref"] != pair.flow_ref
    opened = pair.staff.ask("OPEN_SESSION", "SESSION_OPENED", flow_id="visit")
    assert opened["flow_ref"] == added["flow_ref"]
    assert pair.staff.sync(pair.session)["flow_ref"] == pair.flow_ref
    pair.patient.subscribe(f"{ROOT}/flows/{pair.flow_ref}", f"{ROOT}/flows/{added['flow_ref']}")
    for ref in (pair.flow_ref, added["flow_ref"]):
        pair.patient.wait(on(f"{ROOT}/flows/{ref}"))
