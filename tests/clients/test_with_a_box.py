"""The SDK against a real box: pairing, a session, what goes wrong on the way."""

import json
import socket
import threading
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest

from clients import (
    AdminClient,
    CodeRefused,
    ConnectFailed,
    Credential,
    FacilityClient,
    NotAuthorized,
    PatientClient,
    Refused,
    RequestRefused,
    TimedOut,
    pair,
)
from clients.sdk import pairing
from clients.sdk.notifications import Connectivity, Departed
from schemas.base import Role
from schemas.topics import MAX_CHUNK
from schemas.wire.devices import Assignment, ControllerStatus, Lobby
from schemas.wire.rejections import Rejection, RejectionCode
from schemas.wire.requests import OpenSession
from schemas.wire.views import DocumentStatus, Masked, SessionStatus, SignatureStatus
from tests.clients.conftest import prompt
from tests.machine import free_port
from tests.pictures import png

pytestmark = pytest.mark.timeout(60)


def test_a_device_is_paired_by_its_code_once(clinic):
    """A code gives a credential that connects; a second time it gives `code_refused`."""
    enrolled = clinic.admin.enrol_device("Kiosk", Role.PATIENT, by="code")
    typed = enrolled.code.lower().replace("-", " ")
    credential = pair(clinic.box.mqtt, typed, name="Kiosk", site=clinic.box.site)
    assert (credential.device, credential.role) == (enrolled.device, Role.PATIENT)
    clinic.patient(credential)
    with pytest.raises(CodeRefused):
        pair(clinic.box.mqtt, enrolled.code, site=clinic.box.site)


def test_a_grant_that_is_lost_with_its_connection_comes_again(clinic, monkeypatch):
    """The code is spent, and the device gets its credential all the same."""
    enrolled = clinic.admin.enrol_device("Kiosk", Role.PATIENT, by="code")
    received, lost = pairing._Claim.received, []

    def lossy(claim, message):
        if lost:
            received(claim, message)
        else:
            lost.append(message)
            claim._connection.drop("lost")

    monkeypatch.setattr(pairing._Claim, "received", lossy)
    credential = pair(clinic.box.mqtt, enrolled.code, site=clinic.box.site)
    assert credential.device == enrolled.device
    clinic.patient(credential)


def test_a_guest_is_brought_into_one_session(clinic):
    """A session's code makes a credential that works until the session ends."""
    staff = clinic.staff()
    opened = staff.open_session("quick")
    credential = pair(clinic.box.mqtt, opened.code, site=clinic.box.site)
    assert credential.session == opened.session
    patient = clinic.patient(credential)
    assert patient.wait_for(opened.session).check_words == staff.view(opened.session).check_words
    staff.cancel(opened.session, "left").result(5)
    assert patient.wait_for(opened.session, lambda v: v.status.ended)
    with pytest.raises(NotAuthorized):
        PatientClient(clinic.box.mqtt, credential).start()


def test_nobody_connects_without_a_credential(clinic):
    """A wrong secret is refused at once, and another's name with it."""
    wrong = Credential(clinic.box.site, clinic.admin.credential.device, Role.ADMIN, "guess")
    with pytest.raises(NotAuthorized):
        AdminClient(clinic.box.mqtt, wrong).start()


def test_a_device_that_goes_on_trying_is_let_in_at_last(clinic):
    """With `timeout=None` even a refused credential is tried again, as after a repair."""
    credential = clinic.enrol(Role.PATIENT)
    patient = PatientClient(clinic.box.mqtt, credential, backoff=prompt(), loop=clinic.loop)
    login = patient._link._wiring.login
    patient._link._wiring = replace(patient._link._wiring, login=replace(login, password="wrong"))
    patient.start(timeout=None)
    with pytest.raises(NotAuthorized):
        patient._link.first.result(5)
    patient._link._wiring = replace(patient._link._wiring, login=login)
    patient.wait_online()
    patient.close()


