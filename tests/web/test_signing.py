"""Who signs which text, on the two pages; and for how long it was on the screen."""

import hashlib
import re
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from schemas.wire.views import FacilityView, SignatureView
from tests.web.conftest import TABLET, Desk, Patient, Screens

PHONE: ViewportSize = {"width": 390, "height": 844}
TERMS = "\n\n".join(
    f"{n}. We keep what you tell us for as long as the law says." for n in range(30)
)
CONDICIONES = "\n\n".join(f"{n}. Guardamos lo que usted nos diga." for n in range(30))


def _item(link: str, text: str, spanish: str, *extensions: dict[str, Any]) -> dict[str, Any]:
    parts = [{"url": "lang", "valueCode": "es"}, {"url": "content", "valueString": spanish}]
    url = "http://hl7.org/fhir/StructureDefinition/translation"
    translated = {"extension": [{"url": url, "extension": parts}]}
    return {
        "linkId": link,
        "type": "display",
        "text": text,
        "_text": translated,
        "extension": list(extensions),
    }


_CONSENT = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
_SIGNED = {
    "url": "http://hl7.org/fhir/StructureDefinition/questionnaire-signatureRequired",
    "valueCodeableConcept": {"coding": [{"code": "1.2.840.10065.1.12.1.7"}]},
}
FLOW: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "agreeing",
    "title": "Agreeing",
    "status": "active",
    "language": "en",
    "item": [
        {
            "linkId": "you",
            "type": "group",
            "text": "You",
            "item": [{"linkId": "full-name", "type": "string", "text": "Name"}],
        },
        {
            "linkId": "agreeing",
            "type": "group",
            "text": "Agreeing",
            "item": [
                _item("terms", TERMS, CONDICIONES, _CONSENT),
                {"linkId": "signer-name", "type": "string", "text": "Who agrees?"},
                {
                    **_item("sign", "I agree.", "Estoy de acuerdo.", _SIGNED),
                    "required": True,
                },
            ],
        },
        {"linkId": "end", "type": "display", "text": "The end"},
    ],
}


@pytest.fixture
def pair(screens: Screens) -> tuple[Desk, Patient]:
    """Return a session on the step with the signature; the step before has a name."""
    screens.clinic.admin.add_flow(FLOW)
    desk, patient = screens.pair("Agreeing")
    patient.fill("full-name", "Nobody Here")
    desk.page.locator('.mirror [data-field="full-name"] input').wait_for()
    desk.next("Agreeing")
    patient.title("Agreeing")
    return desk, patient


def shown(screens: Screens, desk: Desk) -> FacilityView:
    """Return the session as the box holds it."""
    return screens.clinic.admin.show_session(desk.page.url.rpartition("=")[2])


def sign(patient: Patient, name: str, button: str = "Sign") -> None:
    """Write the name, draw, and sign."""
    patient.page.locator("#sign-name").fill(name)
    patient.draw()
    patient.page.get_by_role("button", name=button, exact=True).click()
    patient.page.locator('.signature-state[data-status="signed"]').wait_for()


def signed(screens: Screens, desk: Desk) -> SignatureView:
    """Return the signature as the staff's view shows it."""
    return shown(screens, desk).signatures["sign"]


def test_the_text_is_signed_in_the_language_it_was_read_in(
    screens: Screens, pair: tuple[Desk, Patient]
) -> None:
    """Who reads Spanish signs the Spanish text: the hash is of that, and the box knows it."""
    desk, patient = pair
    patient.page.locator("header select").select_option(label="Español")
    desk.press("Ask to sign")
    patient.title("Firme, por favor")
    text = patient.page.locator(".signing .reading-text")
    assert "Guardamos" in text.inner_text()
    assert text.get_attribute("lang") == "es"
    sign(patient, "María González", "Firmar")
    found = signed(screens, desk)
    assert found.language == "es"
    spanish = f"{CONDICIONES}\n\nEstoy de acuerdo."
    assert found.document_sha256 == hashlib.sha256(spanish.encode()).hexdigest()
    desk.page.locator(".outcome").get_by_text("Read in: Español").wait_for()


