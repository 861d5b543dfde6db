"""Requests about devices: enrolling several, again, renaming, retiring, and the list of them."""

import json
import re
import uuid
from contextlib import ExitStack
from pathlib import Path

import pytest

from broker import Heard
from tests.conftest import RunningBox, StartBox

from .forms import VISIT
from .raw import ROOT, Device, Json, Refused, Room, claim, room

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def line(clinic: Room, device: str) -> Json:
    """Return a device's line of the list."""
    lines = clinic.admin.ask("LIST_DEVICES", "DEVICES")["devices"]
    found: Json = next(each for each in lines if each["device"] == device)
    return found


def presence(device: Device, **more: object) -> None:
    """Publish that a device is online."""
    device.connection += 1
    device.publish(
        f"{ROOT}/devices/{device.device}/presence",
        {"v": 1, "online": True, "connection": device.connection, **more},
        retain=True,
    )


def test_the_list_says_where_and_since_when(clinic: Room) -> None:
    """Address, software, room and session of a connected screen; nothing before it connected."""
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    fields = {"name": "Kiosk 1", "role": "patient", "room": "Lobby"}
    enrolled = clinic.admin.ask("ENROL_DEVICE", "DEVICE_ENROLLED", **fields)
    before = line(clinic, enrolled["device"])
    assert (before["room"], before["online"], before["sessions"]) == ("Lobby", False, [])
    assert {"last_seen", "address", "software"}.isdisjoint(before)
    kiosk = clinic.device(enrolled["device"], enrolled["secret"])
    presence(kiosk, software="kiosk/3.1")
    staff = clinic.enrol("facility", "Desk")
    named = {"flow_id": "visit", "patient_device": kiosk.device}
    session = staff.ask("OPEN_SESSION", "SESSION_OPENED", **named)["session"]
    kiosk.view(session)
    now = line(clinic, kiosk.device)
    assert (now["online"], now["address"], now["software"]) == (True, "127.0.0.1", "kiosk/3.1")
    assert now["sessions"] == [session]
    assert TIME.fullmatch(now["last_seen"])
    assert line(clinic, staff.device)["sessions"] == [session]
    assert "software" not in line(clinic, staff.device), "it said none"


def test_nothing_is_kept_of_where_a_guest_is(clinic: Room) -> None:
    """A patient's phone has neither an address nor a program in the list."""
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    staff = clinic.enrol("facility", "Desk")
    opened = staff.ask("OPEN_SESSION", "SESSION_OPENED", flow_id="visit")
    phone = clinic.pair(opened["code"])
    phone.view(opened["session"])
    presence(phone, software="phone/1")
    phone.sync(opened["session"])
    found = line(clinic, phone.device)
    assert found["guest"]
    assert {"address", "software"}.isdisjoint(found)


def test_being_seen_costs_no_write(clinic: Room, box: RunningBox) -> None:
    """Messages of a connected device change nothing in the database but what they say."""
    staff = clinic.enrol("facility", "Desk")
    staff.ask("LIST_FLOWS", "FLOWS")
    commits = box.box.counters["commits"]
    for _ in range(5):
        staff.ask("LIST_KIOSKS", "KIOSKS")
    assert box.box.counters["commits"] == commits


