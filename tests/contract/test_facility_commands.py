"""Every command of the facility: what it does to both views, and how it is refused."""

import pytest

from .forms import PERSON, VISIT, begin, chunks, put, reach, sign, upload
from .raw import Json, Pair, Room


@pytest.fixture
def pair(clinic: Room) -> Pair:
    """A session on its first step."""
    return Pair(clinic, VISIT)


def test_navigate_moves_both_screens(pair: Pair) -> None:
    """NAVIGATE past a complete step moves everyone, and the patient sees the new step's values."""
    pair.enter(**PERSON)
    pair.go("visits")
    staff, patient = pair.both()
    for view in (staff, patient):
        assert (view["step_id"], view["step_index"], view["steps_total"]) == ("visits", 1, 6)
    assert patient["fields"] == {}
    assert staff["fields"]["name"] == {"value": "Ada"}
    assert staff["steps"]["person"]["status"] == "complete"
    assert staff["steps"]["visits"]["status"] == "current"


def test_navigate_goes_back_and_forth(pair: Pair) -> None:
    """Back is always allowed, whatever the step lacks; the values are still there."""
    pair.enter(**PERSON)
    pair.go("visits")
    pair.enter(visits=7)
    back = pair.go("person")
    assert back["fields"]["name"] == {"value": "Ada"}
    assert "visits" not in back["fields"]
    pair.fill("CLEAR_FIELD", field_id="name")
    pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="visits")


def test_navigate_past_an_incomplete_step_is_refused(pair: Pair) -> None:
    """`step_incomplete` lists the fields that are missing or invalid, of every step passed."""
    pair.enter(name="x" * 21, plan=PERSON["plan"])
    refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="visits")
    assert sorted(refusal["details"]["fields"]) == ["born", "name"]
    refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="end")
    fields = refusal["details"]["fields"]
    assert {"born", "name"} <= set(fields)
    assert "x" * 21 not in refusal["message"]
    assert pair.both()[1]["step_id"] == "person"


def test_a_step_is_skipped_only_with_a_reason(pair: Pair) -> None:
    """A step that the flow lets be skipped needs `override_reason`; another is never skipped."""
    reach(pair, "family")
    pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="papers")
    pair.go("papers", override_reason="No time")
    staff, _ = pair.both()
    assert staff["steps"]["family"]["status"] == "incomplete"
    refusal = pair.lead_in_vain(
        "NAVIGATE", "step_incomplete", step_id="consent", override_reason="No card"
    )
    assert refusal["details"]["fields"] == ["card"]


@pytest.mark.parametrize("step", ["nowhere", "name", "PERSON"])
def test_navigate_to_an_unknown_step_is_refused(pair: Pair, step: str) -> None:
    """A step that the flow has not is `unknown_step`."""
    pair.lead_in_vain("NAVIGATE", "unknown_step", step_id=step)


def test_highlight_is_shown_to_both_and_cleared_by_moving(pair: Pair) -> None:
    """HIGHLIGHT_FIELD sets `highlight` on both views; null and moving clear it."""
    pair.lead("HIGHLIGHT_FIELD", field_id="born")
    assert [view["highlight"] for view in pair.both()] == ["born", "born"]
    pair.lead("HIGHLIGHT_FIELD", field_id=None)
    assert [view["highlight"] for view in pair.both()] == [None, None]
    pair.lead("HIGHLIGHT_FIELD", field_id="plan")
    pair.enter(**PERSON)
    assert pair.both()[0]["highlight"] == "plan"
    pair.go("visits")
    assert [view["highlight"] for view in pair.both()] == [None, None]
    pair.lead_in_vain("HIGHLIGHT_FIELD", "unknown_field", field_id="nothing")
    pair.lead_in_vain("HIGHLIGHT_FIELD", "field_not_on_this_step", field_id="born")