def test_the_language_may_change_while_signing(
    screens: Screens, pair: tuple[Desk, Patient]
) -> None:
    """What counts is the text that is there when the button is pressed; what was typed stays."""
    desk, patient = pair
    desk.press("Ask to sign")
    patient.title("Please sign")
    patient.page.get_by_label("Your full name").fill("María")
    patient.page.locator("header select").select_option(label="Español")
    patient.title("Firme, por favor")
    patient.page.locator("header select").select_option(label="English")
    patient.title("Please sign")
    assert patient.page.get_by_label("Your full name").input_value() == "María"
    sign(patient, "María González")
    found = signed(screens, desk)
    assert found.language is None
    assert found.document_sha256 == hashlib.sha256(f"{TERMS}\n\nI agree.".encode()).hexdigest()


def test_somebody_signs_for_the_patient(screens: Screens, pair: tuple[Desk, Patient]) -> None:
    """What is missing is said beside it; the staff sees name and relationship."""
    desk, patient = pair
    page = patient.page
    desk.press("Ask to sign")
    patient.title("Please sign")
    submit = page.get_by_role("button", name="Sign", exact=True)
    submit.click()
    page.get_by_text("Please enter your full name.").wait_for()
    page.wait_for_function("() => document.activeElement.id === 'sign-name'")
    page.get_by_label("Your full name").fill("Ana Roe")
    page.get_by_text("Please enter your full name.").wait_for(state="detached")
    submit.click()
    page.locator(".sign-sheet .error", has_text="Please sign first.").wait_for()
    page.get_by_label("I sign for someone else").check()
    patient.draw()
    submit.click()
    page.get_by_text("Please say what your relationship to the patient is.").wait_for()
    page.get_by_label("What is your relationship to the patient?").select_option("Something else")
    page.get_by_label("in your own words").fill("Aunt")
    submit.click()
    page.locator(".signature-state", has_text="Signed. Thank you.").wait_for()
    found = signed(screens, desk)
    assert (found.printed_name, found.relationship) == ("Ana Roe", "Aunt")
    desk.page.locator(".outcome").get_by_text("Ana Roe (Aunt)").wait_for()
    assert "Ana Roe" not in page.content()


def test_a_name_is_taken_over_from_the_same_step_alone(
    screens: Screens, pair: tuple[Desk, Patient]
) -> None:
    """Who was named on this step need not write it again; the name of another step stays away."""
    desk, patient = pair
    name = patient.page.get_by_label("Your full name")
    desk.press("Ask to sign")
    patient.title("Please sign")
    assert name.input_value() == ""
    desk.press("Cancel signing")
    patient.fill("signer-name", "Ana Roe")
    desk.page.wait_for_function(
        "() => document.querySelector('.mirror [data-field=\"signer-name\"] input')?.value"
        " === 'Ana Roe'"
    )
    desk.press("Ask to sign")
    patient.title("Please sign")
    assert name.input_value() == "Ana Roe"
    assert shown(screens, desk).signature is not None


def test_a_signature_is_taken_back(screens: Screens, pair: tuple[Desk, Patient]) -> None:
    """The staff reads why; moving on waits until it is signed again."""
    desk, patient = pair
    patient.read("terms")
    desk.press("Ask to sign")
    patient.title("Please sign")
    sign(patient, "María González")
    patient.page.get_by_role("button", name="Cancel my signature").click()
    patient.page.get_by_label("Why not?").fill("I want to ask first.")
    patient.page.get_by_role("button", name="Cancel it", exact=True).click()
    patient.page.locator(".signature-state", has_text="You canceled").wait_for()
    desk.page.locator(".outcome").get_by_text("Withdrawn").wait_for()
    desk.page.locator(".outcome").get_by_text("I want to ask first.").wait_for()
    assert shown(screens, desk).missing == ("sign",)
    desk.press("Ask to sign")
    patient.title("Please sign")
    sign(patient, "María González")
    desk.next("end")


def test_the_staffs_name_is_remembered_on_that_screen(
    screens: Screens, pair: tuple[Desk, Patient]
) -> None:
    """It goes with the request, stays in this browser alone, and may be left empty."""
    desk, patient = pair
    desk.page.get_by_label("Your name (optional)").fill("Sam Poe")
    desk.page.reload()
    name = desk.page.get_by_label("Your name (optional)")
    name.wait_for()
    assert name.input_value() == "Sam Poe"
    desk.press("Ask to sign")
    patient.title("Please sign")
    sign(patient, "María González")
    assert signed(screens, desk).staff_name == "Sam Poe"
    name.fill("")
    assert "handrail.setting.staffName" not in desk.page.evaluate("Object.keys(localStorage)")
    assert (
        screens.desk(name="Second desk").page.evaluate(
            "localStorage.getItem('handrail.setting.staffName')"
        )
        is None
    )