def test_a_box_that_is_not_there_is_told():
    """`start` says so after its timeout; with None it goes on trying instead."""
    credential = Credential("main", "d-1", Role.PATIENT, "secret")
    with pytest.raises(ConnectFailed, match="cannot connect"):
        PatientClient(f"mqtt://127.0.0.1:{free_port()}", credential).start(timeout=2)


@pytest.mark.parametrize("transport", ["mqtt", "ws"])
def test_a_whole_session_by_hand(clinic, transport):
    """Opened, joined, filled in, refused while incomplete, moved on and submitted."""
    url = clinic.box.mqtt if transport == "mqtt" else websocket(clinic.box)
    staff = clinic.staff(url=url, loop=None)
    patient = clinic.patient(url=url, loop=None)
    opened = staff.open_session("quick", label="Room 2")
    session = opened.session
    patient.join_by_code(opened.code)
    assert patient.wait_for(session).step_id == "who"
    with pytest.raises(Refused) as refused:
        staff.navigate(session, "end").result(5)
    assert refused.value.code is RejectionCode.STEP_INCOMPLETE
    assert refused.value.rejection.details["fields"] == ["name"]
    entered = patient.enter_field(session, "name", "Zoë").result(5)
    assert entered.fields["name"].value == "Zoë"
    assert staff.navigate(session, "end").result(5).step_id == "end"
    assert patient.wait_for(session, lambda v: v.step_id == "end").fields == {}
    assert staff.complete(session).result(5).status is SessionStatus.COMPLETED
    assert [v.status for v in patient.views(session, timeout=5)][-1] is SessionStatus.COMPLETED


def websocket(box):
    """Return the WebSocket URL of a box."""
    return box.http.replace("http://", "ws://") + "/mqtt"


def test_every_command_has_its_method(clinic):
    """What the contract lets staff and patients do is done with one call each."""
    staff, patient, session = clinic.paired("pre-registration")
    first = "first-name"
    patient.focus_field(session, first).result(5)
    assert staff.wait_for(session, lambda v: v.patient_focus == first)
    staff.highlight_field(session, first).result(5)
    assert patient.wait_for(session, lambda v: v.highlight == first)
    patient.enter_field(session, first, "Zoe").result(5)
    assert staff.request_correction(session, first, "Please look.").result(5)
    assert patient.wait_for(session, lambda v: v.fields[first].correction == "Please look.")
    assert first not in patient.clear_field(session, first).result(5).fields
    patient.ask_for_help(session).result(5)
    assert staff.wait_for(session, lambda v: v.help_requested)
    assert not staff.answer_help(session).result(5).help_requested
    assert staff.cover_screen(session, covered=True).result(5).covered
    assert staff.pause(session).result(5).status is SessionStatus.PAUSED
    waiting = patient.enter_field(session, first, "Zoe")
    refused = patient.wait_for(session, lambda v: v.refused).refused
    assert [one.code for one in refused] == [RejectionCode.SESSION_PAUSED]
    assert staff.wait_for(session, lambda v: first in v.not_taken)
    assert not waiting.done()
    assert staff.resume(session).result(5).status is SessionStatus.ACTIVE
    assert waiting.result(5).fields[first].value == "Zoe", "sent again by itself"
    assert staff.wait_for(session, lambda v: not v.not_taken)
    observer = clinic.staff()
    observer.join_session(session)
    with pytest.raises(Refused, match="not_the_host"):
        observer.pause(session).result(5)
    taken = observer.take_over(session).result(5)
    assert taken.participants[observer.credential.device].host
    assert observer.cancel(session, "enough").result(5).status is SessionStatus.CANCELLED


def test_a_patient_moves_to_another_device(clinic):
    """The old screen is told that it is out, the new one sees the session."""
    staff, patient, session = clinic.paired()
    departed = threading.Event()
    patient.on(Departed, lambda _: departed.set())
    other = clinic.patient()
    staff.replace_patient_device(session, other.credential.device).result(5)
    assert other.wait_until(Assignment, lambda a: a.session == session)
    assert other.wait_for(session)
    assert departed.wait(5)
    assert [v.step_id for v in patient.views(session, timeout=5)]
    with pytest.raises(Refused, match="not_a_participant"):
        patient.enter_field(session, "name", "Zoe").result(5)


