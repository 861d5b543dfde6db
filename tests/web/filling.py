"""Fills in whatever a step still misses, as a person would: through the controls of the page."""

from contextlib import suppress
from typing import Any

from playwright.sync_api import Locator, TimeoutError  # noqa: A004 - Playwright's own

from schemas.views import FacilityView
from tests.web.conftest import Patient, Screens

_ROUNDS = 12
"""Answers switch other questions on; more rounds than any form needs."""


def fill_missing(screens: Screens, patient: Patient, session: str, picture: Any) -> None:
    """Answer what the controller misses on this step until it misses nothing."""
    for _ in range(_ROUNDS):
        view = _settled(screens, patient, session)
        if not view.missing:
            return
        for field_id in view.missing:
            field = patient.page.locator(f'[data-field="{field_id}"]')
            # An answer of this round may have switched the field off: the next one will tell.
            with suppress(TimeoutError):
                if field.count():
                    _fill(field, picture, patient)
    view = _settled(screens, patient, session)
    assert view.missing == (), view.missing_reason


def _settled(screens: Screens, patient: Patient, session: str) -> FacilityView:
    patient.page.wait_for_timeout(400)
    return screens.clinic.admin.show_session(session)


def _fill(field: Locator, picture: Any, patient: Patient) -> None:
    reading = field.locator(":scope > .reading .reading-text, :scope fieldset .reading-text")
    if reading.count():
        reading.first.evaluate("box => box.scrollTo(0, box.scrollHeight)")
        patient.page.wait_for_timeout(200)
    if field.locator(":scope > .document, .document").count():
        field.locator("input[type=file]").first.set_input_files(picture)
        patient.page.get_by_role("button", name="Use this picture").click()
        field.get_by_text("Received. Thank you.").wait_for()
        return
    control = field.locator("input, select, textarea").first
    if not control.count():
        return
    kind = control.evaluate("one => one.type")
    if kind in {"radio", "checkbox"}:
        control.check()
    elif kind.startswith("select"):
        control.select_option(index=1)
    elif kind == "date":
        control.fill("1980-02-03")
    elif control.get_attribute("list"):
        first = field.locator("datalist option").first.get_attribute("value")
        control.fill(first or "x")
    else:
        control.fill(_text_for(field))


def _text_for(field: Locator) -> str:
    said = field.inner_text().lower()
    if "mail" in said:
        return "maria@example.org"
    if "zip" in said:
        return "97201"
    if any(word in said for word in ("phone", "mobile", "number", "fax")):
        return "(555) 555-0123"
    if "ssn" in said or "social security" in said:
        return "123-45-6789"
    return "12"
