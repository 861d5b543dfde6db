"""Deliveries that are stuck: the desk is told how many, so that somebody tells IT."""

from schemas.wire.destinations import DESTINATION
from tests.delivery.conftest import fhir_server
from tests.delivery.fhir_server import FhirServer, Trouble
from tests.delivery.test_in_a_box import SECRET, _complete
from tests.web.conftest import Screens

__all__ = ["fhir_server"]


def test_the_desk_says_that_deliveries_wait(screens: Screens, fhir_server: FhirServer) -> None:
    """Once one is refused, with the count and nothing of the patient; no longer once it arrived."""
    admin = screens.clinic.admin
    admin.add_destination(
        DESTINATION.validate_python({"name": "ehr", "kind": "fhir", "url": fhir_server.base})
    )
    page = screens.desk().page
    badge = page.get_by_text("Deliveries are waiting: tell IT")
    assert badge.count() == 0
    fhir_server.troubles.append(Trouble(422, on="/fhir"))
    session = _complete(screens.clinic)
    admin.deliver_now(session)
    badge.wait_for()
    assert badge.inner_text() == "Deliveries are waiting: tell IT (1)"
    assert SECRET not in page.content()
    admin.retry_delivery(session)
    admin.deliver_now(session)
    badge.wait_for(state="detached")