def test_last_seen_outlives_the_box(
    start_box: StartBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop keeps when a connected screen was last heard; the next start does not change it."""
    monkeypatch.setattr("broker.Broker.last_heard", lambda *_: Heard("192.0.2.7", 3_600.0))
    data = tmp_path / "data"
    with ExitStack() as after:
        with start_box(data) as box:
            here = after.enter_context(room(box.port, box.admins))
            desk = here.enrol("facility", "Desk")
            desk.ask("LIST_FLOWS", "FLOWS")
            status = desk.wait(lambda m: m.topic == f"{ROOT}/controller/status").json
        desk.wait_closed()
    monkeypatch.undo()
    with start_box(data) as box, room(box.port, box.admins) as here:
        found = line(here, desk.device)
    assert (found["online"], found["address"]) == (False, "192.0.2.7")
    assert found["last_seen"] < status["started_at"], "an hour before the stop"


def test_a_presence_with_a_program_that_is_none_is_ignored(clinic: Room) -> None:
    """`software` is text of one line, at most 64 characters."""
    kiosk = clinic.enrol("patient", "Kiosk")
    presence(kiosk, software="kiosk/1")
    presence(kiosk, software="x" * 65)
    presence(kiosk, software="a\nb")
    kiosk.ask_in_vain("LIST_DEVICES", "not_allowed_for_role")
    assert line(clinic, kiosk.device)["software"] == "kiosk/1"


def test_a_room_stands_beside_the_kiosk(clinic: Room) -> None:
    """LIST_KIOSKS has the room of a kiosk that has one."""
    staff = clinic.enrol("facility", "Desk")
    clinic.admin.ask("ENROL_DEVICE", "DEVICE_ENROLLED", name="K1", role="patient", room="Room 2")
    clinic.admin.ask("ENROL_DEVICE", "DEVICE_ENROLLED", name="K2", role="patient")
    kiosks = staff.ask("LIST_KIOSKS", "KIOSKS")["kiosks"]
    assert [(one["name"], one.get("room")) for one in kiosks] == [("K1", "Room 2"), ("K2", None)]


def test_a_device_is_renamed_and_moved(clinic: Room) -> None:
    """CHANGE_DEVICE: the id stays; an empty room removes it; the connection goes on."""
    desk = clinic.enrol("facility", "Desk")
    changed = clinic.admin.ask(
        "CHANGE_DEVICE", "DEVICE_CHANGED", device=desk.device, name="Front desk", room="Lobby"
    )
    assert (changed["name"], changed["room"]) == ("Front desk", "Lobby")
    assert line(clinic, desk.device)["name"] == "Front desk"
    moved = clinic.admin.ask("CHANGE_DEVICE", "DEVICE_CHANGED", device=desk.device, room="")
    assert (moved["name"], moved.get("room")) == ("Front desk", None)
    desk.ask("LIST_FLOWS", "FLOWS")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 65},
        {"name": "a\u0007b"},
        {"room": "x" * 65},
        {"room": "a\nb"},
    ],
)
def test_what_is_no_name_is_refused(clinic: Room, fields: Json) -> None:
    """`malformed`, and nothing changes."""
    desk = clinic.enrol("facility", "Desk")
    clinic.admin.ask_in_vain("CHANGE_DEVICE", "malformed", device=desk.device, **fields)
    assert line(clinic, desk.device)["name"] == "Desk"


def test_a_new_code_pairs_the_same_device(clinic: Room) -> None:
    """REENROL_DEVICE by code: the old secret works until the code is used, and no longer."""
    old = clinic.enrol("patient", "Kiosk")
    given = clinic.admin.ask("REENROL_DEVICE", "DEVICE_ENROLLED", device=old.device, by="code")
    assert given["device"] == old.device
    assert "secret" not in given
    old.ask_in_vain("LIST_FLOWS", "not_allowed_for_role")
    newer = clinic.admin.ask("REENROL_DEVICE", "DEVICE_ENROLLED", device=old.device, by="code")
    assert newer["code"] != given["code"]
    assert claim(clinic.port, given["code"])["code"] == "code_refused", "the newest code alone"
    grant = claim(clinic.port, newer["code"])
    assert grant["device"] == old.device
    old.wait_closed()
    with pytest.raises(Refused):
        old.online()
    clinic.device(grant["device"], grant["secret"])
    assert line(clinic, old.device)["name"] == "Kiosk"


def test_a_replaced_device_has_a_new_secret_at_once(clinic: Room) -> None:
    """REENROL_DEVICE by secret: the old one is disconnected; a session goes on with the new one."""
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    staff, old = clinic.enrol("facility", "Desk"), clinic.enrol("patient", "Kiosk")
    named = {"flow_id": "visit", "patient_device": old.device}
    session = staff.ask("OPEN_SESSION", "SESSION_OPENED", **named)["session"]
    old.view(session)
    request_id = str(uuid.uuid4())
    order = {"device": old.device, "by": "secret"}
    given = clinic.admin.request("REENROL_DEVICE", request_id, **order)
    assert clinic.admin.request("REENROL_DEVICE", request_id, **order) == given, "once"
    old.wait_closed()
    with pytest.raises(Refused):
        old.online()
    new = clinic.device(given["device"], given["secret"])
    assert new.view(session)["session"] == session
    staff.view(session, lambda view: view["participants"][new.device]["online"])


def test_a_revoked_device_comes_back_and_its_old_secret_does_not(clinic: Room) -> None:
    """A code for a lost tablet's replacement does not make the lost one's secret work again."""
    lost = clinic.enrol("patient", "Kiosk")
    clinic.admin.ask("REVOKE_DEVICE", "DEVICE_REVOKED", device=lost.device)
    given = clinic.admin.ask("REENROL_DEVICE", "DEVICE_ENROLLED", device=lost.device, by="code")
    with pytest.raises(Refused):
        lost.online()
    grant = claim(clinic.port, given["code"])
    assert grant["device"] == lost.device
    assert not line(clinic, lost.device)["revoked"]


def test_a_code_ends_with_the_device(clinic: Room) -> None:
    """A code that was not used yet is no use after the device was revoked and replaced."""
    given = clinic.admin.ask(
        "ENROL_DEVICE", "DEVICE_ENROLLED", name="Kiosk", role="patient", by="code"
    )
    device = given["device"]
    clinic.admin.ask("REVOKE_DEVICE", "DEVICE_REVOKED", device=device)
    clinic.admin.ask("REENROL_DEVICE", "DEVICE_ENROLLED", device=device, by="secret")
    assert claim(clinic.port, given["code"])["code"] == "code_refused"


def test_a_retired_device_is_so_permanently(clinic: Room) -> None:
    """It is revoked, is not enrolled again, and stays in the list and in the log."""
    desk = clinic.enrol("facility", "Desk")
    clinic.admin.ask("REVOKE_DEVICE", "DEVICE_REVOKED", device=desk.device, retire=True)
    desk.wait_closed()
    found = line(clinic, desk.device)
    assert (found["revoked"], found["retired"]) == (True, True)
    for by in ("code", "secret"):
        clinic.admin.ask_in_vain("REENROL_DEVICE", "unavailable", device=desk.device, by=by)
    again = clinic.admin.ask("ENROL_DEVICE", "DEVICE_ENROLLED", name="Desk", role="facility")
    assert again["device"] != desk.device, "an id is never used twice"


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("REENROL_DEVICE", {"by": "code"}),
        ("CHANGE_DEVICE", {"name": "X"}),
        ("REVOKE_DEVICE", {"retire": True}),
    ],
)
def test_only_enrolled_screens_are_changed(clinic: Room, kind: str, more: Json) -> None:
    """Not the command line's own devices, no guests, and none that is not there."""
    clinic.admin.ask_in_vain(kind, "not_a_participant", device="nobody", **more)
    clinic.admin.ask_in_vain(kind, "not_allowed_for_role", device="admin-8", **more)
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    staff = clinic.enrol("facility", "Desk")
    opened = staff.ask("OPEN_SESSION", "SESSION_OPENED", flow_id="visit")
    phone = clinic.pair(opened["code"])
    clinic.admin.ask_in_vain(kind, "not_allowed_for_role", device=phone.device, **more)
    staff.ask_in_vain(kind, "not_allowed_for_role", device=staff.device, **more)


def test_several_devices_are_enrolled_together(clinic: Room) -> None:
    """ENROL_DEVICES: in their order, by code or by secret; the same request once."""
    devices = [
        {"name": "Kiosk 1", "role": "patient", "room": "Lobby"},
        {"name": "Desk 1", "role": "facility"},
    ]
    request_id = str(uuid.uuid4())
    order = {"devices": devices, "by": "code"}
    given = clinic.admin.request("ENROL_DEVICES", request_id, **order)
    assert clinic.admin.request("ENROL_DEVICES", request_id, **order) == given
    first, second = given["devices"]
    assert (first["device"], second["device"]) == ("kiosk-1", "desk-1")
    assert claim(clinic.port, second["code"])["role"] == "facility"
    assert line(clinic, "kiosk-1")["room"] == "Lobby"


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (["New", "old"], ["old"]),
        (["Same", "Other", "same"], ["Same", "same"]),
    ],
)
def test_all_devices_are_enrolled_or_none(clinic: Room, names: list[str], taken: list[str]) -> None:
    """A name that is taken is named, and none of the others is enrolled."""
    clinic.enrol("patient", "Old")
    devices = [{"name": name, "role": "patient"} for name in names]
    refused = clinic.admin.ask_in_vain("ENROL_DEVICES", "malformed", devices=devices)
    assert refused["details"]["names"] == taken
    lines = clinic.admin.ask("LIST_DEVICES", "DEVICES")["devices"]
    assert [one["name"] for one in lines if one["role"] == "patient"] == ["Old"]


def test_what_was_done_to_a_device_is_in_the_log(clinic: Room, box: RunningBox) -> None:
    """Each act once, with the device and who asked, and without its name."""
    kiosk = clinic.enrol("patient", "Kiosk")
    for kind, more in (
        ("CHANGE_DEVICE", {"name": "Tablet 7", "room": "Lobby"}),
        ("REENROL_DEVICE", {"by": "code"}),
        ("REENROL_DEVICE", {"by": "secret"}),
        ("REVOKE_DEVICE", {"retire": True}),
    ):
        answer = clinic.admin.request(kind, device=kiosk.device, **more)
        assert answer["type"] != "REJECTION", answer
    from session_controller.integrity.data_folder import told_entries  # noqa: PLC0415
    from session_controller.storage.entities import EntryFilter  # noqa: PLC0415

    entries = list(told_entries(box.data, EntryFilter()))
    acts = [one["about"]["change"] for one in entries if one["what"] == "DeviceChanged"]
    assert acts == ["retired", "replaced", "code", "moved", "renamed"]
    assert "Tablet 7" not in json.dumps(entries)
