"""A repeating group on the patient's page: what is offered in its next instance."""

from typing import Any

from tests.web.conftest import Patient, Screens

_HIDDEN = {
    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-hidden",
    "valueBoolean": True,
}


def _on_when(question: str) -> list[dict[str, Any]]:
    return [{"question": question, "operator": "=", "answerBoolean": True}]


FLOW = {
    "resourceType": "Questionnaire",
    "id": "medicines",
    "title": "Medicines",
    "status": "active",
    "item": [
        {
            "linkId": "meds",
            "type": "group",
            "text": "Medicine",
            "repeats": True,
            "item": [
                {"linkId": "drug", "type": "string", "text": "Name", "required": True},
                {"linkId": "batch", "type": "string", "text": "Batch", "extension": [_HIDDEN]},
                {"linkId": "daily", "type": "boolean", "text": "Every day"},
                {
                    "linkId": "hour",
                    "type": "string",
                    "text": "At what hour",
                    "enableWhen": _on_when("daily"),
                },
            ],
        }
    ],
}


def _fields(patient: Patient) -> list[str]:
    fields = patient.page.locator("[data-field]")
    found: list[str] = fields.evaluate_all("all => all.map(one => one.dataset.field)")
    return found


def test_the_next_instance_shows_what_the_box_says_is_on(screens: Screens) -> None:
    """Neither hidden fields nor those whose condition is not met are offered in it."""
    screens.clinic.admin.add_flow(FLOW)
    _, patient = screens.pair("Medicines")
    patient.fill("meds[0].drug", "Aspirin")
    patient.field("meds[0].daily").get_by_role("checkbox").check()
    patient.field("meds[0].hour").wait_for()
    patient.page.get_by_role("button", name="Add another: Medicine").click()
    patient.field("meds[1].drug").wait_for()
    first = ["meds[0].drug", "meds[0].daily", "meds[0].hour"]
    assert _fields(patient) == [*first, "meds[1].drug", "meds[1].daily"]
    patient.field("meds[1].daily").get_by_role("checkbox").check()
    patient.field("meds[1].hour").wait_for()
    patient.fill("meds[1].drug", "Ibuprofen")
    patient.page.get_by_role("button", name="Add another: Medicine").wait_for()
