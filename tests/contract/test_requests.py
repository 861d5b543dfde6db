"""Requests and their answers: who may ask what, twice or wrongly."""

import json
import uuid
from typing import Any

import pytest

from .forms import VISIT, form, item
from .raw import ROOT, Device, Json, Pair, Room, check_rejection


@pytest.fixture
def pair(clinic: Room) -> Pair:
    """A session on its first step."""
    return Pair(clinic, VISIT)


def inbox(device: Device, since: int) -> Json:
    """Wait for the next message in the inbox."""
    found: Json = device.wait(lambda m: m.topic.endswith("/inbox"), since).json
    return found


def ask_raw(device: Device, payload: bytes | str | Json) -> Json:
    """Publish a request as it is, and give what comes back."""
    since = device.mark()
    device.publish(f"{ROOT}/devices/{device.device}/requests", payload)
    return inbox(device, since)


def test_open_session_with_a_code(pair: Pair) -> None:
    """SESSION_OPENED bears `session`, `code` and the `request_id`; the opener is the host."""
    request_id = str(uuid.uuid4())
    answer = pair.staff.request("OPEN_SESSION", request_id, flow_id="visit", label="Room 4")
    assert (answer["v"], answer["type"]) == (1, "SESSION_OPENED")
    assert answer["request_id"] == request_id
    view = pair.staff.view(answer["session"])
    assert view["participants"][pair.staff.device]["host"] is True
    assert view["status"] == "waiting"


def test_the_same_request_twice_opens_one_session(pair: Pair) -> None:
    """An OPEN_SESSION that arrives again has the same answer, code and all."""
    request_id = str(uuid.uuid4())
    first = pair.staff.request("OPEN_SESSION", request_id, flow_id="visit")
    again = pair.staff.request("OPEN_SESSION", request_id, flow_id="visit")
    assert again == first
    listed = pair.room.admin.ask("LIST_SESSIONS", "SESSIONS")["sessions"]
    assert len(listed) == 2


def test_the_same_request_id_of_two_devices_is_two_requests(pair: Pair) -> None:
    """A `request_id` belongs to its sender."""
    other = pair.room.enrol("facility", "Other")
    request_id = str(uuid.uuid4())
    first = pair.staff.request("OPEN_SESSION", request_id, flow_id="visit")
    second = other.request("OPEN_SESSION", request_id, flow_id="visit")
    assert first["session"] != second["session"]


def test_open_session_of_an_unknown_flow_is_refused(pair: Pair) -> None:
    """A flow that the box has not is `unavailable`."""
    answer = pair.staff.ask_in_vain("OPEN_SESSION", "unavailable", flow_id="nothing")
    assert answer["message"]


def test_open_session_for_a_kiosk_that_is_busy_or_none_is_refused(pair: Pair) -> None:
    """`patient_device` is an enrolled patient's screen that is in no session."""
    kiosk = pair.room.enrol("patient", "Kiosk")
    named = {"flow_id": "visit", "patient_device": kiosk.device}
    pair.staff.ask("OPEN_SESSION", "SESSION_OPENED", **named)
    pair.staff.ask_in_vain("OPEN_SESSION", "unavailable", **named)
    for wrong in ("nobody", pair.staff.device, pair.patient.device):
        answer = pair.staff.request("OPEN_SESSION", flow_id="visit", patient_device=wrong)
        assert answer["code"] in {"not_allowed_for_role", "unavailable"}, answer


def test_join_by_session_is_for_the_facility_and_by_code_for_the_patient(pair: Pair) -> None:
    """A patient's device never comes in without a code."""
    kiosk = pair.room.enrol("patient", "Kiosk")
    kiosk.ask_in_vain("JOIN_SESSION", "not_allowed_for_role", session=pair.session)
    kiosk.ask_in_vain("JOIN_SESSION", "code_refused", code="BCDF-GHJK")
    pair.lead("REPLACE_PATIENT_DEVICE", device=None)
    code = pair.staff.view(pair.session, lambda v: v.get("code"))["code"]
    other = pair.room.enrol("facility", "Other")
    other.ask_in_vain("JOIN_SESSION", "not_allowed_for_role", code=code)
    kiosk.ask("JOIN_SESSION", "SESSION_JOINED", code=code)
    kiosk.do(pair.session, "ENTER_FIELD", field_id="name", value="Ada")


def test_join_an_unknown_or_ended_session_is_refused(pair: Pair) -> None:
    """`unknown_session` for what never was, `session_ended` for what is over."""
    other = pair.room.enrol("facility", "Other")
    other.ask_in_vain("JOIN_SESSION", "unknown_session", session="nothing")
    pair.lead("CANCEL", reason="Over")
    other.ask_in_vain("JOIN_SESSION", "session_ended", session=pair.session)


