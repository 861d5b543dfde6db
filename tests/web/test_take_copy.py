"""A copy to take along: a file on the patient's own phone, or a QR code on the clinic's tablet."""

import io
import logging
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pypdf
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from session_controller.integrity.data_folder import told_entries
from session_controller.settings import Settings
from session_controller.storage.entities import ALL_ENTRIES
from tests.clients.conftest import clinic_at
from tests.conftest import StartBox
from tests.web.conftest import TABLET, Desk, Patient, Screens

NAME = "Zyxquatermass"
PHONE = {"width": 390, "height": 844}
_SETTING_MS = 60_000
"""The first record that a box sets loads what sets it; a busy machine takes long for it."""
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


def _finish(desk: Desk, patient: Patient) -> None:
    patient.fill("name", NAME)
    desk.next("End")
    desk.press("Finish")
    desk.page.get_by_text("The check-in is complete and submitted.").wait_for()


def _saved(page: Page, button: str) -> bytes:
    """Press a button, and return the file that the browser saves."""
    with page.expect_download(timeout=_SETTING_MS) as download:
        page.get_by_role("button", name=button).click()
    assert download.value.suggested_filename == "check-in.pdf"
    return Path(download.value.path()).read_bytes()


def _is_the_record(pdf: bytes) -> None:
    assert pdf.startswith(b"%PDF-")
    text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)
    assert NAME in text


def _axe_finds_nothing(page: Page) -> None:
    found = Axe().run(page, options=_RULES).response["violations"]
    assert [one["id"] for one in found] == []


def _offers_nothing(screens: Screens, page: Page) -> None:
    """See that not even the part of the page is loaded that offers a copy."""
    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)))")
    assert page.locator(".copy").count() == 0
    assert not any("take-copy" in request for request in screens.requests)


def _log(screens: Screens, what: str) -> list[dict[str, Any]]:
    data = screens.clinic.box.data
    return [entry for entry in told_entries(data, ALL_ENTRIES) if entry["what"] == what]


def test_on_their_own_phone_patients_save_the_record(screens: Screens) -> None:
    """Once it is submitted; as often as they like, and the box hands it out once."""
    desk, phone = screens.pair("quick", size=PHONE)
    assert phone.page.get_by_role("button", name="Save a copy").count() == 0
    _finish(desk, phone)
    phone.title("Thank you!")
    _is_the_record(_saved(phone.page, "Save a copy"))
    phone.says("Your copy is ready.").wait_for()
    _axe_finds_nothing(phone.page)
    _is_the_record(_saved(phone.page, "Save it again"))
    assert NAME not in phone.page.content()
    (created,), (taken,) = _log(screens, "CopyLinkCreated"), _log(screens, "CopyTaken")
    assert created["device"] == taken["device"]
    assert taken["device"].startswith("guest-")


def test_a_tablet_shows_a_code_that_works_once_on_a_phone(
    screens: Screens, caplog: pytest.LogCaptureFixture
) -> None:
    """What scans it opens a small page; a preview or a second phone does no harm."""
    caplog.set_level(logging.DEBUG)
    kiosk, desk = screens.kiosk("Tablet 1"), screens.desk()
    desk.open("quick", kiosk="Tablet 1")
    kiosk.title("You")
    _finish(desk, kiosk)
    kiosk.page.get_by_role("button", name="Take a copy with you").click()
    kiosk.page.get_by_role("img", name="QR code with the link to your copy").wait_for()
    expect(kiosk.page.get_by_role("heading", name="Scan this with your phone")).to_be_focused()
    kiosk.says("The link works one time, for 10 minutes.").wait_for()
    _axe_finds_nothing(kiosk.page)
    link = kiosk.page.locator(".address").inner_text()
    address, _, token = link.partition("#")
    assert address == f"{screens.url}/copy"

    preview, phone = (screens.page(screens.context(PHONE)) for _ in range(2))
    preview.goto(link)
    preview.get_by_role("heading", name="A copy of your form").wait_for()
    phone.goto(link)
    _axe_finds_nothing(phone)
    _is_the_record(_saved(phone, "Save a copy"))
    phone.get_by_text("Your copy is ready.").wait_for()
    assert phone.evaluate("location.hash") == ""
    _is_the_record(_saved(phone, "Save it again"))
    with preview.expect_console_message(lambda said: "410" in said.text):
        preview.get_by_role("button", name="Save a copy").click()
    preview.get_by_text("Please ask our staff for a copy.").wait_for()
    _axe_finds_nothing(preview)
    screens.faults[:] = [one for one in screens.faults if "410" not in one]

    desk.press("New check-in on Tablet 1")
    desk.page.get_by_role("dialog").get_by_role("button", name="Start").click()
    kiosk.title("You")
    assert kiosk.page.locator(".copy").count() == 0
    assert token not in kiosk.page.content()
    assert "copy for the patient taken" in caplog.text
    assert token not in caplog.text
    assert not any(token in request.partition("#")[0] for request in screens.requests)


