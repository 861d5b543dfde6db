"""Nobody attests blindly: the patient checks the answers, asks for a step, and says yes or no."""

from typing import Any

from tests.web.conftest import Screens

_OURS = "urn:handrail:fhir:"


def _marked(name: str) -> list[dict[str, Any]]:
    return [{"url": _OURS + name, "valueBoolean": True}]


FLOW: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "checked",
    "title": "Checked",
    "status": "active",
    "item": [
        {
            "linkId": "you",
            "type": "group",
            "text": "About you",
            "item": [
                {"linkId": "name", "type": "string", "text": "Your name", "required": True},
                {"linkId": "born", "type": "date", "text": "Birth date"},
                {
                    "linkId": "ssn",
                    "type": "string",
                    "text": "Number",
                    "extension": _marked("sensitive"),
                },
            ],
        },
        {
            "linkId": "check",
            "type": "group",
            "text": "Check",
            "item": [
                {
                    "linkId": "intro",
                    "type": "display",
                    "text": "Please check your answers.",
                    "extension": _marked("review"),
                },
                {
                    "linkId": "correct",
                    "type": "boolean",
                    "text": "All of this is correct",
                    "required": True,
                    "extension": _marked("attestation"),
                },
            ],
        },
    ],
}


def test_check_change_and_attest(screens: Screens) -> None:
    """The answers are shown by step; staff open a step that the patient asks for; No is no end."""
    screens.clinic.admin.add_flow(FLOW)
    desk, patient = screens.pair("Checked")
    patient.fill("name", "Ada Lovelace")
    patient.fill("ssn", "123-45-6789")
    desk.page.locator('.mirror [data-field="name"] input').wait_for()
    desk.next("Check")
    patient.title("Check")
    review = patient.page.locator('[data-review="you"]')
    review.get_by_text("Ada Lovelace").wait_for()
    assert "hidden, 11 characters" in review.inner_text()
    assert "123-45-6789" not in patient.page.content()
    mirrored = desk.page.locator('.mirror [data-review="you"]')
    mirrored.get_by_text("Ada Lovelace").wait_for()
    assert mirrored.get_by_role("button").count() == 0
    patient.choose("correct", "No")
    sentence = "The answer is No. Please change what is not right first."
    patient.field("correct").get_by_text(sentence).wait_for()
    desk.page.locator(".actions").get_by_text(sentence).first.wait_for()
    finish = desk.page.locator(".actions").get_by_role("button", name="Finish")
    assert finish.get_attribute("aria-disabled") == "true"
    review.get_by_role("button", name="Ask to change").click()
    review.get_by_role("button", name="You asked to change this").wait_for()
    desk.page.get_by_role("alert").get_by_text("The patient asks to change “About you”.").wait_for()
    desk.page.get_by_role("button", name="Open “About you”").click()
    patient.title("About you")
    patient.page.get_by_role("button", name="Ask for help").wait_for()
    patient.fill("name", "Augusta Ada King")
    desk.page.wait_for_function(
        "() => document.querySelector('.mirror [data-field=name] input').value.startsWith('Aug')"
    )
    desk.next("Check")
    review.get_by_text("Augusta Ada King").wait_for()
    patient.field("correct").get_by_text("Please check them again.").wait_for()
    patient.choose("correct", "Yes")
    desk.page.wait_for_function(
        "() => !document.querySelector('.actions .primary').hasAttribute('aria-disabled')"
    )
    desk.press("Finish")
    patient.title("Thank you!")
