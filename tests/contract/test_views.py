"""What both views hold, to the field, and when they are published."""

import re
from typing import Any

import pytest

from .forms import PNG, VISIT, begin, choice, chunks, put, reach, sign, upload
from .raw import ROOT, Device, Json, Pair, Peer, Room

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

HEAD: dict[str, Any] = {
    "v": int,
    "session": str,
    "revision": int,
    "epoch": int,
    "updated_at": str,
    "acknowledged_seq": int,
    "status": str,
    "flow_ref": str,
    "step_id": str,
    "step_index": int,
    "steps_total": int,
    "fields": dict,
    "documents": dict,
    "reading": dict,
    "check_words": list,
    "help_requested": bool,
    "covered": bool,
}


@pytest.fixture
def pair(clinic: Room) -> Pair:
    """A session on its first step."""
    return Pair(clinic, VISIT)


def check_head(view: Json) -> None:
    """See that the fields which both views share are there, of the right type."""
    for name, kind in HEAD.items():
        assert type(view[name]) is kind, (name, view.get(name))
    assert view["v"] == 1
    assert TIME.fullmatch(view["updated_at"])
    assert view["status"] in {
        "waiting",
        "active",
        "paused",
        "completed",
        "cancelled",
        "expired",
    }
    assert len(view["check_words"]) == 2
    assert all(re.fullmatch("[a-z]+", word) for word in view["check_words"])
    assert view["highlight"] is None or isinstance(view["highlight"], str)


def check_patient_view(view: Json) -> None:
    """See that a patient's view has the contract's fields, and nothing of the staff's."""
    check_head(view)
    assert type(view["host_online"]) is bool
    signature = view["signature"]
    assert signature is None or set(signature) - {"covers"} == {
        "field_id",
        "status",
        "document_sha256",
    }
    staffs = {"steps", "signatures", "participants", "patient_focus", "code", "code_expires_at"}
    assert staffs.isdisjoint(view)
    for field in view["fields"].values():
        assert {"value"} <= set(field) <= {"value", "error", "correction"}


def check_facility_view(view: Json) -> None:
    """See that a facility's view has the contract's fields."""
    check_head(view)
    for step in view["steps"].values():
        assert step["status"] in {"upcoming", "current", "complete", "incomplete"}
        assert (type(step["filled"]), type(step["required"])) == (int, int)
    for participant in view["participants"].values():
        assert participant["role"] in {"facility", "patient", "admin"}
        assert (type(participant["online"]), type(participant["host"])) == (bool, bool)
        assert TIME.fullmatch(participant["since"])
    assert type(view["signatures"]) is dict
    assert view["patient_focus"] is None or isinstance(view["patient_focus"], str)


def test_both_views_are_as_the_contract_says_through_a_whole_session(pair: Pair) -> None:
    """Every view of a session that goes to its end has every field, with its type and name."""
    reach(pair, "end")
    pair.enter(correct=True)
    pair.lead("COMPLETE")
    pair.both()
    for view in pair.staff.views(pair.session):
        check_facility_view(view)
    for view in pair.patient.views(pair.session):
        check_patient_view(view)
    words = {
        tuple(view["check_words"])
        for device in (pair.staff, pair.patient)
        for view in device.views(pair.session)
    }
    assert len(words) == 1


def test_revisions_rise_and_one_revision_has_one_content(pair: Pair) -> None:
    """Per device, views come in order; the same revision and `acknowledged_seq`: the same view."""
    reach(pair, "end")
    pair.staff.sync(pair.session)
    for device in (pair.staff, pair.patient):
        views = device.views(pair.session)
        ages = [(view["epoch"], view["revision"], view["acknowledged_seq"]) for view in views]
        assert ages == sorted(ages)
        known: dict[Any, Json] = {}
        for age, view in zip(ages, views, strict=True):
            assert known.setdefault(age, view) == view