def test_only_time_that_is_seen_counts_as_reading(screens: Screens) -> None:
    """Not what passes in another tab or below a cover; and a reload takes nothing away.

    Read from what the page sends: of seconds that its clock alone passes, the box takes no more
    than it saw itself. A busy machine adds seconds of its own: fewer than must not count.
    """
    screens.clinic.admin.add_flow(
        {**FLOW, "id": "short", "title": "Short", "item": FLOW["item"][1:]}
    )
    desk = screens.desk()
    code = desk.open("Short")
    page = screens.page(screens.context(TABLET))
    sent = _seconds_sent(page)
    page.clock.install()
    page.goto(f"{screens.url}/patient#code={code}")
    page.locator(".session .reading-text").wait_for()
    _pass_seconds(page, 31)
    assert 20 < sent[-1] < 60
    said = desk.page.get_by_text(re.compile("on screen for .*, as the patient.s screen reported"))
    for _ in range(20):
        if said.is_visible():
            break
        _pass_seconds(page, 11)
    said.wait_for()
    before = sent[-1]
    page.evaluate(
        "Object.defineProperty(document, 'visibilityState', {value: 'hidden', writable: true})"
    )
    _pass_seconds(page, 31)
    page.evaluate("document.visibilityState = 'visible'")
    desk.press("Cover")
    page.get_by_role("heading", name="One moment, please").wait_for()
    _pass_seconds(page, 31)
    desk.press("Show again")
    page.locator(".session .reading-text").wait_for()
    assert sent[-1] < before + 12
    known = (shown(screens, desk).reading_seconds or {})["terms"]
    assert known < before
    page.reload()
    page.locator(".session .reading-text").wait_for()
    _pass_seconds(page, 21)
    assert sent[-1] > known + 10


def _seconds_sent(page: Page) -> list[float]:
    """Return the reading times that a page sends, as they come."""
    sent: list[float] = []

    def read(payload: str | bytes) -> None:
        raw = payload if isinstance(payload, bytes) else payload.encode()
        if b"REPORT_READING" in raw:
            sent.extend(float(one) for one in re.findall(rb'"seconds":([\d.]+)', raw))

    page.on("websocket", lambda socket: socket.on("framesent", read))
    return sent


def _pass_seconds(page: Page, seconds: int) -> None:
    """Run the page's clock, a second at a time.

    Between two the browser renders, and tells the page what can be seen of an element.
    """
    page.mouse.move(5, 5 + seconds % 7)  # somebody is there: the page does not ask
    page.mouse.move(6, 6)
    for _ in range(seconds):
        page.clock.run_for(1_000)


def test_on_a_phone_it_begins_at_its_top_and_what_is_wrong_is_in_sight(
    pair: tuple[Desk, Patient],
) -> None:
    """Wherever the patient had scrolled to; and not below the sheet with the pad."""
    desk, patient = pair
    page = patient.page
    page.set_viewport_size(PHONE)
    patient.read("terms")
    page.evaluate("scrollTo({ top: 9_999, behavior: 'instant' })")
    desk.press("Ask to sign")
    patient.title("Please sign")
    expect(page.get_by_role("heading", level=1)).to_be_in_viewport(ratio=1)
    page.get_by_role("button", name="Sign", exact=True).click()
    name = page.get_by_label("Your full name")
    expect(name).to_be_focused()
    expect(page.locator("#name-error")).to_be_in_viewport(ratio=1)
    sheet, error = page.locator(".sign-sheet"), page.locator("#name-error")
    assert error.bounding_box()["y"] < sheet.bounding_box()["y"]
    bar = page.locator(".bar").bounding_box()
    assert name.bounding_box()["y"] >= bar["y"] + bar["height"]


def test_who_does_not_want_to_sign_sees_what_follows(pair: tuple[Desk, Patient]) -> None:
    """The reason, and the button that says it: in sight, above the sheet with the pad."""
    desk, patient = pair
    patient.page.set_viewport_size(PHONE)
    patient.read("terms")
    desk.press("Ask to sign")
    patient.page.get_by_role("button", name="I don't want to sign").click()
    confirm = patient.page.get_by_role("button", name="Do not sign", exact=True)
    expect(confirm).to_be_in_viewport(ratio=1)
    low = confirm.bounding_box()
    assert low["y"] + low["height"] <= patient.page.locator(".sign-sheet").bounding_box()["y"]