def test_a_correction_is_asked_for_and_made(pair: Pair) -> None:
    """REQUEST_CORRECTION marks a valid field; it blocks until the patient enters it again."""
    pair.enter(**PERSON)
    pair.lead("REQUEST_CORRECTION", field_id="name", message="As in the passport, please")
    staff, patient = pair.both()
    for view in (staff, patient):
        assert view["fields"]["name"]["value"] == "Ada"
        assert view["fields"]["name"]["correction"] == "As in the passport, please"
    assert staff["steps"]["person"]["status"] == "current"
    refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="visits")
    assert refusal["details"]["fields"] == ["name"]
    pair.enter(name="Ada")
    assert pair.both()[1]["fields"]["name"] == {"value": "Ada"}
    pair.go("visits")
    pair.lead_in_vain("REQUEST_CORRECTION", "unknown_field", field_id="nothing", message="x")


def test_a_document_is_accepted(pair: Pair) -> None:
    """REVIEW_DOCUMENT with `accepted` turns `received` into `accepted`, on both views."""
    reach(pair, "papers")
    upload(pair, "card", "card-1")
    assert [view["documents"]["card"]["status"] for view in pair.both()] == ["received"] * 2
    pair.lead("REVIEW_DOCUMENT", field_id="card", accepted=True)
    assert [view["documents"]["card"]["status"] for view in pair.both()] == ["accepted"] * 2


def test_a_document_is_sent_back(pair: Pair) -> None:
    """A document that is not accepted is `rejected` with the reason, and blocks moving on."""
    reach(pair, "papers")
    upload(pair, "card", "card-1")
    pair.lead("REVIEW_DOCUMENT", field_id="card", accepted=False, reason="Too dark")
    for view in pair.both():
        assert view["documents"]["card"]["status"] == "rejected"
        assert view["documents"]["card"]["reason"] == "Too dark"
    refusal = pair.lead_in_vain("NAVIGATE", "step_incomplete", step_id="consent")
    assert refusal["details"]["fields"] == ["card"]
    upload(pair, "card", "card-2")
    assert "reason" not in pair.both()[1]["documents"]["card"]
    pair.go("consent")


def test_a_document_that_is_not_there_cannot_be_reviewed(pair: Pair) -> None:
    """REVIEW_DOCUMENT and FETCH_DOCUMENT need a whole document in a field of that kind."""
    for kind, rest in (("REVIEW_DOCUMENT", {"accepted": True}), ("FETCH_DOCUMENT", {})):
        pair.lead_in_vain(kind, "unknown_field", field_id="nothing", **rest)
        pair.lead_in_vain(kind, "wrong_field_kind", field_id="name", **rest)
        pair.lead_in_vain(kind, "upload_incomplete", field_id="card", **rest)
    reach(pair, "papers")
    begin(pair, "card", "card-1", b"\x89PNG" * 30_000)
    put(pair, "card-1", *chunks(b"\x89PNG" * 30_000)[0])
    pair.staff.view(pair.session, lambda v: v["documents"]["card"].get("received") == 65_536)
    for kind, rest in (("REVIEW_DOCUMENT", {"accepted": True}), ("FETCH_DOCUMENT", {})):
        pair.lead_in_vain(kind, "upload_incomplete", field_id="card", **rest)


def test_a_call_for_help_is_taken_down(pair: Pair) -> None:
    """ASK_FOR_HELP raises `help_requested` on both views, ANSWER_HELP takes it down."""
    pair.fill("ASK_FOR_HELP")
    assert [view["help_requested"] for view in pair.both()] == [True, True]
    pair.lead("ANSWER_HELP")
    assert [view["help_requested"] for view in pair.both()] == [False, False]


def test_the_screen_is_covered_and_shown(pair: Pair) -> None:
    """COVER_SCREEN sets `covered` on both views; a covered screen's view holds no values."""
    pair.enter(name="Ada")
    pair.lead("COVER_SCREEN", covered=True)
    assert [view["covered"] for view in pair.both()] == [True, True]
    pair.lead("COVER_SCREEN", covered=False)
    staff, patient = pair.both()
    assert (staff["covered"], patient["covered"]) == (False, False)
    assert patient["fields"]["name"] == {"value": "Ada"}


