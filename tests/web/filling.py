"""Fills in whatever a step still misses, as a person would: through the controls of the page."""

from contextlib import suppress
from typing import Any

from playwright.sync_api import Locator, TimeoutError  # noqa: A004 - Playwright's own

from schemas.wire.views import FacilityView
from tests.waiting import wait_until
from tests.web.conftest import Patient, Screens, type_date

_ROUNDS = 12
"""Answers switch other questions on; more rounds than any form needs."""


def fill_missing(screens: Screens, patient: Patient, session: str, picture: Any) -> None:
    """Answer what the controller misses on this step until it misses nothing."""
    view = screens.clinic.admin.show_session(session)
    for _ in range(_ROUNDS):
        if not view.missing:
            return
        filled = set()
        for field_id in view.missing:
            field = patient.page.locator(f'[data-field="{field_id}"]')
            # An answer of this round may have switched the field off: the next one will tell.
            with suppress(TimeoutError):
                if field.count() and _fill(field, picture, patient):
                    filled.add(field_id)
        view = _when_taken(screens, session, filled)
    assert view.missing == (), view.missing_reason


def _when_taken(screens: Screens, session: str, filled: set[str]) -> FacilityView:
    """Wait until the controller misses none of these fields any more."""
    views: list[FacilityView] = []

    def taken() -> bool:
        views.append(screens.clinic.admin.show_session(session))
        return filled.isdisjoint(views[-1].missing)

    wait_until(taken, "the controller takes what was filled in")
    return views[-1]


def _fill(field: Locator, picture: Any, patient: Patient) -> bool:
    """Fill a field in; return whether there was something to fill in."""
    reading = field.locator(":scope > .reading .reading-text, :scope fieldset .reading-text")
    if reading.count():
        reading.first.evaluate("box => box.scrollTo(0, box.scrollHeight)")
        field.locator(".reading progress[value='100']").first.wait_for()
    if field.locator(":scope > .document, .document").count():
        field.locator("input[type=file]").first.set_input_files(picture)
        patient.page.get_by_role("button", name="Use this picture").click()
        field.get_by_text("Received. Thank you.").wait_for()
        return True
    if field.locator(":scope > fieldset > .date-parts").count():
        type_date(field, "1980-02-03")
        return True
    control = field.locator("input, select, textarea").first
    if not control.count():
        return bool(reading.count())
    kind = control.evaluate("one => one.type")
    if kind in {"radio", "checkbox"}:
        control.check()
    elif kind.startswith("select"):
        control.select_option(index=1)
    elif control.get_attribute("list"):
        first = field.locator("datalist option").first.get_attribute("value")
        control.fill(first or "x")
    else:
        control.fill(_text_for(field))
    return True


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
