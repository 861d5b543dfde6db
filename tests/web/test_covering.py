"""What a signature is given for, on the two pages: said before, and said again once it changed."""

from typing import Any

import pytest

from schemas.wire.views import FacilityView, SessionStatus, SignatureStatus
from tests.web.conftest import Desk, Patient, Screens

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SIGNED = {"url": f"{_CORE}questionnaire-signatureRequired"}
_ALL = {"url": "urn:handrail:fhir:signs-all-answers", "valueBoolean": True}


def _named(link: str, text: str, element: str) -> dict[str, Any]:
    definition = f"{_CORE}Patient#Patient.{element}"
    return {"linkId": link, "type": "string", "text": text, "definition": definition}


def _signature(link: str, text: str, *marks: dict[str, Any]) -> dict[str, Any]:
    extension = [_SIGNED, *marks]
    return {
        "linkId": link,
        "type": "display",
        "text": text,
        "required": True,
        "extension": extension,
    }


def _step(link: str, text: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"linkId": link, "type": "group", "text": text, "item": list(items)}


FLOW: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "covering",
    "title": "Covering",
    "status": "active",
    "language": "en",
    "item": [
        _step(
            "you",
            "You",
            _named("forename", "First name", "name.given"),
            _named("family", "Last name", "name.family"),
            _named("number", "Record number", "identifier.value"),
            {"linkId": "wish", "type": "string", "text": "Wish"},
            _signature("here", "I am this person."),
        ),
        _step("care", "Care", _signature("all", "I agree to all of this.", _ALL)),
        _step("end", "End", {"linkId": "bye", "type": "display", "text": "Goodbye."}),
    ],
}


@pytest.fixture
def pair(screens: Screens) -> tuple[Desk, Patient]:
    """Return a session on the step that names the patient, with that filled."""
    screens.clinic.admin.add_flow(FLOW)
    desk, patient = screens.pair("Covering")
    for field_id, text in (("forename", "Ana"), ("family", "Roe"), ("number", "77")):
        patient.fill(field_id, text)
        patient.page.keyboard.press("Tab")
    desk.page.locator('.mirror [data-field="number"] input').wait_for()
    return desk, patient


def _shown(screens: Screens, desk: Desk) -> FacilityView:
    return screens.clinic.admin.show_session(desk.page.url.rpartition("=")[2])


def _sign(desk: Desk, patient: Patient, title: str = "Please sign") -> None:
    desk.press("Ask to sign")
    patient.title(title)
    patient.draw()
    patient.page.get_by_role("button", name="Sign", exact=True).click()
    patient.page.locator(".signature-state", has_text="Signed. Thank you.").wait_for()


def test_the_screen_says_what_the_signature_is_for(pair: tuple[Desk, Patient]) -> None:
    """Values of the step's own fields, labels of others; and which answers are covered."""
    desk, patient = pair
    given = patient.page.locator(".given-for")
    desk.press("Ask to sign")
    given.get_by_text(
        "about the patient: First name: Ana; Last name: Roe; Record number: 77"
    ).wait_for()
    given.get_by_text("for the answers of this step").wait_for()
    patient.draw()
    patient.page.get_by_role("button", name="Sign", exact=True).click()
    desk.next("Care")
    desk.press("Ask to sign")
    given.get_by_text("about the patient: First name; Last name; Record number").wait_for()
    given.get_by_text("for all answers of this form").wait_for()


def test_a_known_name_is_offered(screens: Screens, pair: tuple[Desk, Patient]) -> None:
    """The patient's from the step; later the one last printed; not to who signs for another."""
    desk, patient = pair
    name = patient.page.get_by_label("Your full name")
    desk.press("Ask to sign")
    patient.title("Please sign")
    assert name.input_value() == "Ana Roe"
    patient.page.get_by_label("I sign for someone else").check()
    assert name.input_value() == ""
    patient.page.get_by_label("I sign for myself").check()
    assert name.input_value() == "Ana Roe"
    name.fill("Ana María Roe")
    patient.draw()
    patient.page.get_by_role("button", name="Sign", exact=True).click()
    desk.next("Care")
    desk.press("Ask to sign")
    patient.title("Please sign")
    assert name.input_value() == "Ana María Roe"
    assert _shown(screens, desk).signatures["here"].printed_name == "Ana María Roe"


