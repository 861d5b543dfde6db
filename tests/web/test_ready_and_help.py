"""'I'm done here' and the call for help, on the patient's page, and what a screen reader hears."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from clients.sdk.facility import FacilityClient
from schemas.wire.views import FacilityView
from tests.web import example
from tests.web.conftest import Patient, Screens
from tests.web.test_documents import FLOW as CARD

_LISTEN = """() => {
  window.__heard = [];
  const region = document.getElementById("announcer");
  new MutationObserver(() => {
    const said = region.textContent.trim();
    if (said) window.__heard.push(said);
  }).observe(region, { childList: true, characterData: true, subtree: true });
}"""


_TIMES = "window.__heard.filter(one => one.includes(said)).length"
_HAS_FOCUS = "() => document.activeElement && document.activeElement !== document.body"


def listen(page: Page) -> None:
    """Begin to write down what the page announces."""
    page.evaluate(_LISTEN)


def heard(page: Page, said: str) -> None:
    """Wait until the page has announced it; it has done so once."""
    page.wait_for_function(f"said => {_TIMES} > 0", arg=said)
    assert page.evaluate(f"said => {_TIMES}", said) == 1


def has_focus(page: Page) -> None:
    """See that the focus is on something."""
    page.wait_for_function(_HAS_FOCUS)


def done(patient: Patient) -> Any:
    """Find the button at the end of each step."""
    return patient.page.locator(".done button")


@dataclass
class Staff:
    """The host of a session, without a page."""

    client: FacilityClient
    session: str
    code: str

    def sees(self, wanted: Callable[[FacilityView], Any]) -> FacilityView:
        """Wait for a view."""
        return self.client.wait_for(self.session, wanted)


@pytest.fixture
def staff(screens: Screens) -> Staff:
    """Open a session of our example form."""
    client = screens.clinic.staff()
    opened = client.open_session("pre-registration")
    assert opened.code
    return Staff(client, opened.session, opened.code)


def test_who_left_something_out_reads_what_and_is_taken_there(
    screens: Screens, staff: Staff
) -> None:
    """All that is missing is listed and said at its field; the first of it has the focus."""
    patient = screens.patient(staff.code)
    page = patient.page
    listen(page)
    patient.fill("first-name", "María")
    done(patient).click()
    expect(page.locator(".left h2")).to_have_text("4 things are still missing:")
    expect(patient.field("last-name").locator("input")).to_be_focused()
    expect(patient.field("last-name")).to_contain_text("Please answer this question.")
    heard(page, "4 things are still missing:")
    page.locator(".left a").last.click()
    expect(patient.field("last-name").locator("input")).not_to_be_focused()
    has_focus(page)
    example.about_you(patient)
    expect(page.locator(".left")).to_have_count(0)
    expect(page.get_by_text("Please answer this question.")).to_have_count(0)


RIGHT: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "right",
    "title": "All right",
    "status": "active",
    "item": [
        {
            "linkId": "right",
            "type": "boolean",
            "text": "All is right",
            "required": True,
            "extension": [{"url": "urn:handrail:fhir:attestation", "valueBoolean": True}],
        }
    ],
}


def test_a_picture_that_is_not_used_yet_is_missing(screens: Screens, picture: Any) -> None:
    """Else it would be gone with the page, though the patient reads that all is done."""
    screens.clinic.admin.add_flow(CARD)
    _, patient = screens.pair("A card")
    patient.field("card").locator("input[type=file]").first.set_input_files(picture)
    patient.page.get_by_role("button", name="Use this picture").wait_for()
    done(patient).click()
    expect(patient.page.locator(".left")).to_contain_text("Your card")
    expect(patient.field("card")).to_contain_text("Please use this picture, or cancel.")
    expect(patient.page.get_by_role("button", name="Use this picture")).to_be_focused()
    patient.page.get_by_role("button", name="Cancel").click()
    expect(patient.page.locator(".left")).to_have_count(0)
    expect(patient.field("card")).not_to_contain_text("Please use this picture")
    done(patient).click()
    expect(done(patient)).to_have_text(re.compile("You are done here"))


def test_an_answer_that_is_no_yes_is_not_called_missing(screens: Screens) -> None:
    """Who says that the answers are not right reads what to do, not that they did not answer."""
    screens.clinic.admin.add_flow(RIGHT)
    _, patient = screens.pair("All right")
    patient.choose("right", "No")
    patient.field("right").get_by_text("The answer is No.").wait_for()
    done(patient).click()
    expect(patient.page.locator(".left")).to_contain_text("All is right")
    expect(patient.field("right")).to_contain_text("Please change what is not right first.")
    expect(patient.field("right")).not_to_contain_text("Please answer this question.")


def test_who_is_done_is_ready_until_something_is_missing(screens: Screens, staff: Staff) -> None:
    """Staff have it, the patient reads what follows, and the title says it."""
    patient = screens.patient(staff.code)
    page = patient.page
    listen(page)
    example.about_you(patient)
    done(patient).click()
    expect(done(patient)).to_have_text(re.compile("You are done here"))
    heard(page, "Thank you. Our staff knows, and will open the next page for you.")
    expect(page).to_have_title("You are done here · Step 1 of 8: About you · Check-in")
    staff.sees(lambda view: view.ready_since)
    patient.fill("last-name", "")
    expect(done(patient)).to_have_text("I'm done here")
    staff.sees(lambda view: view.ready_since is None)
    patient.fill("last-name", "González")
    done(patient).click()
    expect(done(patient)).to_have_text(re.compile("You are done here"))
    staff.client.navigate(staff.session, "contact").result(10)
    expect(done(patient)).to_have_text("I'm done here")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page).to_have_title("Step 2 of 8: How we reach you · Check-in")


def test_done_without_a_connection_is_sent_with_the_next(screens: Screens, staff: Staff) -> None:
    """The patient reads that it will be sent, and it is."""
    cable = screens.cable()
    patient = screens.patient(staff.code, url=cable.url)
    example.about_you(patient)
    staff.sees(lambda view: not view.missing)
    cable.pull()
    patient.page.locator(".banner", has_text="Connection lost").wait_for()
    done(patient).click()
    expect(patient.page.locator(".done")).to_contain_text("We will tell our staff as soon as")
    cable.plug()
    expect(done(patient)).to_have_text(re.compile("You are done here"))


def test_a_call_for_help_has_its_states(screens: Screens, staff: Staff) -> None:
    """Called, somebody is coming, done: each is read, heard once, and true."""
    patient = screens.patient(staff.code)
    page, button = patient.page, patient.page.locator(".bar .help")
    listen(page)
    button.click()
    expect(button).to_have_text("Called")
    heard(page, "We told our staff that you need help.")
    expect(page.get_by_text("is coming")).to_have_count(0)
    staff.client.send_help(staff.session, "Ana Molina").result(10)
    expect(page.locator(".banner[data-help]")).to_have_text("Ana Molina is coming to help you.")
    heard(page, "Ana Molina is coming to help you.")
    expect(button).to_have_text("Ask again")
    staff.client.answer_help(staff.session).result(10)
    expect(button).to_have_text("Ask for help")
    heard(page, "Your call for help is done.")
    expect(button).to_be_focused()


def test_help_can_be_called_in_a_pause_and_without_a_connection(
    screens: Screens, staff: Staff
) -> None:
    """The patient reads that the call will be sent, and once it was that staff know."""
    cable = screens.cable()
    patient = screens.patient(staff.code, url=cable.url)
    page = patient.page
    staff.client.pause(staff.session).result(10)
    page.get_by_role("heading", name="We have paused").wait_for()
    has_focus(page)
    cable.pull()
    staff.sees(lambda view: not all(p.online for p in view.participants.values()))
    page.get_by_role("button", name="Ask for help").click()
    banner = page.locator(".calm .banner")
    expect(banner).to_have_text(re.compile("will be sent|told our staff"))
    assert not staff.sees(lambda _: True).help_requested
    cable.plug()
    staff.sees(lambda view: view.help_requested)
    expect(banner).to_have_text("We told our staff that you need help.")
    staff.client.send_help(staff.session).result(10)
    expect(banner).to_have_text("Someone is coming to help you.")


@pytest.mark.parametrize("cover", ["cover", "pause"])
def test_the_focus_comes_back_after_a_cover(screens: Screens, staff: Staff, cover: str) -> None:
    """It is where it was, and the patient hears that they can go on."""
    patient = screens.patient(staff.code)
    page, client, session = patient.page, staff.client, staff.session
    field = patient.field("first-name").locator("input")
    field.focus()
    (
        client.pause(session) if cover == "pause" else client.cover_screen(session, covered=True)
    ).result(10)
    expect(page.locator(".calm h1")).to_be_focused()
    expect(page.get_by_role("button", name="Ask for help")).to_be_visible()
    listen(page)
    (
        client.resume(session) if cover == "pause" else client.cover_screen(session, covered=False)
    ).result(10)
    expect(field).to_be_focused()
    heard(page, "You can continue.")


def test_a_step_is_passed_by_the_patient_where_staff_allow_it(
    screens: Screens, staff: Staff
) -> None:
    """The button says so, and opens the next page once this one is complete."""
    patient = screens.patient(staff.code)
    staff.client.set_self_paced(staff.session, True).result(10)
    expect(done(patient)).to_have_text("Done: next page")
    example.about_you(patient)
    done(patient).click()
    patient.title("How we reach you")
    expect(patient.page.get_by_role("heading", level=1)).to_be_focused()


def test_corrections_and_pointing_are_heard(screens: Screens, staff: Staff) -> None:
    """Each once, with the question that they are about."""
    patient = screens.patient(staff.code)
    page = patient.page
    patient.fill("first-name", "María")
    staff.sees(lambda view: "first-name" in view.fields)
    listen(page)
    staff.client.highlight_field(staff.session, "last-name").result(10)
    heard(page, "Our staff would like you to look at: Last name")
    staff.client.request_correction(staff.session, "first-name", "as on your card").result(10)
    heard(page, "First name: Please change this: as on your card")


def test_what_staff_ask_to_correct_is_not_called_unanswered(screens: Screens, staff: Staff) -> None:
    """The patient who says 'done' reads what staff ask for, and nothing else at that field."""
    patient = screens.patient(staff.code)
    example.about_you(patient)
    staff.sees(lambda view: not view.missing)
    staff.client.request_correction(staff.session, "first-name", "as on your card").result(10)
    patient.field("first-name").get_by_text("as on your card").wait_for()
    done(patient).click()
    expect(patient.field("first-name").locator("input")).to_be_focused()
    expect(patient.field("first-name").locator(".error p")).to_have_count(1)


def test_what_is_required_is_exposed(screens: Screens, staff: Staff) -> None:
    """To a screen reader; what may be left out is not."""
    patient = screens.patient(staff.code)
    assert patient.field("first-name").locator("input").get_attribute("aria-required") == "true"
    assert patient.field("middle-name").locator("input").get_attribute("aria-required") is None
    expect(patient.field("sex").locator("legend")).to_contain_text("(required)")


def test_only_an_own_phone_fills_in_what_it_knows(screens: Screens, staff: Staff) -> None:
    """WCAG 1.3.5 on a guest's phone; on a kiosk nothing is offered or kept."""
    guest = screens.patient(staff.code)
    tokens = {"first-name": "given-name", "last-name": "family-name"}
    for field, token in tokens.items():
        assert guest.field(field).locator("input").get_attribute("autocomplete") == token
    kiosk = screens.kiosk()
    known = screens.clinic.admin.list_devices().devices
    device = next(one for one in known if one.name == "Tablet 1")
    staff.client.open_session("pre-registration", patient_device=device.device)
    kiosk.title("About you")
    for field in tokens:
        assert kiosk.field(field).locator("input").get_attribute("autocomplete") == "off"
