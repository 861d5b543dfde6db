"""Delivery from a box: queued with the completion, sealed, shown, corrected, purged."""

import json
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from clients import Credential
from clients.sdk.admin import AdminClient
from clients.sdk.errors import Refused, RequestRefused
from schemas.base import Role
from schemas.wire.destinations import DESTINATION
from session_controller.errors import DestinationsError
from tests.clients.conftest import Clinic, clinic_at
from tests.conftest import RunningBox, StartBox
from tests.delivery.conftest import Start
from tests.delivery.fhir_server import FhirServer, Trouble

SECRET = "Zebulon Quatermass"
_OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "value", "diagnostics": f"{SECRET} is no name"}],
}


def _ehr(server: FhirServer, name: str = "ehr") -> Any:
    return DESTINATION.validate_python({"name": name, "kind": "fhir", "url": server.base})


def _complete(clinic: Clinic) -> str:
    """Go through the small flow; gives the session."""
    staff, patient, session = clinic.paired()
    patient.enter_field(session, "name", SECRET)
    patient.wait_for(session, lambda view: "name" in view.fields)
    staff.navigate(session, "end")
    staff.complete(session)
    staff.wait_for(session, lambda view: view.status == "completed")
    return session


def _until(admin: AdminClient, session: str, status: str) -> Any:
    """Retry until it has this status: each call waits for a round of the courier."""
    for _ in range(20):
        (line,) = admin.list_deliveries(session).deliveries
        if line.status == status:
            return line
        admin.deliver_now(session)
    raise AssertionError(line)


def test_a_completed_session_goes_by_itself(start: Start, fhir_server: FhirServer) -> None:
    """A box that serves delivers what completes; its rows and its file are for its owner alone."""
    with start() as clinic:
        clinic.admin.add_destination(_ehr(fhir_server))
        session = _complete(clinic)
        line = _until(clinic.admin, session, "delivered")
        (found,) = clinic.admin.list_destinations()
        file = clinic.box.data / "delivery.json"
    assert line.reason is None
    assert (found.waiting, found.delivered, found.refused) == (0, 1, 0)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (response,) = fhir_server.store.of("QuestionnaireResponse")
    assert response["item"][0]["item"][0]["answer"] == [{"valueString": SECRET}]


def test_refused_then_corrected(start: Start, fhir_server: FhirServer) -> None:
    """What is refused is shown in the server's words, sealed on the disk, and can be sent again."""
    fhir_server.troubles.append(Trouble(422, body=_OUTCOME, on="/fhir"))
    with start() as clinic:
        admin = clinic.admin
        admin.add_destination(_ehr(fhir_server))
        session = _complete(clinic)
        line = _until(admin, session, "refused")
        assert (line.reason, line.http_status) == ("refused", 422)
        (shown,) = admin.show_delivery(session).outcomes
        assert shown.outcome["operation_outcome"] == _OUTCOME
        for file in clinic.box.data.rglob("*"):
            assert not file.is_file() or SECRET.encode() not in file.read_bytes()
        assert admin.retry_delivery() == 1
        _until(admin, session, "delivered")
        events = [
            json.loads(content)
            for (content,) in sqlite3.connect(
                f"file:{clinic.box.data}/handrail.sqlite?mode=ro", uri=True
            ).execute("SELECT content FROM events WHERE kind='DeliveryChanged' ORDER BY id")
        ]
    assert [each["status"] for each in events] == ["refused", "retried", "delivered"]


def test_what_is_delivered_stays_the_same(start: Start, tmp_path: Path) -> None:
    """A command that comes after the end is refused, logged, and changes nothing of the record."""
    with start(deliver=False) as clinic:
        admin, share = clinic.admin, {"name": "share", "kind": "folder", "folder": str(tmp_path)}
        admin.add_destination(DESTINATION.validate_python({**share, "format": "json"}))
        staff, patient, session = clinic.paired()
        patient.enter_field(session, "name", SECRET).result(10)
        staff.navigate(session, "end").result(10)
        staff.complete(session).result(10)
        before, _ = admin.export_delivery(session, "share")
        with pytest.raises(Refused):
            patient.enter_field(session, "remark", "late").result(10)
        after, seal = admin.export_delivery(session, "share")
        assert after == before
        assert admin.deliver_now() == 0
        (line,) = admin.list_deliveries(session).deliveries
        assert line.sha256 == seal.sha256


