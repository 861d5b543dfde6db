"""How sessions begin and end: whole ones, idle ones, too many, purged ones."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from session_controller.settings import Settings
from tests.conftest import StartBox

from .forms import PNG, PRE_REGISTRATION, VISIT, sign, upload
from .raw import ROOT, Device, Json, Pair, Room, room


def test_an_idle_session_expires(start_box: StartBox, tmp_path: Path) -> None:
    """Nobody touched it for so long: `expired` on both views, and it accepts nothing more."""
    settings = Settings(idle_limit=timedelta(seconds=1), guest_grace=timedelta(seconds=30))
    with start_box(tmp_path / "data", settings=settings) as box, room(box.port, box.admins) as here:
        pair = Pair(here, VISIT)
        pair.enter(name="Ada")
        for device in (pair.staff, pair.patient):
            view = device.view(pair.session, lambda v: v["status"] == "expired")
            assert view["fields"]["name"] == {"value": "Ada"}
        pair.lead_in_vain("NAVIGATE", "session_ended", step_id="person")


def test_a_session_in_use_does_not_expire(start_box: StartBox, tmp_path: Path) -> None:
    """Each accepted command begins the idle time anew."""
    settings = Settings(idle_limit=timedelta(seconds=2))
    with start_box(tmp_path / "data", settings=settings) as box, room(box.port, box.admins) as here:
        used, idle = Pair(here, VISIT), Pair(here, VISIT)
        n = 0
        while idle.staff.newest(idle.session)["status"] != "expired":  # type: ignore[index]
            used.enter(name=f"Name {n}")
            n += 1
        assert used.staff.sync(used.session)["status"] == "active"


def test_the_topics_of_an_ended_session_are_cleared(start_box: StartBox, tmp_path: Path) -> None:
    """After a while (an hour; here less) nothing of it is retained any more."""
    settings = Settings(
        retention_of_topics=timedelta(milliseconds=300), guest_grace=timedelta(seconds=30)
    )
    with start_box(tmp_path / "data", settings=settings) as box, room(box.port, box.admins) as here:
        pair = Pair(here, VISIT)
        pair.lead("CANCEL", reason="Over")
        for device in (pair.staff, pair.patient):
            assert device.view(pair.session, lambda v: v["status"] == "cancelled")
            device.wait(lambda m: "/state/" in m.topic and m.payload == b"")
        fresh = here.device(pair.staff.device, pair.staff.secret)
        fresh.request("LIST_SESSIONS")
        assert fresh.newest(pair.session) is None
        fresh.seq = dict(pair.staff.seq)
        fresh.fail(pair.session, "NAVIGATE", "session_ended", step_id="person")


def test_more_open_sessions_than_the_box_takes_are_too_many(
    start_box: StartBox, tmp_path: Path
) -> None:
    """`too_many` with the `limit`; when one ends there is room again."""
    settings = Settings(max_open_sessions=2)
    with start_box(tmp_path / "data", settings=settings) as box, room(box.port, box.admins) as here:
        first, second = Pair(here, VISIT), Pair(here, VISIT)
        refusal = first.staff.ask_in_vain("OPEN_SESSION", "too_many", flow_id="visit")
        assert refusal["details"]["limit"] == 2
        second.lead("CANCEL", reason="Over")
        first.staff.ask("OPEN_SESSION", "SESSION_OPENED", flow_id="visit")


def test_a_kiosk_serves_one_session_after_the_other(clinic: Room) -> None:
    """When one ends the kiosk is free, its seq begins anew, and nothing of the last is shown."""
    clinic.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    staff, kiosk = clinic.enrol("facility", "Desk"), clinic.enrol("patient", "Kiosk")
    names: list[str] = []
    for n in range(3):
        opened = staff.ask(
            "OPEN_SESSION", "SESSION_OPENED", flow_id="visit", patient_device=kiosk.device
        )
        session = opened["session"]
        assert kiosk.view(session)["fields"] == {}
        kiosk.do(session, "ENTER_FIELD", field_id="name", value=f"Patient {n}")
        names.append(session)
        staff.view(session)
        staff.do(session, "CANCEL", reason="Over")
        kiosk.view(session, lambda v: v["status"] == "cancelled")
    assert len(set(names)) == 3


def test_many_sessions_at_once_do_not_touch_each_other(clinic: Room) -> None:
    """Ten sessions, interleaved: each view has its own patient's values alone."""
    staff = clinic.enrol("facility", "Desk")
    pairs = [Pair(clinic, VISIT, staff=staff) for _ in range(10)]
    for n in range(5):
        for i, pair in enumerate(pairs):
            pair.patient.send(pair.session, "ENTER_FIELD", field_id="name", value=f"P{i} value {n}")
    for i, pair in enumerate(pairs):
        pair.patient.view(pair.session, lambda v: v["acknowledged_seq"] == 5)
        for view in pair.patient.views(pair.session):
            assert view["session"] == pair.session
            shown = view["fields"].get("name", {}).get("value", f"P{i} ")
            assert shown.startswith(f"P{i} ")
        others = [p.session for p in pairs if p is not pair]
        assert not [m for m in pair.patient.messages for s in others if s in m.topic]


def code(system: str, value: str, display: str) -> Json:
    """Make the value of a choice."""
    return {"system": system, "code": value, "display": display}