def test_a_document_goes_in_and_comes_back(clinic):
    """Uploaded in pieces, reviewed, sent back, uploaded again, fetched whole."""
    staff, patient, session = clinic.paired()
    data, other = png(280_000), png(70_000)
    assert len(data) > 4 * MAX_CHUNK
    view = patient.upload(session, "card", data, "image/png")
    assert view.documents["card"].status is DocumentStatus.RECEIVED
    assert staff.fetch_document(session, "card") == data
    staff.review_document(session, "card", accepted=False, reason="blurred").result(5)
    assert patient.wait_for(session, lambda v: v.documents["card"].reason == "blurred")
    patient.upload(session, "card", other, "image/png")
    assert staff.fetch_document(session, "card") == other
    reviewed = staff.review_document(session, "card", accepted=True).result(5)
    assert reviewed.documents["card"].status is DocumentStatus.ACCEPTED


def test_an_upload_survives_lost_connections(clinic):
    """It goes on from what is there, and ends with the very bytes."""
    staff, patient, session = clinic.paired()
    data = png(2_000_000)
    upload = patient.start_upload(session, "card", data, "image/png")
    cut_at = iter([3, 9, 15, 22, 28])

    def cut(view):
        received = view.documents["card"].received or 0
        nonlocal target
        if target is not None and received >= target * MAX_CHUNK:
            target = next(cut_at, None)
            patient.interrupt()

    target = next(cut_at)
    patient.on(type(patient.view(session)), cut)
    assert upload.result(30).documents["card"].status is DocumentStatus.RECEIVED
    assert target is None
    staff.interrupt()
    assert staff.fetch_document(session, "card") == data


def test_a_signature_is_bound_to_the_text(clinic):
    """By default the SHA-256 is the one that the request names."""
    staff = clinic.staff()
    patient = clinic.patient()
    clinic.admin.add_flow(SIGNING)
    opened = staff.open_session("signing")
    patient.join_by_code(opened.code)
    session = opened.session
    strokes = [[[0.1, 0.2, 0], [0.5, 0.9, 20]]]
    patient.wait_for(session)
    with pytest.raises(ValueError, match="no signature is requested"):
        patient.submit_signature(session, "sign", strokes)
    staff.wait_for(session, lambda v: v.status == "active")
    staff.request_signature(session, "sign").result(5)
    patient.wait_for(session, lambda v: v.signature is not None)
    with pytest.raises(Refused, match="locked_for_signature"):
        patient.focus_field(session, "sign").result(5)
    with pytest.raises(Refused, match="document_changed"):
        patient.submit_signature(session, "sign", strokes, "ab" * 32).result(5)
    patient.decline_signature(session, "not yet").result(5)
    staff.request_signature(session, "sign").result(5)
    patient.wait_for(session, lambda v: v.signature.status is SignatureStatus.REQUESTED)
    patient.submit_signature(session, "sign", strokes).result(5)
    signed = staff.wait_for(session, lambda v: v.signatures["sign"].status == "signed")
    assert signed.signatures["sign"].document_sha256


def test_a_session_is_completed_without_a_declined_signature(clinic):
    """The details of the refusal say that a reason is all that is missing; with one it ends."""
    clinic.admin.add_flow(SIGNING)
    staff, patient, session = clinic.paired("signing")
    staff.request_signature(session, "sign").result(5)
    patient.wait_for(session, lambda v: v.signature is not None)
    patient.decline_signature(session, "no").result(5)
    with pytest.raises(Refused) as caught:
        staff.complete(session).result(5)
    assert caught.value.rejection.details["declined"] is True
    ended = staff.complete(session, "Told the doctor.").result(5)
    assert ended.status == "completed"


