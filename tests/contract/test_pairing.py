"""Enrolment and pairing: codes, claims, grants, guests, and who may connect at all."""

import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from session_controller.settings import Settings
from tests.conftest import RunningBox, StartBox

from .forms import VISIT
from .raw import (
    ROOT,
    Device,
    Json,
    Pair,
    Peer,
    Refused,
    Room,
    check_rejection,
    claim,
    claim_on,
    pairing_id,
    room,
)

CODE = re.compile(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}")


def refused(answer: Json) -> Json:
    """See that a claim was refused, and give what the answer says."""
    check_rejection(answer, "code_refused")
    assert {"command_id", "seq", "request_id"}.isdisjoint(answer)
    return answer


def enrol_code(where: Room, role: str = "patient") -> Json:
    """Return a new code that enrolls a device."""
    return where.admin.ask("ENROL_DEVICE", "DEVICE_ENROLLED", name="Kiosk", role=role, by="code")


def opened(where: Room) -> tuple[Device, Json]:
    """Open a session with a code."""
    where.admin.ask("ADD_FLOW", "FLOW_ADDED", questionnaire=VISIT)
    staff = where.enrol("facility", "Desk")
    return staff, staff.ask("OPEN_SESSION", "SESSION_OPENED", flow_id="visit")


def test_a_device_enrolled_by_secret_connects_as_itself(clinic: Room) -> None:
    """ENROL_DEVICE by secret gives `device` and `secret`, and with them the device connects."""
    found = clinic.admin.ask(
        "ENROL_DEVICE", "DEVICE_ENROLLED", name="Front desk", role="facility", by="secret"
    )
    assert re.fullmatch(r"[a-z0-9-]{1,64}", found["device"])
    assert (found["v"], found["role"], found["site"]) == (1, "facility", "main")
    assert "code" not in found
    desk = clinic.device(found["device"], found["secret"])
    status = desk.wait(lambda m: m.topic == f"{ROOT}/controller/status").json
    assert status["online"] is True


