"""A completed check-in whose patient nobody knows: the desk sees it, and says who it is."""

from schemas.wire.destinations import DESTINATION
from tests.delivery.conftest import fhir_server
from tests.delivery.fhir_server import FhirServer
from tests.delivery.test_held import NAMELESS, _complete
from tests.web.conftest import Screens

__all__ = ["fhir_server"]


def test_the_desk_says_who_the_patient_is(screens: Screens, fhir_server: FhirServer) -> None:
    """The lobby names what is held and why; once a person is named, it is delivered."""
    clinic = screens.clinic
    clinic.admin.add_destination(
        DESTINATION.validate_python({"name": "ehr", "kind": "fhir", "url": fhir_server.base})
    )
    desk = screens.desk()
    session = _complete(clinic)
    clinic.admin.deliver_now(session)
    page = desk.page
    held = page.get_by_role("region", name="Needs you")
    held.get_by_text("the patient is not identified").wait_for()
    assert "name and birth date" in held.inner_text()
    assert NAMELESS["id"] in held.inner_text()
    held.get_by_role("button", name="Say who the patient is").click()
    dialog = page.get_by_role("dialog")
    send = dialog.get_by_role("button", name="Record and deliver")
    assert send.get_attribute("aria-disabled") == "true"
    dialog.get_by_label("Family name").fill("Roe")
    dialog.get_by_label("Day").fill("31")
    dialog.get_by_label("Month").select_option(label="February")
    dialog.get_by_label("Year").fill("1980")
    dialog.get_by_text("Enter day, month and a year of four digits.").wait_for()
    dialog.get_by_label("Day").fill("3")
    dialog.get_by_label("Sex").select_option(label="Female")
    send.click()
    held.wait_for(state="detached")
    clinic.admin.deliver_now(session)
    (patient,) = fhir_server.store.of("Patient")
    assert patient["name"] == [{"family": "Roe"}]
    assert (patient["birthDate"], patient["gender"]) == ("1980-02-03", "female")
    page.goto(f"{screens.url}/facility#session={session}")
    page.get_by_text("Identified by staff: Roe, 1980-02-03, female").wait_for()