def test_who_signs_for_whom_and_in_which_language_is_told(clinic):
    """The text of the language is bound; the staff sees name and relationship, and a withdrawal."""
    clinic.admin.add_flow({**SIGNING, "language": "en"})
    staff, patient, session = clinic.paired("signing")
    staff.request_signature(session, "sign", "Sam Poe").result(5)
    patient.wait_for(session, lambda v: v.signature is not None)
    strokes = [[[0.1, 0.2, 0]]]
    with pytest.raises(ValueError, match="not available in this language"):
        patient.submit_signature(session, "sign", strokes, language="fr")
    who = {"printed_name": "Ana Roe", "relationship": "parent"}
    patient.submit_signature(session, "sign", strokes, language="es", **who).result(5)
    signed = staff.wait_for(session, lambda v: v.signatures["sign"].at is not None)
    shown = signed.signatures["sign"]
    assert (shown.language, shown.printed_name, shown.relationship) == ("es", "Ana Roe", "parent")
    assert shown.staff_name == "Sam Poe"
    patient.withdraw_signature(session, "sign", "too soon").result(5)
    view = staff.wait_for(session, lambda v: v.signatures["sign"].status == "withdrawn")
    assert view.signatures["sign"].reason == "too soon"


SIGNING = {
    "resourceType": "Questionnaire",
    "id": "signing",
    "status": "active",
    "item": [
        {
            "linkId": "sign",
            "type": "string",
            "text": "Signature",
            "_text": {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/translation",
                        "extension": [
                            {"url": "lang", "valueCode": "es"},
                            {"url": "content", "valueString": "Firma"},
                        ],
                    }
                ]
            },
            "required": True,
            "extension": [
                {
                    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-signatureRequired",
                    "valueCodeableConcept": {
                        "coding": [
                            {
                                "system": "urn:iso-astm:E1762-95:2013",
                                "code": "1.2.840.10065.1.12.1.7",
                            }
                        ]
                    },
                }
            ],
        }
    ],
}


def test_staff_see_the_lobby_and_the_box(clinic):
    """The lobby has a line for each open session; the controller says that it serves."""
    staff, _, session = clinic.paired()
    lobby = staff.wait_until(Lobby, lambda found: any(s.patient_online for s in found.sessions))
    assert [line.session for line in lobby.sessions] == [session]
    assert staff.newest(ControllerStatus).online


def test_sensitive_values_reach_staff_masked(clinic):
    """A masked value is a value of its own type, with a length and nothing else."""
    staff, patient, session = clinic.paired("pre-registration")
    patient.enter_field(session, "social-security-number", "123-45-6789").result(5)
    view = staff.wait_for(session, lambda v: "social-security-number" in v.fields)
    assert view.fields["social-security-number"].value == Masked(length=11)


def test_admin_manages_the_site(clinic):
    """Devices, flows and sessions, as the command line needs them."""
    admin = clinic.admin
    staff, patient, session = clinic.paired()
    assert {line.flow_id for line in admin.list_flows().flows} == {"quick", "pre-registration"}
    assert [line.session for line in admin.list_sessions()] == [session]
    patient.enter_field(session, "name", "Zoe").result(5)
    assert admin.show_session(session).fields["name"].value == "Zoe"
    assert len(admin.timeline(session)) == admin.show_session(session).revision
    then = admin.show_session(session, revision=2)
    assert then.revision == 2
    assert len(then.fields) < len(admin.show_session(session).fields)
    response = admin.response(session)
    assert (response["resourceType"], response["status"]) == (
        "QuestionnaireResponse",
        "in-progress",
    )
    assert response == response_of(admin, session)
    opened = admin.open_session_for(staff.credential.device, "quick")
    assert staff.wait_for(opened.session).participants[staff.credential.device].host
    untouched = admin.response(opened.session)
    (step,) = untouched["item"]
    assert [one["linkId"] for one in step["item"]] == ["born"], "what the form itself says"
    assert untouched == response_of(admin, opened.session)
    admin.cancel_session(session, "left over")
    assert admin.purge_sessions(session) == (session,)
    with pytest.raises(RequestRefused, match="unknown_session"):
        admin.show_session(session)
    gone = threading.Event()
    patient.on(Connectivity, lambda now: None if now.online else gone.set())
    admin.revoke_device(patient.credential.device)
    assert gone.wait(5)
    revoked = {line.device: line.revoked for line in admin.list_devices().devices}
    assert revoked[patient.credential.device]