def test_a_device_enrolled_by_code_claims_its_credential(clinic: Room) -> None:
    """A code of kind `device` is granted `device`, `role`, `secret` and `site`, no session."""
    found = enrol_code(clinic)
    assert "secret" not in found
    assert CODE.fullmatch(found["code"])
    left = datetime.fromisoformat(found["code_expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left < timedelta(minutes=11)
    grant = claim(clinic.port, found["code"], name="The kiosk by the door")
    assert (grant["v"], grant["role"], grant["site"]) == (1, "patient", "main")
    assert grant.get("session") is None
    assert len(grant["secret"]) >= 43  # 256 bits, in base64 at the shortest
    kiosk = clinic.device(grant["device"], grant["secret"])
    assert kiosk.connected


@pytest.mark.parametrize("form", ["lower", "spaces", "bare", "hyphens", "mixed"])
def test_a_code_is_read_without_regard_to_case_spaces_and_hyphens(clinic: Room, form: str) -> None:
    """However a person types the letters, the code is the same."""
    code = enrol_code(clinic)["code"]
    bare = code.replace("-", "")
    typed = {
        "lower": code.lower(),
        "spaces": f"  {' '.join(bare)} ",
        "bare": bare,
        "hyphens": "-".join(bare),
        "mixed": f"{bare[:3].lower()} -{bare[3:]}",
    }[form]
    assert "secret" in claim(clinic.port, typed)


def test_a_code_works_once_and_all_refusals_are_the_same(clinic: Room) -> None:
    """A spent code and one that never was get the very same answer."""
    code = enrol_code(clinic)["code"]
    claim(clinic.port, code)
    spent = refused(claim(clinic.port, code))
    wrong = refused(claim(clinic.port, "BCDF-GHJK"))
    assert spent == wrong


def test_an_expired_code_is_refused_like_a_wrong_one(start_box: StartBox, tmp_path: Path) -> None:
    """After its time a code is refused, and the staff's view shows it no longer."""
    settings = Settings(code_lifetime=timedelta(milliseconds=600))
    with start_box(tmp_path / "data", settings=settings) as box, room(box.port, box.admins) as here:
        device_code = enrol_code(here)["code"]
        staff, session = opened(here)
        shown = staff.view(session["session"])
        assert shown["code"] == session["code"]
        staff.view(session["session"], lambda v: v.get("code") is None)
        expired = refused(claim(box.port, session["code"]))
        assert refused(claim(box.port, device_code)) == expired
        assert refused(claim(box.port, "BCDF-GHJK")) == expired


@pytest.mark.parametrize(
    "code", ["", "WDJB", "WDJB-MJHT-WDJB", "AEIO-UYAE", "1234-5678", "ЖЖЖЖ-ЖЖЖЖ"]
)
def test_what_cannot_be_a_code_is_refused(clinic: Room, code: str) -> None:
    """A code of the wrong letters or length is refused as a wrong one, or as malformed."""
    answer = claim(clinic.port, code)
    assert answer["type"] == "REJECTION"
    assert answer["code"] in {"code_refused", "malformed"}


def test_five_wrong_codes_close_the_connection(clinic: Room) -> None:
    """The fifth wrong code on one connection ends it; a new one may try again."""
    peer = clinic.keep(Peer(clinic.port, pairing_id(), "pairing").connect())
    for _ in range(4):
        refused(claim_on(peer, {"v": 1, "code": "BCDF-GHJK"}))
        assert peer.connected
    peer.publish(f"{ROOT}/pairing/{peer.client_id}/claim", {"v": 1, "code": "BCDF-GHJK"})
    peer.wait_closed()


def test_guessing_is_slowed_down_at_the_site(clinic: Room) -> None:
    """After a burst of wrong codes, from however many connections, claims wait their turn.

    One in a million of 20^8 codes is 25,600 tries while a code lives: 42 a second, even if no more
    than one code is open.
    """
    codes = [enrol_code(clinic)["code"] for _ in range(6)]
    guessers = [
        clinic.keep(Peer(clinic.port, pairing_id(), "pairing").connect()) for _ in range(10)
    ]
    for peer in guessers:
        peer.subscribe(f"{ROOT}/pairing/{peer.client_id}/grant")
        for _ in range(4):
            peer.publish(f"{ROOT}/pairing/{peer.client_id}/claim", {"v": 1, "code": "BCDF-GHJK"})
    claimants = [clinic.keep(Peer(clinic.port, pairing_id(), "pairing").connect()) for _ in codes]
    for peer, code in zip(claimants, codes, strict=True):
        peer.subscribe(f"{ROOT}/pairing/{peer.client_id}/grant")
        peer.publish(f"{ROOT}/pairing/{peer.client_id}/claim", {"v": 1, "code": code})
    with pytest.raises(AssertionError, match="not in time"):
        claimants[-1].wait(lambda m: "secret" in m.json, deadline=0.7)
    granted = [p for p in claimants if any("secret" in m.json for m in list(p.messages))]
    assert len(granted) <= 2


def test_guessing_with_an_enrolled_screen_is_slowed_down_too(clinic: Room) -> None:
    """JOIN_SESSION is no way around the limit: a kiosk that guesses is slowed down or refused."""
    _, session = opened(clinic)
    kiosk = clinic.enrol("patient", "Kiosk")
    for _ in range(40):
        kiosk.publish(
            f"{ROOT}/devices/{kiosk.device}/requests",
            {"v": 1, "type": "JOIN_SESSION", "request_id": str(uuid.uuid4()), "code": "BCDF-GHJK"},
        )
    kiosk.publish(
        f"{ROOT}/devices/{kiosk.device}/requests",
        {
            "v": 1,
            "type": "JOIN_SESSION",
            "request_id": str(uuid.uuid4()),
            "code": session["code"],
        },
    )
    with pytest.raises(AssertionError, match="not in time"):
        kiosk.wait(lambda m: m.json.get("type") == "SESSION_JOINED", deadline=0.7)


def test_a_guest_joins_by_a_session_code(clinic: Room) -> None:
    """A code of kind `session` makes a guest of the patient's role, in that session."""
    staff, session = opened(clinic)
    assert CODE.fullmatch(session["code"])
    grant = claim(clinic.port, session["code"], name="My phone")
    assert (grant["role"], grant["session"], grant["site"]) == (
        "patient",
        session["session"],
        "main",
    )
    phone = clinic.device(grant["device"], grant["secret"])
    view = phone.view(session["session"])
    assert view["status"] == "active"
    seen = staff.view(session["session"], lambda v: grant["device"] in v["participants"])
    assert seen.get("code") is None
    refused(claim(clinic.port, session["code"]))


def test_a_guests_credential_ends_with_the_session(clinic: Room) -> None:
    """After the session a guest sees the final view, and cannot connect any more."""
    pair = Pair(clinic, VISIT)
    phone = pair.patient
    pair.lead("CANCEL", reason="The patient left")
    assert phone.view(pair.session, lambda v: v["status"] == "cancelled")
    phone.vanish()
    with pytest.raises(Refused):
        Peer(clinic.port, phone.device, phone.device, phone.secret).connect()


def test_a_guest_is_let_go_when_its_session_has_ended(start_box: StartBox, tmp_path: Path) -> None:
    """A guest's open connection is closed a while after its session's end."""
    settings = Settings(guest_grace=timedelta(milliseconds=200))
    with start_box(tmp_path / "data", settings=settings) as box, room(box.port, box.admins) as here:
        pair = Pair(here, VISIT)
        pair.lead("CANCEL", reason="The patient left")
        pair.patient.view(pair.session, lambda v: v["status"] == "cancelled")
        pair.patient.wait_closed()


def test_an_enrolled_kiosk_joins_with_the_code(clinic: Room) -> None:
    """An enrolled patient device joins by JOIN_SESSION with the code, and stays enrolled after."""
    _, session = opened(clinic)
    kiosk = clinic.enrol("patient", "Kiosk")
    joined = kiosk.ask("JOIN_SESSION", "SESSION_JOINED", code=session["code"].lower())
    assert joined["session"] == session["session"]
    assert kiosk.view(session["session"])["status"] == "active"
    refused_again = clinic.enrol("patient", "Other").request("JOIN_SESSION", code=session["code"])
    assert refused_again["code"] == "code_refused"


@pytest.mark.parametrize(
    ("client_id", "user", "password"),
    [
        ("{desk}", "{desk}", "wrong"),
        ("{desk}", "{desk}", ""),
        ("{desk}", "{desk}", None),
        ("{desk}", None, None),
        ("another", "{desk}", "{secret}"),
        ("nobody", "nobody", "{secret}"),
        ("{desk}", "admin-1", "{secret}"),
        ("controller-main", "controller-main", "{secret}"),
        ("controller-main", "controller-main", None),
        ("pairing-1", "pairing", None),
        ("{desk}", "pairing", None),
        ("pairing-" + "g" * 32, "pairing", None),
        ("", "pairing", None),
    ],
)
def test_a_wrong_credential_is_refused(
    clinic: Room, client_id: str, user: str | None, password: str | None
) -> None:
    """Wrong secret, foreign client id, unknown device, the controller's name: all refused."""
    desk = clinic.enrol("facility", "Desk")
    known = {"desk": desk.device, "secret": desk.secret}
    with pytest.raises(Refused):
        Peer(
            clinic.port,
            client_id.format(**known),
            user and user.format(**known),
            password and password.format(**known),
        ).connect()
    assert desk.connected


def test_a_revoked_device_is_disconnected_and_stays_out(clinic: Room) -> None:
    """REVOKE_DEVICE closes the device's connection within a second, and it cannot come back."""
    pair = Pair(clinic, VISIT)
    desk = pair.staff
    done = clinic.admin.ask("REVOKE_DEVICE", "DEVICE_REVOKED", device=desk.device)
    assert done["device"] == desk.device
    desk.wait_closed(deadline=1)
    with pytest.raises(Refused):
        Peer(clinic.port, desk.device, desk.device, desk.secret).connect()
    view = pair.patient.view(pair.session, lambda v: v["host_online"] is False)
    assert view["status"] == "active"


def test_the_secret_is_stored_as_a_hash_alone(clinic: Room, box: RunningBox) -> None:
    """Neither a device's secret nor a code stands in the database."""
    code = enrol_code(clinic)["code"]
    desk = clinic.enrol("facility", "Desk")
    stored = b"".join(
        f.read_bytes() for f in box.data.rglob("*") if f.is_file() and f.name != "admin.json"
    )
    assert desk.secret.encode() not in stored
    assert code.encode() not in stored
    assert code.replace("-", "").encode() not in stored


def test_a_new_code_ends_the_old_one(clinic: Room) -> None:
    """REPLACE_PATIENT_DEVICE with null while a code is open: only the new code works."""
    staff, session = opened(clinic)
    staff.view(session["session"])
    staff.do(session["session"], "REPLACE_PATIENT_DEVICE", device=None)
    code = staff.view(session["session"], lambda v: v["code"] != session["code"])["code"]
    refused(claim(clinic.port, session["code"]))
    assert "secret" in claim(clinic.port, code)


def test_the_code_of_an_ended_session_is_refused(clinic: Room) -> None:
    """A session that ends before anybody came takes its code along."""
    staff, session = opened(clinic)
    staff.view(session["session"])
    staff.do(session["session"], "CANCEL", reason="Over")
    refused(claim(clinic.port, session["code"]))


def test_a_grant_that_was_lost_is_said_again(clinic: Room) -> None:
    """To the connection that was granted, also when it comes back; to nobody else."""
    code, other = enrol_code(clinic)["code"], enrol_code(clinic)["code"]
    me = pairing_id()
    peer = clinic.keep(Peer(clinic.port, me, "pairing").connect())
    granted = claim_on(peer, {"v": 1, "code": code})
    assert claim_on(peer, {"v": 1, "code": code.lower()}) == granted
    peer.vanish()
    assert claim(clinic.port, code, me) == granted
    refused(claim(clinic.port, code))
    assert claim(clinic.port, other, me)["device"] != granted["device"]
    refused(claim(clinic.port, code, me))
    clinic.device(granted["device"], granted["secret"])


def test_a_phone_pairs_over_websocket(clinic: Room, box: RunningBox) -> None:
    """The same contract at `/mqtt` on the HTTP port, as a browser speaks it."""
    staff, session = opened(clinic)
    port = int(box.http.rsplit(":", 1)[1])
    stranger = Peer(port, pairing_id(), "pairing", transport="websockets")
    clinic.keep(stranger).connect()
    grant = claim_on(stranger, {"v": 1, "code": session["code"]})
    phone = Device(port, grant["device"], grant["secret"])
    phone.transport = "websockets"
    clinic.keep(phone).online()
    phone.view(session["session"])
    phone.do(session["session"], "ENTER_FIELD", field_id="name", value="Ada")
    staff.view(session["session"], lambda v: "name" in v["fields"])


def test_a_device_that_tells_no_presence_can_work_all_the_same(clinic: Room) -> None:
    """Presence is for the others to see; commands and views do not wait for it."""
    _, session = opened(clinic)
    grant = claim(clinic.port, session["code"])
    phone = Device(clinic.port, grant["device"], grant["secret"])
    clinic.keep(phone).connect()
    begins = f"{ROOT}/sessions/{session['session']}"
    phone.subscribe(f"{begins}/state/{phone.device}", f"{begins}/rejections/{phone.device}")
    phone.view(session["session"])
    phone.do(session["session"], "ENTER_FIELD", field_id="name", value="Ada")
    phone.fail(session["session"], "ENTER_FIELD", "unknown_field", field_id="x", value="Ada")
