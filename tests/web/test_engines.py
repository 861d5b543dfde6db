"""Whole sessions in the other engines: patients' tablets are iPads as often as not.

Firefox is led by Playwright as Chromium is, and does what is tested there. WebKit is led by its own
driver.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image
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
def test_a_whole_session_in_webkit(
    box: RunningBox, two: tuple[Webkit, Webkit], tmp_path: Path
) -> None:
    """Both pages do the example, with an outage, a reload, pictures and a signature."""
    desk, patient = two
    card = _card(tmp_path / "card.jpg")
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
        _first_steps(desk, patient, cable, card)
        _last_steps(desk, patient, card)
        patient.says("Thank you!")
        session = desk.driver.current_url.rpartition("=")[2]
        answers = json.dumps(clinic.admin.response(session), ensure_ascii=False)
        assert "González" in answers
        assert "Ibuprofen" in answers
        assert "1980-02-03" in answers
        assert patient.js("return Object.keys(localStorage).length") == 0


def _first_steps(desk: Webkit, patient: Webkit, cable: Cable, card: Path) -> None:
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
    _next(desk, patient, "How we reach you")
    for field, text in {
        "street": "12 Harbor Street",
        "city": "Portland",
        "zip": "97201",
        "mobile-phone": "(555) 555-0123",
        "emergency-name": "Ana González",
        "emergency-phone": "(555) 555-0124",
    }.items():
        patient.fill(field, text)
    patient.select('[data-field="state"] select', "Oregon")
    patient.choose("no-email", "I have no e-mail address")
    patient.select('[data-field="emergency-relationship"] select', "Parent")
    _next(desk, patient, "Your identity document")
    patient.choose("id-kind", "Passport")
    patient.fill("id-number", "X1234567")
    _photograph(patient, "id-front", card)
    desk.press("Review", ".actions")
    desk.press("Accept", "dialog")
    patient.says("Accepted. Thank you.")
    _next(desk, patient, "Insurance")


def _last_steps(desk: Webkit, patient: Webkit, card: Path) -> None:
    patient.choose("payment", "With insurance")
    patient.choose("payer", "Aetna")
    patient.fill("member-id", "W123456789")
    _pick_first(patient, "subscriber-relationship")
    _photograph(patient, "card-front", card)
    _photograph(patient, "card-back", card)
    _next(desk, patient, "Your health")
    patient.fill("reason", "A cough that does not go away")
    _pick_first(patient, "conditions")
    _pick_first(patient, "smoking")
    patient.choose("takes-medicines", "Yes")
    patient.fill("medicines[0].medicine-name", "Ibuprofen")
    patient.choose("has-allergies", "No")
    _next(desk, patient, "Your privacy")
    _read(patient, "privacy-notice")
    patient.choose("privacy-acknowledged", "Yes")
    _next(desk, patient, "Your consent")
    _read(patient, "consent-text")
    desk.press("Ask to sign")
    patient.says("Please sign")
    patient.type(".signing input:not([type=radio])", "María González")
    patient.draw(".pad canvas")
    patient.press("Sign", ".signing")
    patient.says("Signed. Thank you.")
    _next(desk, patient, "Review")
    patient.choose("answers-correct", "Yes")
    desk.press("Finish")


def _next(desk: Webkit, patient: Webkit, title: str) -> None:
    """Go to the next step as soon as nothing is missing."""
    desk.press("Next", ".actions")
    patient.found(
        "return document.querySelector('h1')?.innerText === arguments[0]", title, what=title
    )


def _photograph(patient: Webkit, field: str, card: Path) -> None:
    patient.attach(field, card)
    patient.press("Use this picture")
    patient.found(
        "return document.querySelector(`[data-field='${arguments[0]}']`)?.innerText"
        ".includes('Received. Thank you.')",
        field,
        what=f"{field} is received",
    )


def _pick_first(patient: Webkit, field: str) -> None:
    css = f'[data-field="{field}"]'
    patient.element(f"{css} :is(select, input)")
    first = f"return document.querySelector('{css} select')?.options[1].label"
    option = patient.js(first)
    if option:
        patient.select(f"{css} select", option)
    else:
        name = f"return document.querySelector('{css} input').labels[0].innerText.trim()"
        patient.choose(field, patient.js(name))


def _read(patient: Webkit, field: str) -> None:
    css = f'[data-field="{field}"] .reading-text'
    patient.js("arguments[0].scrollTo(0, arguments[0].scrollHeight)", patient.element(css))
    patient.says("Read to the end")


def _card(path: Path) -> Path:
    Image.effect_noise((1600, 1000), 60).convert("RGB").save(path, "JPEG")
    return path