def test_nothing_goes_by_itself_beside_a_command(start: Start, fhir_server: FhirServer) -> None:
    """A box that a command starts for itself delivers nothing, unless that is the command."""
    with start(deliver=False) as clinic:
        clinic.admin.add_destination(_ehr(fhir_server))
        session = _complete(clinic)
        (line,) = clinic.admin.list_deliveries(session).deliveries
        assert (line.status, line.attempts) == ("waiting", 0)
        assert not fhir_server.store.resources
        assert clinic.admin.deliver_now() == 0
        (line,) = clinic.admin.list_deliveries(session).deliveries
        assert line.status == "delivered"


def test_what_waits_survives_a_restart(start: Start, fhir_server: FhirServer) -> None:
    """A session that completed before a restart is delivered after it."""
    with start(deliver=False) as clinic:
        clinic.admin.add_destination(_ehr(fhir_server))
        session = _complete(clinic)
    with start() as clinic:
        _until(clinic.admin, session, "delivered")
    assert len(fhir_server.store.of("QuestionnaireResponse")) == 1


def test_a_purge_takes_no_session_that_is_not_delivered(
    start: Start, fhir_server: FhirServer
) -> None:
    """An undelivered session is purged only if that is said; its deliveries go with it."""
    with start(deliver=False) as clinic:
        admin = clinic.admin
        admin.add_destination(_ehr(fhir_server))
        admin.deliver_now(_complete(clinic))
        waiting = _complete(clinic)
        with pytest.raises(RequestRefused, match="not delivered to ehr yet"):
            admin.purge_sessions(waiting)
        purged = admin.purge(older_than_s=0)
        assert (purged.purged, purged.kept) == (1, (waiting,))
        assert [line.session for line in admin.list_sessions(ended=True)] == [waiting]
        assert admin.purge_sessions(waiting, undelivered=True) == (waiting,)
        assert admin.list_deliveries().deliveries == ()
        assert admin.deliver_now() == 0
    assert len(fhir_server.store.of("QuestionnaireResponse")) == 1


def test_destinations_come_and_go(start: Start, fhir_server: FhirServer) -> None:
    """A destination is removed only when nothing waits for it; a later one can be caught up on."""
    with start(deliver=False) as clinic:
        admin = clinic.admin
        before = _complete(clinic)
        assert admin.list_deliveries().deliveries == ()
        admin.add_destination(_ehr(fhir_server))
        assert admin.deliver_now(before) == 0
        assert [line.status for line in admin.list_deliveries(before).deliveries] == ["delivered"]
        waiting = _complete(clinic)
        with pytest.raises(RequestRefused, match="1 sessions are not delivered to ehr yet"):
            admin.remove_destination("ehr")
        admin.remove_destination("ehr", undelivered=True)
        assert admin.list_destinations() == ()
        assert admin.list_deliveries(waiting).deliveries == ()
        with pytest.raises(RequestRefused, match="no destination 'ehr'"):
            admin.remove_destination("ehr")


def test_only_facility_it_may(start: Start, fhir_server: FhirServer) -> None:
    """Staff's and patients' screens may ask nothing about deliveries."""
    with start(deliver=False) as clinic:
        for role in (Role.FACILITY, Role.PATIENT):
            mine: Credential = clinic.enrol(role)
            pretender = clinic.connect(AdminClient, mine)
            for ask in (
                lambda c: c.add_destination(_ehr(fhir_server)),
                lambda c: c.list_destinations(),
                lambda c: c.list_deliveries(),
                lambda c: c.retry_delivery(),
                lambda c: c.deliver_now(),
            ):
                with pytest.raises(RequestRefused, match="not for this kind"):
                    ask(pretender)


def test_a_file_that_cannot_be_used_is_named(box: RunningBox) -> None:
    """A fault in `delivery.json` is told with its place, and without what stands there."""
    file = box.data / "delivery.json"
    file.write_text('{"destinations": [{"name": "ehr", "kind": "fhir", "url": "ftp://secret"}]}')
    with (
        clinic_at(box) as clinic,
        pytest.raises(RequestRefused, match=r"destinations\.0\.url: must be") as refused,
    ):
        clinic.admin.deliver_now()
    assert "secret" not in str(refused.value)


def test_a_box_does_not_start_first_with_a_broken_file(start_box: StartBox, tmp_path: Path) -> None:
    """Rather than forget what completes, a box says what is wrong, and starts once it is right."""
    (tmp_path / "delivery.json").write_text('{"destinations": 7}')
    with pytest.raises(DestinationsError, match="destinations"), start_box(tmp_path):
        pass
    (tmp_path / "delivery.json").unlink()
    with start_box(tmp_path):
        pass
