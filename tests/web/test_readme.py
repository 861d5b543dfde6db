"""A person gets from the README's 'A box of your own' to a completed check-in."""

import json
import re
import shlex
import subprocess
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests.cli.conftest import PROGRAM, Serving
from tests.conftest import ROOT
from tests.web.conftest import DESKTOP, PATIENCE_MS, TABLET, Desk, Patient

README = (ROOT / "README.md").read_text()
SECTION = README[README.index("## A box of your own") :].partition("\n## ")[0]
SHOWN = "http://127.0.0.1:8080"


def test_a_box_of_your_own_as_a_person_sets_it_up(tmp_path: Path, browser: Browser) -> None:
    """The commands as printed, the pages as named, and a check-in from start to end."""
    with Serving(tmp_path / "data") as serving:
        found = re.search(r"http://[\d.]+:\d+", serving.ready)
        assert found
        enrol = re.findall(r"^\./run (handrail device enrol .+)$", SECTION, re.MULTILINE)
        desk_code, kiosk_code = (_code(command, tmp_path) for command in enrol)
        desk_url, kiosk_url = re.findall(rf"`({SHOWN}/\w+)`", SECTION)
        desk = Desk(_page(browser, desk_url.replace(SHOWN, found[0]), DESKTOP), "front-desk")
        desk.page.get_by_label("Enter the code").fill(desk_code)
        desk.page.get_by_role("button", name="Enrol this screen").click()
        kiosk = Patient(_page(browser, kiosk_url.replace(SHOWN, found[0]), TABLET))
        kiosk.page.get_by_label("Enter the code").fill(kiosk_code)
        kiosk.page.get_by_role("button", name="Continue").click()
        kiosk.title("This screen is ready")
        desk.page.get_by_role("heading", name="Check-ins").wait_for()
        desk.open("Quick check-in", label="First try", kiosk="Kiosk 1")
        check_in(desk, kiosk)
        assert serving.end() == 0


def check_in(desk: Desk, patient: Patient) -> None:
    """Go through the form *Quick check-in*."""
    patient.fill("last-name", "Roe")
    patient.date("birth-date", "1961-04-17")
    desk.next("Since your last visit")
    patient.choose("anything-changed", "No")
    desk.next("Consent")
    patient.read("treatment-consent")
    desk.press("Ask to sign")
    patient.title("Please sign")
    patient.page.get_by_label("Your full name").fill("Ana Roe")
    patient.draw()
    patient.page.get_by_role("button", name="Sign", exact=True).click()
    patient.page.locator(".signature-state", has_text="Signed. Thank you.").wait_for()
    desk.page.wait_for_function(
        "() => !document.querySelector('.actions .primary').hasAttribute('aria-disabled')"
    )
    desk.press("Finish")
    patient.title("Thank you!")


def _code(command: str, folder: Path) -> str:
    arguments = [*PROGRAM, *shlex.split(command)[1:], "--json"]
    ran = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=True)
    return str(json.loads(ran.stdout)["code"])


def _page(browser: Browser, url: str, size: dict[str, int]) -> Page:
    page = browser.new_context(viewport=size).new_page()  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE_MS)
    page.goto(url)
    return page
