"""Whole sessions in the other engines: patients' tablets are iPads as often as not.

Firefox is led by Playwright as Chromium is, and does what is tested there. WebKit is led by its own
driver.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from schemas.base import Role
from tests.clients.conftest import clinic_at
from tests.conftest import RunningBox
from tests.machine import find
from tests.web import webkit
from tests.web.conftest import PAGES_MISSING, missing, pages_are_built
from tests.web.proxy import Cable, cable_to
from tests.web.test_behaviour import (
    test_a_reload_while_unplugged_loses_nothing,
    test_signing_locks_the_page,
    test_unplugged_and_back,
)
from tests.web.test_session import test_a_whole_session_with_photo_and_signature
from tests.web.webkit import Webkit

__all__ = [
    "test_a_reload_while_unplugged_loses_nothing",
    "test_a_whole_session_with_photo_and_signature",
    "test_signing_locks_the_page",
    "test_unplugged_and_back",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a headless Firefox of the machine, over WebDriver BiDi."""
    program = find("firefox-esr") or find("firefox")
    if program is None:
        missing("no Firefox on this machine; on Debian: apt-get install firefox-esr")
    if not pages_are_built():
        missing(PAGES_MISSING)
    with sync_playwright() as playwright:
        opened = playwright.firefox.launch(executable_path=program, channel="moz-firefox")
        yield opened
        opened.close()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Webkit, Webkit]]:
    """Yield two browsers with WebKit."""
    if lacks := webkit.missing():
        missing(lacks)
    if not pages_are_built():
        missing(PAGES_MISSING)
    with ExitStack() as stack:
        made = [
            stack.enter_context(webkit.webkit(tmp_path / f"{name}.log"))
            for name in ("desk", "patient")
        ]
        yield made[0], made[1]


@pytest.mark.timeout(300)
def test_a_step_in_webkit(box: RunningBox, two: tuple[Webkit, Webkit]) -> None:
    """Both pages pair, and the first step is filled in, with an outage and a reload."""
    desk, patient = two
    with clinic_at(box) as clinic, ExitStack() as stack:
        cable = cable_to(box.http, stack)
        enrolled = clinic.admin.enrol_device("Desk", Role.FACILITY, by="code")
        desk.open(f"{box.http}/facility")
        desk.type("input", enrolled.code or "")
        desk.press("Enrol this screen")
        desk.press("New check-in")
        desk.select("dialog select", "Patient pre-registration")
        desk.press("Start", "dialog")
        code = desk.element(".big-code").text
        patient.open(f"{cable.url}/patient#code={code}")
        patient.element(".session")
        _first_step(patient, cable)
        seen = "return document.querySelector(`.mirror [data-field='last-name'] input`)?.value"
        desk.found(f"{seen} === 'González'", what="the answer in the mirror")


def _first_step(patient: Webkit, cable: Cable) -> None:
    shown = "return [...document.querySelectorAll('[data-part]')].map((one) => one.value).join('')"
    assert patient.js(shown) == "", "an empty date shows one"
    patient.fill("first-name", "María")
    patient.date("birth-date", "1980-02-03")
    cable.pull()
    patient.says("Connection lost")
    patient.fill("last-name", "González")
    patient.says("to be sent")
    cable.plug()
    patient.driver.refresh()
    patient.element(".session")
    value = "return document.querySelector(`[data-field='${arguments[0]}'] input`)?.value"
    patient.found(f"{value} === 'González'", "last-name", what="what was typed while unplugged")
    assert patient.js(value, "first-name") == "María"
    patient.choose("sex", "Female")
    patient.choose("language", "Spanish")
    patient.fill("social-security-number", "123-45-6789")