def test_both_screens_say_that_what_was_signed_has_changed(pair: tuple[Desk, Patient]) -> None:
    """On the step and on a later one; asked and signed again, it stands."""
    desk, patient = pair
    _sign(desk, patient)
    desk.next("Care")
    _sign(desk, patient)
    desk.press("Back")
    patient.title("You")
    patient.fill("wish", "none")
    patient.page.keyboard.press("Tab")
    patient.says("What you signed has changed since.").wait_for()
    said = "Signed, but what was signed has changed: ask again"
    desk.page.locator(".outcome").get_by_text(said).wait_for()
    elsewhere = desk.page.get_by_role("region", name="Changed after signing")
    elsewhere.get_by_text("I agree to all of this.").wait_for()
    _sign(desk, patient)
    desk.page.locator(".outcome").get_by_text(said).wait_for(state="detached")
    elsewhere.get_by_role("button", name="Go to “Care”").click()
    patient.title("Care")
    patient.says("What you signed has changed since.").wait_for()
    _sign(desk, patient)
    desk.next("End")


def test_staff_see_what_was_changed(pair: tuple[Desk, Patient]) -> None:
    """The earlier value of a field with the later one, once they ask for it."""
    desk, patient = pair
    patient.fill("wish", "tea")
    patient.page.keyboard.press("Tab")
    wish = desk.page.locator('.mirror [data-field="wish"] input')
    desk.page.wait_for_function("i => i.value === 'tea'", arg=wish.element_handle())
    patient.fill("wish", "coffee")
    patient.page.keyboard.press("Tab")
    desk.page.wait_for_function("i => i.value === 'coffee'", arg=wish.element_handle())
    desk.point("wish")
    desk.press("What was changed")
    changes = desk.page.locator(".changes")
    changes.get_by_text("empty → tea").wait_for()
    changes.get_by_text("tea → coffee").wait_for()


def test_a_tap_is_asked_back(screens: Screens, pair: tuple[Desk, Patient]) -> None:
    """It is sent only once the person says that it is their signature."""
    desk, patient = pair
    page = patient.page
    desk.press("Ask to sign")
    patient.title("Please sign")
    pad, submit = page.locator(".pad canvas"), page.get_by_role("button", name="Sign", exact=True)
    pad.click(position={"x": 80, "y": 60})
    submit.click()
    page.get_by_text("Is this your signature?").wait_for()
    page.get_by_role("button", name="Sign again").click()
    page.get_by_text("Is this your signature?").wait_for(state="detached")
    submit.click()
    page.locator(".sign-sheet .error", has_text="Please sign first.").wait_for()
    assert _shown(screens, desk).signatures["here"].status is SignatureStatus.REQUESTED
    pad.click(position={"x": 80, "y": 60})
    submit.click()
    page.get_by_role("button", name="Yes", exact=True).click()
    page.locator(".signature-state", has_text="Signed. Thank you.").wait_for()


def test_the_staff_goes_on_without_a_declined_signature(
    screens: Screens, pair: tuple[Desk, Patient]
) -> None:
    """By the button, by the list of steps and to the end: each time with a reason, in place."""
    desk, patient = pair
    for _ in ("here", "all"):
        desk.press("Ask to sign")
        patient.title("Please sign")
        patient.page.get_by_role("button", name="I don't want to sign").click()
        patient.page.get_by_role("button", name="Do not sign").click()
        patient.page.locator(".signature-state", has_text="You chose not to sign.").wait_for()
        if _ == "here":
            desk.press("Next")
            desk.page.get_by_label("The patient declined to sign.").fill("Asked twice.")
            desk.press("Go on without the signature")
            patient.title("Care")
    desk.page.locator(".steps button", has_text="End").click()
    desk.page.get_by_label("The patient declined to sign.").fill("Asked twice.")
    desk.page.get_by_role("button", name="Go on without the signature").click()
    patient.title("End")
    desk.press("Finish")
    desk.page.get_by_label("The patient declined to sign.").fill("Told the doctor.")
    desk.press("Finish without the signature")
    desk.page.get_by_text("The check-in is complete and submitted.").wait_for()
    assert _shown(screens, desk).status is SessionStatus.COMPLETED