def test_a_paused_session_accepts_resume_and_cancel_alone(pair: Pair) -> None:
    """PAUSE: everything but these and ASK_FOR_HELP is refused as `session_paused`."""
    pair.enter(name="Ada")
    pair.lead("PAUSE")
    assert [view["status"] for view in pair.both()] == ["paused", "paused"]
    pair.refuse_while("session_paused", everything(but={"RESUME", "CANCEL", "ASK_FOR_HELP"}))
    pair.fill("ASK_FOR_HELP")
    pair.lead("RESUME")
    staff, patient = pair.both()
    assert (staff["status"], patient["status"]) == ("active", "active")
    assert patient["fields"]["name"] == {"value": "Ada"}
    pair.lead("PAUSE")
    pair.lead("CANCEL", reason="The patient left")
    assert [view["status"] for view in pair.both()] == ["cancelled", "cancelled"]


def everything(but: set[str]) -> list[tuple[str, str, Json]]:
    """Return each command of the contract once, with fields valid on the first step."""
    uploaded = {
        "upload": "u-1",
        "size": 4,
        "sha256": "0" * 64,
        "media_type": "image/png",
    }
    all_of_them: list[tuple[str, str, Json]] = [
        ("staff", "NAVIGATE", {"step_id": "person"}),
        ("staff", "HIGHLIGHT_FIELD", {"field_id": "name"}),
        ("staff", "REQUEST_SIGNATURE", {"field_id": "agree"}),
        ("staff", "CANCEL_SIGNATURE", {}),
        ("staff", "REQUEST_CORRECTION", {"field_id": "name", "message": "Please"}),
        ("staff", "REVIEW_DOCUMENT", {"field_id": "card", "accepted": True}),
        ("staff", "FETCH_DOCUMENT", {"field_id": "card"}),
        ("staff", "ANSWER_HELP", {}),
        ("staff", "COVER_SCREEN", {"covered": True}),
        ("staff", "PAUSE", {}),
        ("staff", "RESUME", {}),
        ("staff", "REPLACE_PATIENT_DEVICE", {"device": None}),
        ("staff", "TAKE_OVER", {}),
        ("staff", "COMPLETE", {}),
        ("staff", "CANCEL", {"reason": "Over"}),
        ("patient", "ENTER_FIELD", {"field_id": "name", "value": "Eve"}),
        ("patient", "CLEAR_FIELD", {"field_id": "name"}),
        ("patient", "FOCUS_FIELD", {"field_id": "name"}),
        ("patient", "REPORT_READING", {"field_id": "notice", "fraction": 1}),
        ("patient", "BEGIN_UPLOAD", {"field_id": "card", **uploaded}),
        ("patient", "FINISH_UPLOAD", {"upload": "u-1"}),
        (
            "patient",
            "SUBMIT_SIGNATURE",
            {"field_id": "agree", "strokes": [[[0, 0, 0]]], "document_sha256": "0" * 64},
        ),
        ("patient", "DECLINE_SIGNATURE", {}),
        ("patient", "WITHDRAW_SIGNATURE", {"field_id": "agree"}),
        ("patient", "ASK_FOR_HELP", {}),
    ]
    return [each for each in all_of_them if each[1] not in but]


def test_an_ended_session_accepts_nothing(clinic: Room) -> None:
    """After the end every command is refused as `session_ended`, and both have the final view."""
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    kiosk = clinic.enrol("patient", "Kiosk")
    pair = Pair(clinic, VISIT)
    kiosk.seq = {}
    staff = pair.staff
    opened = staff.ask(
        "OPEN_SESSION", "SESSION_OPENED", flow_id="visit", patient_device=kiosk.device
    )
    pair.session, pair.patient = opened["session"], kiosk
    kiosk.view(pair.session)
    pair.lead("CANCEL", reason="Over")
    views = pair.both()
    assert [view["status"] for view in views] == ["cancelled", "cancelled"]
    pair.refuse_while("session_ended", everything(but=set()))