def test_join_twice_is_harmless(pair: Pair) -> None:
    """A host that joins its own session stays the host; an observer joins once."""
    before = pair.staff.sync(pair.session)
    pair.staff.ask("JOIN_SESSION", "SESSION_JOINED", session=pair.session)
    after = pair.staff.sync(pair.session)
    assert after["participants"] == before["participants"]
    assert after["revision"] == before["revision"]


def test_leave_session_takes_a_device_out(pair: Pair) -> None:
    """SESSION_LEFT; the session goes on, and who left sees and does nothing more."""
    observer = pair.room.enrol("facility", "Observer")
    observer.ask("JOIN_SESSION", "SESSION_JOINED", session=pair.session)
    observer.view(pair.session)
    answer = observer.ask("LEAVE_SESSION", "SESSION_LEFT", session=pair.session)
    assert answer["session"] == pair.session
    view = pair.staff.view(pair.session, lambda v: observer.device not in v["participants"])
    assert view["status"] == "active"
    since = observer.mark()
    pair.enter(name="Ada")
    observer.ask_in_vain("SYNC", "not_a_participant", session=pair.session)
    late = [m for m in observer.messages[since:] if "/state/" in m.topic and m.payload]
    assert late == []


def test_a_patient_leaves_and_the_session_waits(clinic: Room) -> None:
    """The patient's device leaves: the session is `waiting`, its assignment null."""
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    staff, kiosk = clinic.enrol("facility", "Desk"), clinic.enrol("patient", "Kiosk")
    opened = staff.ask(
        "OPEN_SESSION", "SESSION_OPENED", flow_id="visit", patient_device=kiosk.device
    )
    session = opened["session"]
    kiosk.view(session)
    kiosk.ask("LEAVE_SESSION", "SESSION_LEFT", session=session)
    staff.view(session, lambda v: kiosk.device not in v["participants"])
    kiosk.wait(lambda m: m.topic.endswith("/assignment") and m.json["session"] is None)
    again = clinic.device(kiosk.device, kiosk.secret)
    assert again.wait(lambda m: m.topic.endswith("/assignment")).json["session"] is None
    assert again.newest(session) is None


def test_sync_needs_a_participant(pair: Pair) -> None:
    """SYNC of a session of others, or of none, is refused with its `request_id`."""
    other = pair.room.enrol("patient", "Other")
    other.ask_in_vain("SYNC", "not_a_participant", session=pair.session)
    other.ask_in_vain("SYNC", "unknown_session", session="nothing")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("ENROL_DEVICE", {"name": "Mine", "role": "facility", "by": "secret"}),
        ("REVOKE_DEVICE", {"device": "desk"}),
        ("LIST_DEVICES", {}),
        ("PURGE_SESSIONS", {"older_than_s": 0}),
        ("ADD_FLOW", {"questionnaire": VISIT}),
    ],
)
def test_what_is_facility_its_is_refused_to_others(pair: Pair, kind: str, fields: Json) -> None:
    """`not_allowed_for_role` for a facility's and a patient's device alike."""
    for device in (pair.staff, pair.patient):
        device.ask_in_vain(kind, "not_allowed_for_role", **fields)


@pytest.mark.parametrize("kind", ["OPEN_SESSION", "LIST_DEVICES", "LIST_SESSIONS", "LIST_FLOWS"])
def test_a_patients_device_opens_and_lists_nothing(pair: Pair, kind: str) -> None:
    """`not_allowed_for_role`."""
    pair.patient.ask_in_vain(kind, "not_allowed_for_role", flow_id="visit")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "DANCE"}, "unknown_type"),
        ({"type": "NAVIGATE"}, "unknown_type"),
        ({"v": 2}, "unsupported_version"),
        ({"session": 7}, "malformed"),
        ({"session": "A/B"}, "malformed"),
        ({"session": None}, "malformed"),
    ],
)
def test_a_refused_request_bears_its_request_id(pair: Pair, change: Json, code: str) -> None:
    """`request_id` instead of `command_id` and `seq`."""
    request_id = str(uuid.uuid4())
    body = {"v": 1, "type": "SYNC", "request_id": request_id, "session": pair.session, **change}
    answer = ask_raw(pair.staff, body)
    check_rejection(answer, code)
    assert answer["request_id"] == request_id
    assert {"command_id", "seq"}.isdisjoint(answer)


@pytest.mark.parametrize(
    "payload",
    [b"", b"not json", b"[]", b"\xff", b"null", b"{}", b'{"v": 1, "type": "SYNC"}', b"1e999"],
)
def test_what_cannot_be_read_is_refused_with_neither(pair: Pair, payload: bytes) -> None:
    """`malformed`, without `request_id`, `command_id` and `seq`."""
    answer = ask_raw(pair.staff, payload)
    check_rejection(answer, "malformed")
    assert {"request_id", "command_id", "seq"}.isdisjoint(answer)


