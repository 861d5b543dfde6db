"""The sheet on which persons sign in at the desk's page."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from schemas.wire.staff import StaffRole
from session_controller.settings import Settings
from tests.clients.conftest import clinic_at
from tests.conftest import StartBox
from tests.waiting import wait_until
from tests.web.conftest import Screens

PIN, WRONG = "271828", "314159"
LABEL = "Zorblatt, 10:30"


@pytest.fixture
def watched(start_box: StartBox, tmp_path: Path, browser: Browser) -> Iterator[Screens]:
    """Yield a clinic whose desks are signed out after a little more than a minute."""
    settings = Settings(staff_log_off=timedelta(seconds=63))
    with (
        start_box(tmp_path / "data", settings=settings) as box,
        clinic_at(box) as clinic,
        ExitStack() as stack,
    ):
        made = Screens(clinic, browser, stack)
        yield made
    assert made.faults == []


def sheet(page: Page) -> Page:
    """Wait for the sheet, which has no word of a patient, and no fault that axe finds."""
    page.get_by_role("heading", name="Sign in").wait_for()
    assert LABEL not in page.content()
    assert Axe().run(page).response["violations"] == []
    return page


def sign_in(page: Page, name: str, pin: str = PIN) -> None:
    """Choose a name, and type the PIN with the keyboard."""
    page.get_by_label("Your name").select_option(label=name)
    page.get_by_label("PIN", exact=True).fill(pin)
    page.keyboard.press("Enter")


def test_a_person_signs_in_and_out(screens: Screens) -> None:
    """By keyboard and by touch; a check-in that was open is shown again, and hidden again."""
    desk = screens.desk()
    page = desk.page
    desk.open("quick", LABEL)
    screens.clinic.admin.add_person("Ana Roe", (StaffRole.FRONT_DESK,), PIN)
    sheet(page)
    assert page.evaluate("document.activeElement.id") == "person"
    sign_in(page, "Ana Roe", WRONG)
    page.get_by_role("alert").get_by_text("The PIN is wrong; 4 tries are left.").wait_for()
    assert page.evaluate("document.activeElement.id") == "pin"
    assert page.get_by_label("PIN", exact=True).input_value() == ""
    pad = page.get_by_role("group", name="Digits of the PIN")
    for digit in "9" + PIN:
        pad.get_by_role("button", name=digit, exact=True).click()
        if digit == "9":
            pad.get_by_role("button", name="Delete the last digit").click()
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator(".room").get_by_text(LABEL).wait_for()
    page.get_by_text("Signed in: Ana Roe").wait_for()
    page.get_by_role("button", name="Time line").click()
    page.get_by_label("Time line").get_by_text("opened the check-in").first.wait_for()
    page.get_by_role("button", name="Sign out").click()
    sheet(page)
    page.reload()
    sheet(page)


def test_emergency_access_is_reviewed_by_a_supervisor(screens: Screens) -> None:
    """The bar says that it is one, and until when; the lobby of a supervisor shows the reason."""
    page = screens.desk().page
    screens.clinic.admin.add_person("Sue Poe", (StaffRole.SUPERVISOR,), PIN)
    sheet(page).get_by_role("button", name="Emergency access").click()
    dialog = page.get_by_role("dialog")
    begin = dialog.get_by_role("button", name="Begin emergency access")
    assert begin.get_attribute("aria-disabled") == "true"
    dialog.get_by_label("Your name").fill("Eve")
    dialog.get_by_label("Why is it needed?").fill("forgot my PIN")
    begin.click()
    page.get_by_text("Emergency access until").wait_for()
    page.get_by_role("heading", name="Check-ins").wait_for()
    page.get_by_role("button", name="Sign out").click()
    sign_in(sheet(page), "Sue Poe")
    reviews = page.get_by_role("region", name="Emergency access to review")
    reviews.get_by_text("forgot my PIN").wait_for()
    reviews.get_by_role("button", name="I have reviewed this").click()
    reviews.wait_for(state="detached")
    [access] = screens.clinic.admin.list_staff().accesses
    assert access.reviewed_by == "sue-poe"


def test_the_page_warns_a_minute_before_the_log_off(watched: Screens) -> None:
    """Who stays presses a button; who does not is signed out by the box."""
    page = watched.desk().page
    watched.clinic.admin.add_person("Ana Roe", (StaffRole.FRONT_DESK,), PIN)
    sign_in(sheet(page), "Ana Roe")
    warning = page.get_by_role("dialog", name="Are you still there?")
    warning.wait_for()
    assert Axe().run(page).response["violations"] == []
    warning.get_by_role("button", name="Stay signed in").click()
    warning.wait_for(state="detached")
    box = watched.clinic.box.box
    assert box._service is not None
    for desk in box._service.registry.desks.values():  # as if nobody had done anything for a minute
        assert desk.signed_in is not None
        object.__setattr__(desk.signed_in, "acted_s", desk.signed_in.acted_s - 63)
    page.get_by_text("Signed out, because nobody did anything here for a while.").wait_for()
    sheet(page)


def test_signing_out_without_the_box_hides_everything(screens: Screens) -> None:
    """At once; the box is told when it is back, and nothing is shown again until then."""
    cable = screens.cable()
    desk = screens.desk(url=cable.url)
    page = desk.page
    desk.open("quick", LABEL)
    screens.clinic.admin.add_person("Ana Roe", (StaffRole.FRONT_DESK,), PIN)
    sign_in(sheet(page), "Ana Roe")
    page.locator(".room").get_by_text(LABEL).wait_for()
    cable.pull()
    page.get_by_role("button", name="Sign out").click()
    sheet(page)
    page.get_by_text("The box is told as soon as it can be reached.").wait_for()
    box = screens.clinic.box.box
    assert box._service is not None
    desks = box._service.registry.desks
    assert [desk.signed_in is not None for desk in desks.values()] == [True]
    cable.plug()
    wait_until(lambda: all(desk.signed_in is None for desk in desks.values()), "it is told")
    page.get_by_text("Check-ins go on meanwhile.").wait_for()
    sheet(page)


def test_a_screen_without_the_box_signs_out_in_time(
    start_box: StartBox, tmp_path: Path, browser: Browser
) -> None:
    """Nobody is at a screen for long that nobody can tell."""
    settings = Settings(staff_log_off=timedelta(seconds=4))
    with (
        start_box(tmp_path / "data", settings=settings) as box,
        clinic_at(box) as clinic,
        ExitStack() as stack,
    ):
        made = Screens(clinic, browser, stack)
        cable = made.cable()
        page = made.desk(url=cable.url).page
        clinic.admin.add_person("Ana Roe", (StaffRole.FRONT_DESK,), PIN)
        sign_in(sheet(page), "Ana Roe")
        page.get_by_text("Signed in: Ana Roe").wait_for()
        cable.pull()
        page.get_by_text("Signed out, because nobody did anything here for a while.").wait_for()
        sheet(page)
        cable.plug()