def test_it_is_said_in_the_language_that_the_patient_chose(screens: Screens) -> None:
    """To the end of the thank-you; the next patient begins in the screen's own."""
    kiosk, desk = screens.kiosk("Tablet 1"), screens.desk()
    desk.open("quick", kiosk="Tablet 1")
    kiosk.title("You")
    kiosk.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    _finish(desk, kiosk)
    kiosk.title("¡Gracias!")
    kiosk.page.get_by_role("button", name="Llevarse una copia").click()
    kiosk.page.get_by_role("heading", name="Escanee esto con su teléfono").wait_for()
    link = kiosk.page.locator(".address").inner_text()
    phone = screens.page(screens.context(PHONE, locale="es-MX"))
    phone.goto(link)
    phone.get_by_role("heading", name="Una copia de su formulario").wait_for()
    assert phone.locator("html").get_attribute("lang") == "es"
    _is_the_record(_saved(phone, "Guardar una copia"))
    desk.press("New check-in on Tablet 1")
    desk.page.get_by_role("dialog").get_by_role("button", name="Start").click()
    kiosk.title("You")
    kiosk.page.get_by_role("button", name="Ask for help").wait_for()


def test_a_phone_that_cannot_reach_the_box_says_so(screens: Screens) -> None:
    """And the link works once it can."""
    cable = screens.cable()
    kiosk, desk = screens.kiosk("Tablet 1", url=cable.url), screens.desk()
    desk.open("quick", kiosk="Tablet 1")
    kiosk.title("You")
    _finish(desk, kiosk)
    kiosk.page.get_by_role("button", name="Take a copy with you").click()
    phone = screens.page(screens.context(PHONE))
    phone.goto(kiosk.page.locator(".address").inner_text())
    phone.get_by_role("button", name="Save a copy").wait_for()
    cable.pull()
    phone.get_by_role("button", name="Save a copy").click()
    phone.get_by_text("Check that your phone is on the clinic's Wi-Fi").wait_for()
    cable.plug()
    _is_the_record(_saved(phone, "Save a copy"))


def test_a_covered_screen_offers_nothing(screens: Screens) -> None:
    """Staff hid it: somebody else may stand there."""
    kiosk, desk = screens.kiosk("Tablet 1"), screens.desk()
    desk.open("quick", kiosk="Tablet 1")
    kiosk.title("You")
    kiosk.fill("name", NAME)
    desk.next("End")
    desk.press("Cover")
    kiosk.title("One moment, please")
    desk.press("Finish")
    kiosk.title("Thank you!")
    desk.page.get_by_text("The check-in is complete and submitted.").wait_for()
    _offers_nothing(screens, kiosk.page)


def test_where_a_site_wants_none_none_is_offered(
    start_box: StartBox, tmp_path: Path, browser: Any
) -> None:
    """The thank-you is as it was."""
    settings = Settings(patient_copies=False)
    with (
        start_box(tmp_path / "data", settings=settings) as box,
        clinic_at(box) as clinic,
        ExitStack() as stack,
    ):
        screens = Screens(clinic, browser, stack)
        desk, phone = screens.pair("quick", size=TABLET)
        _finish(desk, phone)
        phone.title("Thank you!")
        _offers_nothing(screens, phone.page)
        assert _log(screens, "CopyLinkCreated") == []
        assert screens.faults == []