def test_the_patients_view_holds_the_current_step_alone(pair: Pair) -> None:
    """On no step does the patient's view name a field, a document or a value of another."""
    of_step = {
        "person": {"name", "born", "plan", "number"},
        "visits": {"visits", "first-visit"},
        "family": {"has-children", "gold-number"},
        "papers": {"card", "note"},
        "consent": {"notice", "agree", "remark"},
        "end": {"correct"},
    }
    pair.enter(number="123-45-6789")
    reach(pair, "end")
    pair.enter(correct=True)
    seen = set()
    for view in pair.patient.views(pair.session):
        mine = of_step[view["step_id"]]
        seen.add(view["step_id"])
        for part in ("fields", "documents", "reading"):
            assert {f.split("[")[0] for f in view[part]} <= mine | {"children"}, (part, view)
        if view["signature"]:
            assert view["signature"]["field_id"] in mine
        if view["highlight"]:
            assert view["highlight"] in mine
    assert seen == set(of_step)


def test_a_sensitive_field_arrives_masked_at_the_facility(pair: Pair) -> None:
    """`{"masked": true, "length": n}` for staff, whether valid or not; the patient sees it."""
    pair.enter(number="123-45-6789")
    staff, patient = pair.both()
    assert staff["fields"]["number"]["value"] == {"masked": True, "length": 11}
    assert patient["fields"]["number"] == {"value": "123-45-6789"}
    pair.enter(number="987-6")
    staff, patient = pair.both()
    assert staff["fields"]["number"]["value"] == {"masked": True, "length": 5}
    assert "987-6" not in str(staff)
    assert staff["fields"]["number"]["error"]
    pair.lead("REQUEST_CORRECTION", field_id="number", message="All of it, please")
    assert "987-6" not in str(pair.both()[0])
    for message in list(pair.staff.messages):
        assert b"123-45-6789" not in message.payload
        assert b"987-6" not in message.payload
    shown = pair.room.admin.ask("SHOW_SESSION", "SESSION_SHOWN", session=pair.session)
    assert "987-6" not in str(shown)


def test_steps_tell_how_far_each_is(pair: Pair) -> None:
    """`upcoming` before, `current` here, `complete` or `incomplete` behind; filled, required."""
    staff = pair.both()[0]
    assert list(staff["steps"]) == ["person", "visits", "family", "papers", "consent", "end"]
    assert staff["steps"]["person"] == {"status": "current", "filled": 0, "required": 3}
    assert {s["status"] for k, s in staff["steps"].items() if k != "person"} == {"upcoming"}
    reach(pair, "family")
    pair.go("papers", override_reason="No time")
    steps = pair.both()[0]["steps"]
    assert [steps[k]["status"] for k in steps] == [
        "complete",
        "complete",
        "incomplete",
        "current",
        "upcoming",
        "upcoming",
    ]
    assert steps["person"] == {"status": "complete", "filled": 3, "required": 3}
    assert steps["visits"] == {"status": "complete", "filled": 0, "required": 0}
    assert steps["family"] == {"status": "incomplete", "filled": 0, "required": 1}


def test_the_facilitys_view_holds_the_whole_flow(pair: Pair) -> None:
    """Values, documents, signatures and reading of every step are the staff's to see."""
    reach(pair, "end")
    staff, _ = pair.both()
    assert staff["fields"]["name"] == {"value": "Ada"}
    assert staff["fields"]["has-children"] == {"value": False}
    assert staff["documents"]["card"]["status"] == "received"
    assert staff["reading"] == {"notice": 1}
    assert staff["signatures"]["agree"]["status"] == "signed"
    assert re.fullmatch("[0-9a-f]{64}", staff["signatures"]["agree"]["document_sha256"])


def test_a_document_goes_through_its_life(pair: Pair) -> None:
    """missing, receiving with `upload`, `received`, `size`; then received, then reviewed."""
    data = PNG
    reach(pair, "papers")
    assert pair.both()[1]["documents"]["card"] == {"status": "missing"}
    begin(pair, "card", "first", data)
    begun = pair.both()[1]["documents"]["card"]
    assert {k: begun[k] for k in ("status", "upload", "received", "size")} == {
        "status": "receiving",
        "upload": "first",
        "received": 0,
        "size": len(data),
    }
    for offset, chunk in chunks(data):
        put(pair, "first", offset, chunk)
    full = pair.patient.view(
        pair.session, lambda v: v["documents"]["card"].get("received") == len(data)
    )
    assert full["documents"]["card"]["status"] == "receiving"
    pair.fill("FINISH_UPLOAD", upload="first")
    for view in pair.both():
        done = view["documents"]["card"]
        assert (done["status"], done["upload"], done["size"]) == ("received", "first", len(data))
    pair.fill("CLEAR_FIELD", field_id="card")
    assert pair.both()[1]["documents"]["card"] == {"status": "missing"}


