"""Every screen, looked at: by axe always, and by people in `docs/screens` (`./run screens`)."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Page

from schemas.wire.staff import StaffRole
from tests.web import example, test_desk, test_fields, test_sign_in
from tests.web.conftest import DESKTOP, TABLET, Screens

PHONE = {"width": 390, "height": 844}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


_NOTHING_MOVES = """() => new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)))
  .then(() => document.getAnimations().every(one => one.playState !== "running"))"""
"""All that is known is drawn, and every transition and animation has ended."""

_CALM = "reduce"
"""A page that scrolls smoothly is in no picture as it was at any time."""

_POINTED = """() => {
  const { x, y } = document.querySelector("[data-highlight] .flag")?.getBoundingClientRect() ?? {};
  return y > 0 && document.elementFromPoint(x + 9, y + 9)?.closest("[data-highlight]");
}"""
"""What the staff point to is in sight, with its flag, and the bar is not over it."""


@dataclass
class Looker:
    """Checks a screen with axe, and takes its picture where pictures are wanted."""

    folder: Path | None
    found: list[str] = field(default_factory=list)

    def at(self, page: Page, name: str) -> None:
        """Look at a screen as it is now."""
        page.wait_for_function(_NOTHING_MOVES)
        if self.folder is not None:
            size = page.viewport_size or TABLET
            kind = {TABLET["width"]: "tablet", PHONE["width"]: "phone"}.get(
                size["width"], "desktop"
            )
            _keep(page.screenshot(), self.folder / f"{name}-{kind}.png")
        found = Axe().run(page, options=RULES)
        self.found += [
            f"{name}: {one['id']}: {one['help']}: {one['nodes'][0]['html'][:160]}"
            for one in found.response["violations"]
        ]


def _keep(picture: bytes, path: Path) -> None:
    """Write a picture with so many colours as are told apart: a third of the bytes."""
    drawn = Image.open(BytesIO(picture)).convert("RGB")
    drawn.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        path, optimize=True
    )


@pytest.fixture
def look() -> Iterator[Looker]:
    """Yield a checker of screens, which must find nothing; its pictures go to HANDRAIL_SCREENS."""
    named = os.environ.get("HANDRAIL_SCREENS")
    folder = Path(named) if named else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    looker = Looker(folder)
    yield looker
    assert looker.found == [], "\n".join(looker.found)


def test_screens_of_a_session(  # noqa: PLR0915 - a walk past every screen
    screens: Screens, look: Looker, picture: Any
) -> None:
    """Axe finds nothing on any screen of a session, on either side."""
    desk = screens.desk(name="Front desk")
    look.at(desk.page, "desk-lobby-empty")
    desk.page.get_by_role("button", name="New check-in").click()
    look.at(desk.page, "desk-new")
    desk.page.get_by_role("button", name="Close").click()
    code = desk.open("Patient pre-registration")
    look.at(desk.page, "desk-code")
    patient = screens.patient(code, reduced_motion=_CALM)
    look.at(patient.page, "patient-step")
    example.about_you(patient)
    patient.fill("social-security-number", "12")
    patient.field("social-security-number").locator("input").blur()
    patient.field("social-security-number").locator(".error").wait_for()
    desk.point("birth-date")
    patient.page.wait_for_function(_POINTED)
    look.at(patient.page, "patient-highlight")
    look.at(desk.page, "desk-session")
    desk.press("Ask for a correction")
    desk.page.get_by_label("What is to be corrected?").fill("The year does not match your card.")
    desk.press("Send to the patient")
    patient.page.locator(".field .error", has_text="Please change this").wait_for()
    patient.fill("social-security-number", "123-45-6789")
    patient.date("birth-date", "1981-02-03")
    patient.page.get_by_role("button", name="Ask for help").click()
    desk.page.get_by_text("The patient asks for help.").wait_for()
    look.at(desk.page, "desk-help")
    desk.page.get_by_role("button", name="Done").click()
    desk.next("How we reach you")
    example.contact(patient)
    look.at(patient.page, "patient-contact")
    desk.next("Your identity document")
    patient.choose("id-kind", "Passport")
    patient.fill("id-number", "X1234567")
    patient.field("id-front").locator("input[type=file]").first.set_input_files(picture)
    patient.page.get_by_role("button", name="Crop").click()
    look.at(patient.page, "patient-photo")
    patient.page.get_by_role("button", name="Use this picture").click()
    patient.field("id-front").get_by_text("Received. Thank you.").wait_for()
    look.at(patient.page, "patient-document")
    desk.press("Look at it")
    desk.page.get_by_alt_text("The patient's document").wait_for()
    look.at(desk.page, "desk-review")
    desk.page.locator("dialog").get_by_role("button", name="Accept").click()
    desk.page.locator(".document-line .accepted").wait_for()
    desk.next("Insurance")
    example.insurance(patient, picture)
    look.at(patient.page, "patient-insurance")
    desk.next("Your health")
    example.health(patient)
    patient.page.get_by_role("button", name="Add another").click()
    patient.field("medicines[0].medicine-name").scroll_into_view_if_needed()
    look.at(patient.page, "patient-repeating")
    look.at(desk.page, "desk-repeating")
    desk.next("Your privacy")
    look.at(patient.page, "patient-reading")
    patient.read("privacy-notice")
    patient.choose("privacy-acknowledged", "Yes")
    desk.next("Your consent")
    patient.read("consent-text")
    desk.page.get_by_label("Your name (optional)").fill("Sam Poe")
    desk.press("Ask to sign")
    patient.title("Please sign")
    patient.page.get_by_role("button", name="Sign", exact=True).click()
    look.at(patient.page, "patient-signing-faults")
    patient.page.get_by_label("Your full name").fill("María González")
    patient.draw()
    look.at(patient.page, "patient-signing")
    look.at(desk.page, "desk-signing")
    patient.page.set_viewport_size(PHONE)
    look.at(patient.page, "patient-signing")
    patient.page.set_viewport_size(TABLET)
    patient.page.get_by_role("button", name="Type your name instead").click()
    patient.page.get_by_label("I sign for someone else").check()
    patient.page.get_by_label("What is your relationship to the patient?").select_option("Parent")
    look.at(patient.page, "patient-typed-name")
    patient.page.get_by_role("button", name="Sign", exact=True).click()
    patient.page.locator(".signature-state", has_text="Signed. Thank you.").wait_for()
    patient.page.get_by_role("button", name="Cancel my signature").click()
    look.at(patient.page, "patient-signed")
    desk.page.locator(".outcome").get_by_text("María González").wait_for()
    look.at(desk.page, "desk-signed")
    desk.page.get_by_role("button", name="Time line").click()
    desk.page.get_by_role("slider").fill("12")
    desk.page.get_by_text("as it was at").wait_for()
    look.at(desk.page, "desk-time-line")
    desk.page.locator(".actions").get_by_role("button", name="Back to now").click()
    desk.page.get_by_role("button", name="Close the time line").click()
    desk.press("Cover")
    patient.title("One moment, please")
    look.at(patient.page, "patient-covered")
    look.at(desk.page, "desk-covered")
    desk.press("Show again")
    desk.next("Review")
    patient.choose("answers-correct", "Yes")
    desk.page.wait_for_function(
        "() => !document.querySelector('.actions .primary').hasAttribute('aria-disabled')"
    )
    desk.press("Finish")
    patient.title("Thank you!")
    look.at(patient.page, "patient-thanks")
    look.at(desk.page, "desk-complete")
    desk.page.keyboard.press("?")
    look.at(desk.page, "desk-shortcuts")


def test_screens_before_a_session(screens: Screens, look: Looker) -> None:
    """Axe finds nothing on the screens where nothing has begun, nor in a full lobby."""
    start = screens.page(screens.context(DESKTOP))
    start.goto(screens.url)
    look.at(start, "start")
    pairing = screens.page(screens.context(TABLET))
    pairing.goto(f"{screens.url}/patient")
    pairing.get_by_label("Enter the code").fill("BBBBBBBB")
    pairing.get_by_role("button", name="Continue").click()
    pairing.get_by_text("This code does not work").wait_for()
    look.at(pairing, "patient-pairing")
    enrol = screens.page(screens.context(DESKTOP))
    enrol.goto(f"{screens.url}/facility")
    enrol.get_by_role("button", name="Enrol this screen").wait_for()
    look.at(enrol, "desk-enrol")
    kiosk = screens.kiosk("Tablet by the window")
    look.at(kiosk.page, "patient-kiosk")
    desk = screens.desk(name="Front desk")
    desk.open("Patient pre-registration", "Maria G., 10:30", kiosk="Tablet by the window")
    kiosk.title("About you")
    kiosk.page.get_by_role("button", name="Ask for help").click()
    desk.page.get_by_text("The patient asks for help.").wait_for()
    codes = []
    for label in (
        "K. Oyelaran, 10:15",
        "J. Smith, 10:45",
        "Wolfeschlegelsteinhausenbergerdorff, who comes with her daughter and an interpreter",
        "محمد عبد الله",
    ):
        desk.page.get_by_role("button", name="All check-ins", exact=True).click()
        codes.append(desk.open("Patient pre-registration", label))
    screens.patient(codes[1])
    desk.page.get_by_role("button", name="All check-ins", exact=True).click()
    desk.page.locator(".row").get_by_text("K. Oyelaran").click()
    desk.page.locator(".room").wait_for()
    desk.cancel("Came twice.")
    desk.page.get_by_role("button", name="All check-ins", exact=True).click()
    for part in ("Needs you", "Filling in", "Waiting to be picked up", "Done today"):
        desk.page.locator(".queue-parts h2", has_text=part).wait_for()
    look.at(desk.page, "desk-lobby")
    desk.page.set_viewport_size(TABLET)
    look.at(desk.page, "desk-lobby")
    desk.page.locator(".row").get_by_text("Maria G.").click()
    desk.page.locator(".room").wait_for()
    look.at(desk.page, "desk-session")
    kiosk.page.set_viewport_size(PHONE)
    look.at(kiosk.page, "patient-step")
    desk.page.set_viewport_size(PHONE)
    look.at(desk.page, "desk-session")


def test_screens_of_what_happens(screens: Screens, look: Looker) -> None:
    """Axe finds nothing where somebody waits, is gone or comes, in light and dark."""
    cable = screens.cable()
    desk = screens.desk(name="Front desk")
    code = desk.open("Patient pre-registration")
    patient = screens.patient(code, url=cable.url, reduced_motion=_CALM)
    page = patient.page
    page.clock.install()
    example.about_you(patient)
    patient.page.locator(".done button").click()
    patient.page.locator(".done .ready").wait_for()
    desk.page.locator(".missing.none").wait_for()
    look.at(page, "patient-ready")
    look.at(desk.page, "desk-ready")
    page.get_by_role("button", name="Ask for help").click()
    desk.page.get_by_role("button", name="coming").click()
    page.locator(".banner[data-help=coming]").wait_for()
    look.at(page, "patient-help-coming")
    desk.page.get_by_role("button", name="Done", exact=True).click()
    page.locator(".banner").wait_for(state="detached")
    page.emulate_media(color_scheme="dark")
    desk.page.emulate_media(color_scheme="dark")
    desk.point("birth-date")
    page.locator("[data-highlight]").wait_for()
    look.at(page, "patient-dark")
    look.at(desk.page, "desk-dark")
    page.emulate_media(color_scheme="light")
    desk.page.emulate_media(color_scheme="light")
    desk.press("Pause")
    patient.title("We have paused")
    look.at(page, "patient-paused")
    look.at(desk.page, "desk-paused")
    desk.press("Resume")
    patient.title("About you")
    page.clock.fast_forward(121_000)
    patient.title("Are you still there?")
    look.at(page, "patient-idle")
    page.get_by_role("button", name="Go on").click()
    cable.pull()
    page.clock.fast_forward(1_000)
    page.locator(".banner.warn").wait_for()
    patient.fill("middle-name", "Isabel")
    look.at(page, "patient-lost")
    desk.page.locator(".mirror-bar .dot.off").wait_for()
    look.at(desk.page, "desk-patient-lost")


def test_screens_of_a_pdf_and_of_persons(screens: Screens, look: Looker) -> None:
    """Axe finds nothing where a PDF is reviewed, nor where persons sign in."""
    screens.clinic.admin.add_flow(test_desk.CARD)
    desk, patient = screens.pair("A card")
    chosen = {"name": "card.pdf", "mimeType": "application/pdf", "buffer": test_desk.small_pdf()}
    patient.field("card").locator("input[type=file]").last.set_input_files(chosen)
    desk.press("Look at it")
    desk.page.locator(".pdf-page[data-drawn]").first.wait_for()
    look.at(desk.page, "desk-pdf")
    desk.page.get_by_role("button", name="Close").click()
    screens.clinic.admin.add_person("Ana Roe", (StaffRole.FRONT_DESK,), test_sign_in.PIN)
    desk.page.get_by_role("heading", name="Sign in").wait_for()
    look.at(desk.page, "desk-sign-in")
    desk.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    look.at(desk.page, "desk-sign-in")


def test_fields_and_what_is_said_of_them(screens: Screens, look: Looker) -> None:
    """Axe finds nothing where answers are said back, and where something is wrong with them."""
    desk, patient = test_fields.begin(screens, "Español")
    patient.date("born", "1980-01-31")
    patient.date("since", "2099-02-31")
    patient.date("seen", "2026-11-22")
    patient.fill("income", "12.000")
    patient.fill("dose", "1,500")
    test_fields.leave(patient)
    patient.field("dose").locator(".error").wait_for()
    look.at(patient.page, "patient-fields")
    desk.page.locator('.mirror [data-field="since"] .error').wait_for()
    look.at(desk.page, "desk-fields")
    patient.page.set_viewport_size(PHONE)
    look.at(patient.page, "patient-fields")
