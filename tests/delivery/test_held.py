"""A session whose patient is not identified is held before a record system, until staff act."""

import asyncio
import json
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlite_utils import Database

from clients import FacilityClient
from clients.sdk.errors import RequestRefused
from schemas.base import Role
from schemas.wire.destinations import DESTINATION
from schemas.wire.devices import Lobby
from session_controller.export.record import Record
from session_controller.service.jobs.delivery import StoreOutbox
from session_controller.storage.schema import SCHEMA
from tests.cli.conftest import Handrail, handrail  # noqa: F401 - a fixture
from tests.clients.conftest import Clinic, clinic_at
from tests.conftest import StartBox
from tests.delivery.conftest import Start
from tests.delivery.fhir_server import FhirServer
from tests.delivery.test_in_a_box import _ehr, _until

NAMELESS = {
    "resourceType": "Questionnaire",
    "id": "nameless",
    "status": "active",
    "item": [
        {"linkId": "full-name", "type": "string", "text": "Your name", "required": True},
        {"linkId": "born", "type": "date", "text": "Your birth date"},
    ],
}
MAPPING = {
    "resources": {
        "patient": {
            "type": "Patient",
            "elements": {"name.text": "full-name", "birthDate": "born"},
        }
    }
}
SURNAME = "Quatermass"


def _complete(clinic: Clinic) -> str:
    clinic.admin.add_flow(NAMELESS)
    staff, patient, session = clinic.paired("nameless")
    patient.enter_field(session, "full-name", "Zebulon")
    patient.wait_for(session, lambda view: "full-name" in view.fields)
    staff.complete(session)
    staff.wait_for(session, lambda view: view.status == "completed")
    return session


def _held(clinic: Clinic, server: FhirServer) -> str:
    clinic.admin.add_destination(_ehr(server))
    session = _complete(clinic)
    _until(clinic.admin, session, "held")
    return session


def test_a_nameless_patient_is_held_and_everybody_sees_it(
    start: Start, fhir_server: FhirServer
) -> None:
    """Nothing is sent; the status, the session, the desk's lobby and the log say why."""
    with start() as clinic:
        admin = clinic.admin
        staff = clinic.staff()
        session = _held(clinic, fhir_server)
        (line,) = admin.list_deliveries(session).deliveries
        assert (line.reason, line.http_status) == ("patient_not_identified", None)
        (counted,) = admin.list_destinations()
        assert (counted.held, counted.waiting, counted.refused) == (1, 0, 0)
        (shown,) = admin.session_with_deliveries(session).deliveries
        assert (shown.destination, shown.status, shown.reason) == (
            "ehr",
            "held",
            "patient_not_identified",
        )
        lobby: Lobby = staff.wait_until(Lobby, lambda lobby: bool(lobby.held))
        (waits,) = lobby.held
        assert (waits.session, waits.destinations) == (session, ("ehr",))
        assert waits.missing == ("name", "birthDate")
        with pytest.raises(RequestRefused, match="not delivered to ehr yet"):
            admin.purge_sessions(session)
        with pytest.raises(RequestRefused, match="1 sessions are not delivered"):
            admin.remove_destination("ehr")
    assert not fhir_server.store.resources