def test_each_role_has_its_own_commands(pair: Pair) -> None:
    """The patient never moves the flow, the facility never writes: `not_allowed_for_role`."""
    swapped = {"staff": "patient", "patient": "staff"}
    found = [(swapped[who], kind, fields) for who, kind, fields in everything(but=set())]
    pair.refuse_while("not_allowed_for_role", found)
    staff, patient = pair.both()
    assert patient["fields"] == {}
    assert staff["step_id"] == "person"


def test_an_observer_may_look_and_take_over_alone(pair: Pair) -> None:
    """A facility device that is not the host sees the view; every lead of it is `not_the_host`."""
    observer = pair.room.enrol("facility", "Back office")
    joined = observer.ask("JOIN_SESSION", "SESSION_JOINED", session=pair.session)
    assert joined["session"] == pair.session
    pair.enter(name="Ada")
    seen = observer.view(pair.session, lambda v: "name" in v["fields"])
    assert seen["participants"][observer.device]["host"] is False
    assert seen["participants"][pair.staff.device]["host"] is True
    for who, kind, fields in everything(but={"TAKE_OVER"}):
        if who == "staff":
            observer.fail(pair.session, kind, "not_the_host", **fields)


def test_take_over_makes_the_observer_the_host(pair: Pair) -> None:
    """TAKE_OVER: exactly one host, the new one; the old one observes from then on."""
    observer = pair.room.enrol("facility", "Back office")
    observer.ask("JOIN_SESSION", "SESSION_JOINED", session=pair.session)
    observer.view(pair.session)
    observer.do(pair.session, "TAKE_OVER")
    staff, _ = pair.both()
    hosts = [device for device, p in staff["participants"].items() if p["host"]]
    assert hosts == [observer.device]
    pair.lead_in_vain("HIGHLIGHT_FIELD", "not_the_host", field_id="name")
    observer.do(pair.session, "HIGHLIGHT_FIELD", field_id="name")
    pair.lead("TAKE_OVER")
    pair.lead("HIGHLIGHT_FIELD", field_id=None)


def test_a_stranger_to_the_session_is_not_a_participant(pair: Pair) -> None:
    """A device that did not join is refused as `not_a_participant`, whatever its role."""
    sends: list[tuple[str, str, Json]] = [
        ("facility", "NAVIGATE", {"step_id": "person"}),
        ("facility", "HIGHLIGHT_FIELD", {"field_id": None}),
        ("patient", "ENTER_FIELD", {"field_id": "name", "value": "Eve"}),
    ]
    for role, kind, fields in sends:
        stranger = pair.room.enrol(role, "Stranger")
        stranger.fail(pair.session, kind, "not_a_participant", **fields)
        assert stranger.newest(pair.session) is None
    assert pair.both()[1]["fields"] == {}


def test_a_session_that_is_not_is_unknown(pair: Pair) -> None:
    """A command to a session that never was is refused as `unknown_session`."""
    pair.staff.fail("no-such-session", "NAVIGATE", "unknown_session", step_id="person")


def test_complete_needs_every_required_field(pair: Pair) -> None:
    """COMPLETE on an incomplete session is `session_incomplete`, listing what is missing."""
    pair.enter(name="Ada", plan=PERSON["plan"])
    refusal = pair.lead_in_vain("COMPLETE", "session_incomplete")
    assert set(refusal["details"]["fields"]) == {
        "born",
        "has-children",
        "card",
        "notice",
        "agree",
        "correct",
    }


def test_complete_ends_a_session_whose_required_fields_are_valid(pair: Pair) -> None:
    """COMPLETE submits: `completed` on both views, and nothing goes on after it."""
    reach(pair, "end")
    pair.enter(correct=True)
    pair.lead("COMPLETE")
    views = pair.both()
    assert [view["status"] for view in views] == ["completed", "completed"]
    # The patient is a guest, whose credential has ended: while it is connected it is answered.
    pair.fill_in_vain("ENTER_FIELD", "session_ended", field_id="correct", value=False)
    staff = pair.staff.sync(pair.session)
    assert staff["fields"]["correct"] == {"value": True}