@pytest.mark.parametrize("missing", ["v", "request_id", "session"])
def test_a_request_that_lacks_something_is_refused(pair: Pair, missing: str) -> None:
    """Each of the contract's fields is needed."""
    body: dict[str, Any] = {
        "v": 1,
        "type": "SYNC",
        "request_id": str(uuid.uuid4()),
        "session": pair.session,
    }
    del body[missing]
    answer = ask_raw(pair.staff, json.dumps(body))
    assert answer["code"] in {"malformed", "unsupported_version"}, answer


def test_facility_it_sees_and_cleans_up(pair: Pair) -> None:
    """LIST_DEVICES, LIST_SESSIONS and PURGE_SESSIONS answer an admin device."""
    admin = pair.room.admin
    listed = {d["device"]: d for d in admin.ask("LIST_DEVICES", "DEVICES")["devices"]}
    assert listed[pair.staff.device]["online"] is True
    assert listed[pair.patient.device]["guest"] is True
    assert [s["session"] for s in admin.ask("LIST_SESSIONS", "SESSIONS")["sessions"]] == [
        pair.session
    ]
    admin.ask_in_vain("PURGE_SESSIONS", "unavailable", sessions=[pair.session])
    pair.lead("CANCEL", reason="Over")
    since = pair.staff.mark()
    purged = admin.ask("PURGE_SESSIONS", "SESSIONS_PURGED", sessions=[pair.session])
    assert purged["sessions"] == [pair.session]
    pair.staff.wait(lambda m: "/state/" in m.topic and m.payload == b"", since)
    fresh = pair.room.device(pair.staff.device, pair.staff.secret)
    fresh.ask_in_vain("SYNC", "unknown_session", session=pair.session)
    assert fresh.newest(pair.session) is None


def test_an_admin_device_may_lead_as_a_facility(pair: Pair) -> None:
    """`admin` publishes and reads as `facility`: it opens, observes and takes over."""
    admin = pair.room.admin
    admin.ask("JOIN_SESSION", "SESSION_JOINED", session=pair.session)
    admin.view(pair.session)
    admin.do(pair.session, "TAKE_OVER")
    admin.do(pair.session, "HIGHLIGHT_FIELD", field_id="name")


def test_a_guest_whose_session_is_over_is_answered_and_comes_in_nowhere(pair: Pair) -> None:
    """While it is still connected: SYNC and LEAVE_SESSION as ever; a code does not work for it."""
    opened = pair.staff.ask("OPEN_SESSION", "SESSION_OPENED", flow_id="visit")
    pair.lead("CANCEL", reason="Over")
    guest = pair.patient
    guest.view(pair.session, lambda v: v["status"] == "cancelled")
    guest.ask("SYNC", "SYNCED", session=pair.session)
    guest.ask("LEAVE_SESSION", "SESSION_LEFT", session=pair.session)
    guest.ask_in_vain("JOIN_SESSION", "session_ended", code=opened["code"])
    assert pair.staff.sync(opened["session"])["code"] == opened["code"]


def test_a_flow_of_half_a_megabyte_is_taken_and_a_larger_one_refused(clinic: Room) -> None:
    """At most 512 KiB: a larger one cannot be used, and nothing is published of it."""
    many = [item(f"q-{n}", "string", "What is it? " * 20) for n in range(1_500)]
    added = clinic.admin.ask(
        "ADD_FLOW", "FLOW_ADDED", questionnaire=form("large", item("all", "group", item=many))
    )
    device = clinic.enrol("patient")
    device.subscribe(f"{ROOT}/flows/{added['flow_ref']}")
    found = device.wait(lambda m: "/flows/" in m.topic)
    assert 400_000 < len(found.payload) <= 512 * 1024
    larger = form("larger", item("all", "group", "x" * 200_000, item=many))
    refusal = clinic.admin.request("ADD_FLOW", questionnaire=larger)
    assert refusal["code"] in {"malformed", "too_large"}
    assert "524288" in refusal["message"]


def test_flows_are_listed_with_their_titles_in_each_language(clinic: Room) -> None:
    """`titles` by language, and none where there is one title."""
    translation = {
        "url": "http://hl7.org/fhir/StructureDefinition/translation",
        "extension": [
            {"url": "lang", "valueCode": "es"},
            {"url": "content", "valueString": "Consentimiento"},
        ],
    }
    titled = {"title": "Consent", "_title": {"extension": [translation]}}
    question = item("q", "string")
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=form("two", question) | titled)
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=form("one", question))
    listed = clinic.enrol("facility").ask("LIST_FLOWS", "FLOWS")["flows"]
    by_id = {line["flow_id"]: line for line in listed}
    assert by_id["two"]["titles"] == {"es": "Consentimiento"}
    assert "titles" not in by_id["one"]