def test_staff_who_identify_the_patient_during_an_attempt_are_heard(
    start: Start, fhir_server: FhirServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt knows of no patient yet, and its outcome does not hold the session for good."""
    gathered, go_on, record = threading.Event(), threading.Event(), StoreOutbox.record

    async def waiting(outbox: StoreOutbox, session: str) -> Record | None:
        found = await record(outbox, session)
        gathered.set()
        await asyncio.to_thread(go_on.wait, 20)
        return found

    monkeypatch.setattr(StoreOutbox, "record", waiting)
    with start() as clinic:
        clinic.admin.add_destination(_ehr(fhir_server))
        session = _complete(clinic)
        assert gathered.wait(20)
        who = {"family": SURNAME, "birth_date": "1980-02-03"}
        assert clinic.staff().identify_patient(session, **who).deliveries == 0
        go_on.set()
        _until(clinic.admin, session, "delivered")


def test_staff_identify_the_patient_and_it_is_delivered(
    start: Start, fhir_server: FhirServer
) -> None:
    """With that Patient; who stated it is in the log and in the record, sealed on the disk."""
    with start() as clinic:
        session = _held(clinic, fhir_server)
        staff = clinic.staff()
        completed_at = clinic.admin.show_session(session).updated_at
        done = staff.identify_patient(
            session,
            family=SURNAME,
            given=("Zebulon",),
            birth_date="1980-02-03",
            staff_name="Sam Poe",
        )
        assert done.deliveries == 1
        _until(clinic.admin, session, "delivered")
        staff.wait_until(Lobby, lambda lobby: not lobby.held)
        view = clinic.admin.show_session(session)
        assert view.identified is not None
        assert view.identified.device == staff.credential.device
        assert view.updated_at == completed_at, "it ended when it ended"
        (event,) = [e for e in clinic.admin.timeline(session) if e.event == "PatientIdentified"]
        assert (event.device, event.summary) == (staff.credential.device, "name, birth date")
        for file in clinic.box.data.rglob("*"):
            assert not file.is_file() or SURNAME.encode() not in file.read_bytes()
    (patient,) = fhir_server.store.of("Patient")
    assert patient["name"] == [{"family": SURNAME, "given": ["Zebulon"]}]
    assert patient["birthDate"] == "1980-02-03"
    provenances = fhir_server.store.of("Provenance")
    assert [one["agent"][0]["who"]["display"] for one in provenances] == ["Sam Poe"]


def test_a_restart_forgets_nothing(start: Start, fhir_server: FhirServer) -> None:
    """The desk sees what is held after a restart too; it can be identified then."""
    with start() as clinic:
        session = _held(clinic, fhir_server)
    with start() as clinic:
        lobby = clinic.staff().wait_until(Lobby, lambda lobby: bool(lobby.held))
        assert [line.session for line in lobby.held] == [session]
        clinic.admin.identify_patient(session, given=("Zebulon",), birth_date="1980-02-03")
        _until(clinic.admin, session, "delivered")
    with start() as clinic:
        assert clinic.admin.show_session(session).identified is not None


def test_a_mapping_identifies_them_too(start: Start, fhir_server: FhirServer) -> None:
    """Once the form is mapped, what was held is sent again, as what was refused is."""
    with start() as clinic:
        session = _held(clinic, fhir_server)
        clinic.admin.add_flow(NAMELESS, mapping=MAPPING)
        assert clinic.admin.retry_delivery(session) == 1
        _until(clinic.admin, session, "held")
        with pytest.raises(RequestRefused, match="own answers say the name"):
            clinic.admin.identify_patient(session, family="Roe", birth_date="1980-02-03")
        clinic.admin.identify_patient(session, birth_date="1980-02-03")
        _until(clinic.admin, session, "delivered")
    (patient,) = fhir_server.store.of("Patient")
    assert patient["name"] == [{"text": "Zebulon"}]


def test_what_has_no_patient_is_not_held(start: Start, tmp_path: Path) -> None:
    """A file of answers names nobody as the patient: it is delivered as it is."""
    (tmp_path / "share").mkdir()
    with start() as clinic:
        destination = {"name": "share", "kind": "folder", "folder": str(tmp_path / "share")}
        clinic.admin.add_destination(DESTINATION.validate_python({**destination, "format": "json"}))
        _until(clinic.admin, _complete(clinic), "delivered")


@pytest.mark.parametrize(
    ("stated", "why"),
    [
        ({"family": "Roe"}, "birth date of the patient is needed too"),
        ({"birth_date": "1980-02-03"}, "name of the patient is needed too"),
        ({"family": "Roe", "birth_date": "2980-02-03"}, "must not lie in the future"),
    ],
)
def test_half_an_identification_is_refused(start: Start, stated: dict[str, str], why: str) -> None:
    """And nothing is recorded of it."""
    with start() as clinic:
        session = _complete(clinic)
        with pytest.raises(RequestRefused, match=why):
            clinic.admin.identify_patient(session, **stated)
        assert clinic.admin.show_session(session).identified is None


def test_only_staff_and_only_after_the_end(start: Start) -> None:
    """A patient's screen may not, and an open session has a patient to ask."""
    with start() as clinic:
        _, _, session = clinic.paired()
        who = {"family": "Roe", "birth_date": "1980-02-03"}
        with pytest.raises(RequestRefused, match="completed session"):
            clinic.admin.identify_patient(session, **who)
        pretender = clinic.connect(FacilityClient, clinic.enrol(Role.PATIENT))
        with pytest.raises(RequestRefused, match="not for this kind"):
            pretender.identify_patient(session, **who)
        with pytest.raises(RequestRefused, match="no such session"):
            clinic.admin.identify_patient("s-nowhere", **who)


def test_from_the_command_line(
    start_box: StartBox,
    tmp_path: Path,
    handrail: Handrail,  # noqa: F811
    fhir_server: FhirServer,
) -> None:
    """`deliver` says what is held, `session show` why, and `session identify` mends it."""
    with start_box(tmp_path / "data") as box, clinic_at(box) as clinic:
        clinic.admin.add_destination(_ehr(fhir_server))
        session = _complete(clinic)
    now = handrail("deliver", "now", "--json")
    assert (now.code, now.json) == (1, {"waiting": 0, "refused": 0, "held": 1})
    status = handrail("deliver", "status")
    assert status.code == 1
    assert "held" in status.out
    assert "the patient is not identified" in status.out
    assert "handrail session identify" in status.err
    assert handrail("deliver", "list", "--json").json[0]["held"] == 1
    configured = tmp_path / "data" / "delivery.json"
    kept = configured.read_bytes()
    configured.unlink()
    lost = handrail("deliver", "list", "--json")
    assert (lost.code, lost.json[0]["held"]) == (1, 1), "held for a destination that is unknown"
    configured.write_bytes(kept)
    assert "ehr held (the patient is not identified)" in handrail("session", "show", session).out
    said = ("--family", "Roe", "--given", "Ana", "--birth-date", "1980-02-03", "--gender", "female")
    stated = handrail("session", "identify", session, *said, "--staff-name", "Sam Poe", "--json")
    assert stated.json == {"session": session, "deliveries": 1}
    assert handrail("deliver", "now").code == 0
    shown = handrail("session", "show", session).out
    assert "Ana Roe, 1980-02-03, female; by staff (Sam Poe)" in shown
    assert "ehr delivered" in shown
    (patient,) = fhir_server.store.of("Patient")
    assert patient["gender"] == "female"


def test_an_outbox_from_before_can_hold(tmp_path: Path) -> None:
    """A database that knows no held deliveries is widened, with its rows, columns and index."""
    db = Database(tmp_path / "old.sqlite")
    before = [one for one in SCHEMA.pending(db) if one.name in ("base", "outbox")]
    for migration in before:
        migration.fn(db)
    db.execute("ALTER TABLE deliveries ADD COLUMN later TEXT")
    row = ("s-1", "ehr", "waiting", 2, "now", "now", b"sealed", None, "more")
    db.execute("PRAGMA foreign_keys=OFF")
    db.execute("INSERT INTO deliveries VALUES (?,?,?,?,?,?,?,?,?)", row)
    (widen,) = [one for one in SCHEMA.pending(db) if one.name == "held deliveries"]
    widen.fn(db)
    assert db.execute("SELECT * FROM deliveries").fetchall() == [row]
    db.execute("UPDATE deliveries SET status='held'")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("UPDATE deliveries SET status='lost'")
    plan = db.execute(
        "EXPLAIN QUERY PLAN SELECT * FROM deliveries WHERE destination='ehr' AND status='waiting'"
        " ORDER BY next_at"
    ).fetchall()
    assert "deliveries_waiting" in json.dumps(plan)
    db.conn.close()
