"""Whole sessions with both pages."""

import json
from typing import Any

from tests.web import example
from tests.web.conftest import Screens


def test_a_whole_session_with_photo_and_signature(screens: Screens, picture: Any) -> None:
    """Two people do the example from start to end; nothing leaves the box, nothing stays."""
    desk, patient = screens.pair()
    assert desk.page.locator(".facts .strong").inner_text() == (
        patient.page.locator(".check-words strong").inner_text()
    )
    example.about_you(patient)
    desk.page.locator('.mirror [data-field="first-name"] input').wait_for()
    desk.next("How we reach you")
    patient.title("How we reach you")
    example.contact(patient)
    desk.next("Your identity document")
    example.identity(patient, picture)
    desk.press("Look at it")
    desk.page.get_by_alt_text("The patient's document").wait_for()
    desk.page.locator("dialog").get_by_role("button", name="Accept").click()
    patient.page.locator(".document-state", has_text="Accepted. Thank you.").wait_for()
    desk.next("Insurance")
    example.insurance(patient, picture)
    desk.next("Your health")
    example.health(patient)
    desk.next("Your privacy")
    patient.read("privacy-notice")
    patient.choose("privacy-acknowledged", "Yes")
    desk.next("Your consent")
    example.sign(desk, patient)
    desk.next("Review")
    patient.choose("answers-correct", "Yes")
    session = desk.page.url.rpartition("=")[2]
    desk.page.wait_for_function(
        "() => !document.querySelector('.actions .primary').hasAttribute('aria-disabled')"
    )
    desk.press("Finish")
    patient.title("Thank you!")
    words = "We have received your form. Your answers are no longer on this screen."
    patient.says(words).wait_for()
    desk.page.get_by_text("The check-in is complete and submitted.").wait_for()
    answers = json.dumps(screens.clinic.admin.response(session), ensure_ascii=False)
    assert "González" in answers
    assert "Ibuprofen" in answers
    _nothing_is_left(patient.page)
    assert {one.split("/")[2] for one in screens.requests if not one.startswith("blob:")} == {
        screens.url.removeprefix("http://")
    }


def _nothing_is_left(page: Any) -> None:
    kept = page.evaluate(
        """async () => ({
          local: Object.keys(localStorage), session: Object.keys(sessionStorage),
          cookies: document.cookie, databases: (await indexedDB.databases()).length,
          url: location.href, text: document.body.innerText, state: history.state,
        })"""
    )
    assert kept["local"] == kept["session"] == []
    assert kept["cookies"] == ""
    assert kept["databases"] == 0
    assert "#" not in kept["url"]
    assert "González" not in page.content()
    page.go_back()
    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => setTimeout(drawn)))")
    assert "González" not in page.content()
