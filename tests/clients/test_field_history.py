"""What was changed, as staff and facility IT may read it: the values, but no sensitive ones."""

import pytest

from clients.sdk.errors import Refused
from schemas.base import Role
from schemas.wire.requests import FieldChanges, FieldHistory, FieldRevealed, RevealField
from schemas.wire.views import Masked
from tests.clients.conftest import Clinic

_SENSITIVE = {"url": "urn:handrail:fhir:sensitive", "valueBoolean": True}
_FORM = {
    "resourceType": "Questionnaire",
    "id": "history",
    "status": "active",
    "item": [
        {"linkId": "name", "type": "string", "text": "Name"},
        {"linkId": "ssn", "type": "string", "text": "Number", "extension": [_SENSITIVE]},
    ],
}


def test_staff_of_the_session_and_facility_it_read_what_was_changed(clinic: Clinic) -> None:
    """Each value with its device and time; of a sensitive field the length alone."""
    clinic.admin.add_flow(_FORM)
    staff, patient, session = clinic.paired("history")
    for field_id, value in (("name", "Ana"), ("name", "Bea"), ("ssn", "078-05-1120")):
        patient.enter_field(session, field_id, value).result(10)
    name, again, number = clinic.admin.field_history(session)
    assert (name.before, name.after, again.before, again.after) == (None, "Ana", "Ana", "Bea")
    assert name.device == patient.credential.device
    assert (number.before, number.after) == (None, Masked(length=11))
    assert clinic.admin.field_history(session, "name") == (name, again)
    shown = staff._request(FieldHistory, FieldChanges, 10.0, session=session)
    assert shown.changes == (name, again, number)


def test_nobody_else_reads_it(clinic: Clinic) -> None:
    """A staff's screen that is not in the session, and a patient's, are refused."""
    _, patient, session = clinic.paired()
    for client in (clinic.staff(clinic.enrol(Role.FACILITY)), patient):
        with pytest.raises(Refused) as caught:
            client._request(FieldHistory, FieldChanges, 10.0, session=session)
        assert caught.value.rejection.code in {"not_a_participant", "not_allowed_for_role"}


def test_a_purge_ends_it(clinic: Clinic) -> None:
    """Earlier values are kept until then, also after the session has ended."""
    staff, patient, session = clinic.paired()
    patient.enter_field(session, "name", "Ana").result(10)
    staff.cancel(session, "left").result(10)
    assert [one.after for one in clinic.admin.field_history(session)] == ["Ana"]
    clinic.admin.purge(session)
    with pytest.raises(Refused, match="unknown_session"):
        clinic.admin.field_history(session)


def test_staff_of_the_session_see_a_masked_value_and_the_log_says_who(clinic: Clinic) -> None:
    """The value goes to the screen that asked; another staff screen and the patient get none."""
    clinic.admin.add_flow(_FORM)
    staff, patient, session = clinic.paired("history")
    patient.enter_field(session, "ssn", "078-05-1120").result(10)
    shown = staff.reveal_field(session, "ssn")
    assert (shown.field_id, shown.value) == ("ssn", "078-05-1120")
    other = clinic.staff(clinic.enrol(Role.FACILITY))
    for client in (other, patient):
        with pytest.raises(Refused) as caught:
            client._request(RevealField, FieldRevealed, 10.0, session=session, field_id="ssn")
        assert caught.value.rejection.code in {"not_a_participant", "not_allowed_for_role"}
    with pytest.raises(Refused, match="unknown_field"):
        staff.reveal_field(session, "nothing")
