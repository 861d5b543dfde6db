"""Signing in at the desk's page with an OpenID Connect provider, from the button to the desk."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from schemas.wire.staff import StaffRole
from session_controller.integrity.data_folder import told_entries
from session_controller.storage.entities import ALL_ENTRIES
from tests.clients.conftest import clinic_at
from tests.conftest import StartBox
from tests.openid.provider import SECRET, SUBJECT, FakeProvider, fake_provider, secret_file
from tests.web.conftest import Screens

PIN = "271828"
LABEL = "Zorblatt, 10:30"


@pytest.fixture
def fake() -> Iterator[FakeProvider]:
    """Yield a provider."""
    with fake_provider() as provider:
        yield provider


@pytest.fixture
def screens(
    start_box: StartBox, tmp_path: Path, browser: Browser, fake: FakeProvider
) -> Iterator[Screens]:
    """Yield a clinic with the provider, and a person without a linked account."""
    openid = fake.settings(secret_file=secret_file(tmp_path))
    with (
        start_box(tmp_path / "data", openid=openid) as box,
        clinic_at(box) as clinic,
        ExitStack() as stack,
    ):
        made = Screens(clinic, browser, stack)
        yield made
    assert made.faults == []


def sheet(page: Page) -> Page:
    """Wait for the sheet, which has no word of a patient, and no fault that axe finds."""
    page.get_by_role("heading", name="Sign in").wait_for()
    page.get_by_role("button", name="Sign in with Clinic ID").wait_for()
    assert LABEL not in page.content()
    assert Axe().run(page).response["violations"] == []
    return page


def go(page: Page, link: str = "Continue") -> None:
    """Go to the provider, and back from there."""
    sheet(page).get_by_role("button", name="Sign in with Clinic ID").click()
    page.wait_for_url("**/authorize?*")
    page.get_by_role("link", name=link).click()


def test_a_person_signs_in_with_the_provider(
    screens: Screens, fake: FakeProvider, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The desk opens; neither address nor history nor storage of the browser has a code."""
    caplog.set_level(logging.DEBUG)
    desk = screens.desk()
    page = desk.page
    desk.open("quick", LABEL)
    page.get_by_role("button", name="All check-ins").click()
    screens.clinic.admin.add_person("Ana Roe", (StaffRole.FRONT_DESK,), PIN)
    screens.clinic.admin.link_person("ana-roe", SUBJECT)
    go(page)
    page.get_by_text("Signed in: Ana Roe").wait_for()
    page.get_by_text(LABEL).wait_for()
    assert page.url == f"{screens.url}/facility"
    page.reload()
    page.get_by_text("Signed in: Ana Roe").wait_for()
    kept = page.evaluate(
        "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, "
        "performance.getEntriesByType('navigation').map(entry => entry.name)])"
    )
    page.get_by_role("button", name="Sign out").click()
    sheet(page)
    page.go_back()
    page.wait_for_url("**/authorize?*")
    page.go_forward()
    sheet(page)
    assert "?" not in page.url
    stored = b"".join(
        file.read_bytes() for file in (tmp_path / "data").rglob("*") if file.is_file()
    )
    assert len(fake.told) > 5
    for secret in {*filter(None, fake.told), SECRET}:
        assert secret not in kept
        assert secret not in caplog.text
        assert secret.encode() not in stored
    entries = told_entries(tmp_path / "data", ALL_ENTRIES)
    [signed_in] = [entry for entry in entries if entry["what"] == "PersonSignedIn"]
    assert signed_in["about"] == {"subject": "ana-roe", "by": "provider"}


def test_a_refusal_says_what_to_do_and_the_pin_works(screens: Screens, fake: FakeProvider) -> None:
    """Who is not linked is told what facility IT types; a reload does not send the code again."""
    page = screens.desk().page
    screens.clinic.admin.add_person("Ana Roe", (StaffRole.FRONT_DESK,), PIN)
    go(page)
    command = f"handrail staff link PERSON --account {SUBJECT}"
    page.get_by_role("alert").get_by_text(command).wait_for()
    assert "?" not in page.url
    sheet(page)
    exchanged = fake.requests.count("/token")
    page.reload()
    sheet(page)
    assert page.get_by_text(command).count() == 0
    go(page, "Refuse")
    page.get_by_role("alert").get_by_text("Clinic ID did not sign you in.").wait_for()
    assert fake.requests.count("/token") == exchanged
    page.get_by_label("Your name").select_option(label="Ana Roe")
    page.get_by_label("PIN", exact=True).fill(PIN)
    page.keyboard.press("Enter")
    page.get_by_text("Signed in: Ana Roe").wait_for()


def test_a_code_that_somebody_else_brings_is_refused(screens: Screens) -> None:
    """A link that an attacker makes signs nobody in, and stays in no address."""
    page = screens.desk().page
    screens.clinic.admin.add_person("Ana Roe", (StaffRole.FRONT_DESK,), PIN)
    sheet(page)
    page.goto(f"{screens.url}/facility?code=of-eve&state=guessed#x=1")
    page.get_by_role("alert").get_by_text("began at another screen").wait_for()
    assert page.url == f"{screens.url}/facility#x=1"
    page.goto(f"{screens.url}/facility?code=of-eve")
    sheet(page)
    assert page.url == f"{screens.url}/facility"


def test_without_the_provider_the_pin_is_there(
    start_box: StartBox, tmp_path: Path, browser: Browser
) -> None:
    """The button says that the provider cannot be reached; nobody leaves the page."""
    with fake_provider() as fake:
        openid = fake.settings()
    with (
        start_box(tmp_path / "data", openid=openid) as box,
        clinic_at(box) as clinic,
        ExitStack() as stack,
    ):
        made = Screens(clinic, browser, stack)
        page = made.desk().page
        clinic.admin.add_person("Ana Roe", (StaffRole.FRONT_DESK,), PIN)
        sheet(page).get_by_role("button", name="Sign in with Clinic ID").click()
        said = "The box cannot reach Clinic ID. Use your PIN."
        page.get_by_role("alert").get_by_text(said).wait_for()
        sheet(page)
    assert made.faults == []
    assert json.dumps(made.requests).count("/authorize") == 0