def test_the_code_is_shown_while_it_is_open(clinic: Room) -> None:
    """`code` and `code_expires_at` stand in the facility's view until the patient is there."""
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    staff = clinic.enrol("facility", "Desk")
    opened = staff.ask("OPEN_SESSION", "SESSION_OPENED", flow_id="visit")
    view = staff.view(opened["session"])
    assert view["code"] == opened["code"]
    assert view["status"] == "waiting"
    assert TIME.fullmatch(view["code_expires_at"])
    clinic.pair(opened["code"])
    view = staff.view(opened["session"], lambda v: v["status"] == "active")
    assert (view.get("code"), view.get("code_expires_at")) == (None, None)


def test_the_view_is_retained_for_who_comes_back(pair: Pair) -> None:
    """A device that subscribes gets its newest view at once, from the broker, without asking."""
    pair.enter(name="Ada", plan=choice("gold"))
    _, newest = pair.both()
    pair.patient.vanish()
    back = Peer(pair.room.port, pair.patient.device, pair.patient.device, pair.patient.secret)
    pair.room.keep(back).connect()
    back.subscribe(f"{ROOT}/sessions/+/state/{pair.patient.device}")
    found = back.wait(lambda m: "/state/" in m.topic)
    assert found.retain
    assert found.qos == 1
    assert found.json["fields"] == newest["fields"]


def test_the_view_is_published_again_on_presence(pair: Pair) -> None:
    """Who says that it is online is told its state again by the controller, changed or not."""
    pair.enter(name="Ada")
    for device in (pair.patient, pair.staff):
        since = device.mark()
        device.connection += 1
        here = {"v": 1, "online": True, "connection": device.connection}
        device.publish(f"{ROOT}/devices/{device.device}/presence", here, retain=True)
        again = device.wait(lambda m: "/state/" in m.topic, since)
        assert not again.retain
        assert again.json == device.newest(pair.session)


def test_the_view_is_published_again_on_sync(pair: Pair) -> None:
    """SYNC is answered in the inbox, and the same view comes again."""
    pair.enter(name="Ada")
    _, newest = pair.both()
    since = pair.patient.mark()
    pair.patient.ask("SYNC", "SYNCED", session=pair.session)
    assert pair.patient.wait(lambda m: "/state/" in m.topic, since).json == newest


def test_each_device_reads_its_own_view_alone(pair: Pair) -> None:
    """The staff's topics never bear the patient's view, nor the patient's the staff's."""
    pair.enter(name="Ada")
    for device in (pair.staff, pair.patient):
        topics = {m.topic for m in device.messages if "/state/" in m.topic}
        assert topics == {f"{ROOT}/sessions/{pair.session}/state/{device.device}"}


def test_a_form_with_a_signature_shows_it_on_both_views(pair: Pair) -> None:
    """`signature` tells what is asked for on the patient's view; `signatures` on the staff's."""
    reach(pair, "consent")
    pair.fill("REPORT_READING", field_id="notice", fraction=1)
    pair.lead("REQUEST_SIGNATURE", field_id="agree")
    staff, patient = pair.both()
    assert patient["signature"]["field_id"] == "agree"
    assert patient["signature"]["status"] == "requested"
    assert staff["signatures"]["agree"]["status"] == "requested"
    pair.lead("CANCEL_SIGNATURE")
    staff, patient = pair.both()
    assert patient["signature"] is None
    sign(pair, "agree")
    staff, patient = pair.both()
    assert patient["signature"]["status"] == "signed"
    assert staff["signatures"]["agree"]["status"] == "signed"


def test_views_of_an_ended_session_are_the_final_ones(pair: Pair) -> None:
    """Both screens get the final view, retained until it is purged or an hour has passed."""
    reach(pair, "papers")
    upload(pair, "card", "card-1")
    pair.lead("CANCEL", reason="Over")
    pair.both()
    fresh: Device = pair.room.device(pair.staff.device, pair.staff.secret)
    view = fresh.view(pair.session)
    assert view["status"] == "cancelled"
    purged = pair.room.admin.ask("PURGE_SESSIONS", "SESSIONS_PURGED", sessions=[pair.session])
    assert purged["sessions"] == [pair.session]
    fresh.wait(lambda m: "/state/" in m.topic and not m.payload)