SNOMED = "http://snomed.info/sct"
ANSWERS: dict[str, list[tuple[str, Any]]] = {
    "about-you": [
        ("first-name", "Zorblatt"),
        ("last-name", "Quuxington"),
        ("birth-date", "1984-02-29"),
        ("sex", code("http://hl7.org/fhir/administrative-gender", "female", "Female")),
        ("language", code("urn:ietf:bcp:47", "es", "Spanish")),
        ("interpreter", True),
        ("social-security-number", "123-45-6789"),
    ],
    "contact": [
        ("street", "1 Main Street"),
        ("city", "Springfield"),
        ("state", code("https://www.usps.com/", "CA", "California")),
        ("zip", "90210"),
        ("mobile-phone", "(555) 555-0123"),
        ("no-email", False),
        ("email", "zorblatt@example.org"),
        ("emergency-name", "Blorp Quuxington"),
        (
            "emergency-relationship",
            code("http://terminology.hl7.org/CodeSystem/v3-RoleCode", "SIB", "Brother or sister"),
        ),
        ("emergency-phone", "+1 555 555 0199"),
    ],
    "identity": [
        ("id-kind", code("http://terminology.hl7.org/CodeSystem/v2-0203", "PPN", "Passport")),
        ("id-number", "X1234567"),
    ],
    "insurance": [
        ("payment", code("urn:handrail:example:payment", "insurance", "With insurance")),
        ("payer", "Some Mutual"),
        ("member-id", "M-998877"),
        (
            "subscriber-relationship",
            code("http://terminology.hl7.org/CodeSystem/subscriber-relationship", "self", "Self"),
        ),
    ],
    "medical-history": [
        ("reason", "A cough"),
        ("conditions", [code(SNOMED, "195967001", "Asthma")]),
        ("smoking", code(SNOMED, "77176002", "Yes")),
        ("cigarettes", 3),
        ("takes-medicines", True),
        ("medicines[0].medicine-name", "Salbutamol"),
        ("medicines[1].medicine-name", "Ibuprofen"),
        ("has-allergies", False),
    ],
    "privacy": [("privacy-acknowledged", True)],
    "consent": [],
    "review": [("answers-correct", True)],
}
UPLOADS = {"identity": ["id-front"], "insurance": ["card-front", "card-back"]}
TEXTS = {"privacy": "privacy-notice", "consent": "consent-text"}


@pytest.fixture
def pre_registration(clinic: Room) -> Pair:
    """A session of the clinic's own form."""
    return Pair(clinic, PRE_REGISTRATION)


def test_a_whole_pre_registration_by_raw_clients(pre_registration: Pair) -> None:
    """The example form, from the first step to COMPLETE, by the contract's page alone."""
    pair = pre_registration
    steps = list(ANSWERS)
    for index, step in enumerate(steps):
        assert pair.both()[1]["step_id"] == step
        for field, value in ANSWERS[step]:
            pair.fill("ENTER_FIELD", field_id=field, value=value)
        for field in UPLOADS.get(step, []):
            upload(pair, field, f"up-{field}", PNG)
            pair.lead("REVIEW_DOCUMENT", field_id=field, accepted=True)
        if step in TEXTS:
            pair.fill("REPORT_READING", field_id=TEXTS[step], fraction=1)
        if step == "consent":
            sign(pair, "signature")
        shown = pair.both()[1]["fields"]
        assert not [f for f in shown.values() if "error" in f], shown
        if index + 1 < len(steps):
            pair.go(steps[index + 1])
    staff = pair.both()[0]
    sensitive = {"social-security-number": 11, "id-number": 8, "member-id": 8}
    for field, length in sensitive.items():
        assert staff["fields"][field]["value"] == {"masked": True, "length": length}
    pair.lead("COMPLETE")
    assert [view["status"] for view in pair.both()] == ["completed", "completed"]
    text = exported(pair, "questionnaire-response").decode()
    assert json.loads(text)["resourceType"] == "QuestionnaireResponse"
    assert "Zorblatt" in text
    assert "Salbutamol" in text
    seen_by_staff = b"".join(m.payload for m in list(pair.staff.messages))
    for secret in (b"123-45-6789", b"X1234567", b"M-998877"):
        assert secret not in seen_by_staff


def exported(pair: Pair, form: str) -> bytes:
    """Export a session as an admin device, and join the pieces."""
    admin = pair.room.admin
    asked = {"session": pair.session, "format": form}
    made = admin.ask("EXPORT_SESSION", "SESSION_EXPORTED", **asked)
    begins = f"{ROOT}/sessions/{pair.session}/documents/{admin.device}/{made['export']}/"
    whole = b""
    while len(whole) < made["seal"]["size"]:
        since = admin.mark()
        place = {"session": pair.session, "export": made["export"], "offset": len(whole)}
        end = len(whole) + admin.ask("READ_EXPORT", "EXPORT_READ", **place)["sent"]
        while len(whole) < end:
            topic = f"{begins}{len(whole)}"
            whole += admin.wait(lambda m, topic=topic: m.topic == topic, since).payload
    assert hashlib.sha256(whole).hexdigest() == made["seal"]["sha256"]
    return whole


def test_the_screens_may_be_several_generations_of_clients(clinic: Room) -> None:
    """The whole time a second staff screen observes, takes over, and completes."""
    pair = Pair(clinic, VISIT)
    observer: Device = clinic.enrol("facility", "Back office")
    observer.ask("JOIN_SESSION", "SESSION_JOINED", session=pair.session)
    pair.staff.vanish()
    observer.view(pair.session)
    observer.do(pair.session, "TAKE_OVER")
    pair.patient.view(pair.session, lambda v: v["host_online"] is True)
    observer.do(pair.session, "CANCEL", reason="Over")
    assert pair.patient.view(pair.session, lambda v: v["status"] == "cancelled")