def test_a_skipped_step_does_not_make_a_session_complete(pair: Pair) -> None:
    """What was skipped is still required for COMPLETE."""
    reach(pair, "family")
    pair.go("papers", override_reason="No time")
    upload(pair, "card", "card-1")
    pair.go("consent")
    pair.fill("REPORT_READING", field_id="notice", fraction=1)
    sign(pair, "agree")
    pair.go("end")
    pair.enter(correct=True)
    refusal = pair.lead_in_vain("COMPLETE", "session_incomplete")
    assert refusal["details"]["fields"] == ["has-children"]


def test_cancel_needs_a_reason(pair: Pair) -> None:
    """CANCEL without its reason is malformed, and recorded; with it, the session ends."""
    pair.lead_in_vain("CANCEL", "malformed")
    pair.lead("CANCEL", reason="The patient left")
    assert [view["status"] for view in pair.both()] == ["cancelled", "cancelled"]


def test_a_new_code_replaces_the_patients_device(pair: Pair) -> None:
    """REPLACE_PATIENT_DEVICE with null issues a new code, and the old device sees nothing more."""
    pair.enter(name="Ada")
    old = pair.patient
    since = old.mark()
    pair.lead("REPLACE_PATIENT_DEVICE", device=None)
    view = pair.staff.view(pair.session, lambda v: v.get("code"))
    assert old.device not in view["participants"]
    assert view["status"] == "waiting"
    assert view["code_expires_at"]
    new = pair.room.pair(view["code"])
    assert new.view(pair.session)["fields"]["name"] == {"value": "Ada"}
    new.do(pair.session, "ENTER_FIELD", field_id="name", value="Grace")
    topic = f"/sessions/{pair.session}/state/"
    late = [m for m in old.messages[since:] if topic in m.topic and m.payload]
    assert [m for m in late if m.json["revision"] >= view["revision"]] == []
    seen = pair.staff.view(pair.session, lambda v: v["fields"]["name"]["value"] == "Grace")
    assert seen.get("code") is None
    assert seen["status"] == "active"


def test_another_device_takes_the_patients_place(pair: Pair) -> None:
    """REPLACE_PATIENT_DEVICE with a device moves the patient's side to it at once."""
    kiosk = pair.room.enrol("patient", "Kiosk")
    pair.enter(name="Ada")
    old = pair.patient
    pair.lead("REPLACE_PATIENT_DEVICE", device=kiosk.device)
    assert kiosk.view(pair.session)["fields"]["name"] == {"value": "Ada"}
    assigned = kiosk.wait(lambda m: m.topic.endswith("/assignment") and m.json["session"])
    assert assigned.json["session"] == pair.session
    left = old.wait(lambda m: m.topic.endswith("/assignment") and m.json["session"] is None)
    assert left.json["v"] == 1
    staff = pair.staff.newest(pair.session)
    assert staff
    patients = [d for d, p in staff["participants"].items() if p["role"] == "patient"]
    assert patients == [kiosk.device]
    kiosk.do(pair.session, "ENTER_FIELD", field_id="name", value="Grace")


def test_a_device_that_cannot_take_the_patients_place_is_refused(pair: Pair) -> None:
    """Only an enrolled patient device that is free can be put in the patient's place."""
    other = Pair(pair.room, VISIT)
    for device, codes in {
        "nobody": {"not_allowed_for_role", "unavailable"},
        pair.staff.device: {"not_allowed_for_role"},
        other.patient.device: {"not_allowed_for_role", "unavailable"},
    }.items():
        since = pair.staff.mark()
        command = pair.staff.send(pair.session, "REPLACE_PATIENT_DEVICE", device=device)
        answer = pair.staff.answer(pair.session, command, since)
        assert answer.get("code") in codes, answer
    assert pair.both()[1]["status"] == "active"