def test_what_a_role_may_not_do_is_refused(clinic):
    """The client does not judge; the controller does."""
    staff, patient, session = clinic.paired()
    with pytest.raises(RequestRefused, match="not_allowed_for_role"):
        patient.pending_request(OpenSession, flow_id="quick").result(5)
    heard = []
    staff.on(Rejection, heard.append)
    with pytest.raises(Refused, match="unknown_step"):
        staff.navigate(session, "nowhere").result(5)
    assert [rejection.code for rejection in heard] == [RejectionCode.UNKNOWN_STEP]


def test_a_wait_that_is_in_vain_ends(clinic):
    """`views` and `wait_for` keep their timeout."""
    staff, _, session = clinic.paired()
    with pytest.raises(TimedOut):
        staff.wait_for(session, lambda v: v.step_id == "nowhere", timeout=0.05)
    with pytest.raises(TimedOut):
        list(staff.views(session, timeout=0.05))


def test_closing_tells_offline_and_ends_what_waits(clinic):
    """A clean good-bye shows on the other screen, and an iterator ends."""
    staff, patient, session = clinic.paired()
    seen = []
    reader = threading.Thread(target=lambda: seen.extend(patient.views(session)))
    reader.start()
    patient.close()
    patient.close()
    reader.join(5)
    assert not reader.is_alive()
    device = patient.credential.device
    assert staff.wait_for(session, lambda v: not v.participants[device].online)


def test_an_interrupted_device_comes_back_online(clinic):
    """Presence follows the connection, and a late will does not hide who is back."""
    staff, patient, session = clinic.paired()
    device = patient.credential.device
    states = []
    staff.on(type(staff.view(session)), lambda v: states.append(v.participants[device].online))
    for times in range(1, 4):
        patient.interrupt()
        came_back = partial(came_online, states, times)
        staff.wait_for(session, came_back)
    assert states[-1]


def came_online(states, times, _view):
    """Return whether a device disconnected and reconnected that many times."""
    return [*pairwise(states)].count((False, True)) >= times


def test_the_sdk_sends_small_packets_at_once(clinic):
    """TCP_NODELAY is set on its sockets: without it a command takes 40 ms longer."""
    client = FacilityClient(clinic.box.mqtt, clinic.enrol(Role.FACILITY), backoff=prompt())
    with client:
        sock = client._link._connection._socket
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def response_of(admin, session):
    """Return the QuestionnaireResponse of a session's transaction Bundle."""
    bundle = json.loads(admin.export_session(session, "fhir")[0])
    resources = (entry["resource"] for entry in bundle["entry"])
    (found,) = (one for one in resources if one["resourceType"] == "QuestionnaireResponse")
    return found


def test_what_the_end_of_a_pause_does_not_heal_is_refused_in_the_end(clinic):
    """A newer entry replaces one that waits, and the session's end decides the rest."""
    staff, patient, session = clinic.paired()
    first = patient.view(session).enabled[0]
    staff.pause(session).result(5)
    old = patient.enter_field(session, first, "Zoe")
    patient.wait_for(session, lambda v: v.acknowledged_seq == 1)
    new = patient.enter_field(session, first, "Zoë")
    with pytest.raises(Refused, match="session_paused"):
        old.result(5)
    patient.wait_for(session, lambda v: v.acknowledged_seq == 2)
    assert not new.done()
    staff.cancel(session, "enough").result(5)
    with pytest.raises(Refused, match="session_ended"):
        new.result(5)
    patient.flush(session, 5)
