"""A document on the patient's page: seen again after it was sent, kept over a reload, sent back."""

from typing import Any

import pytest
from playwright.sync_api import expect

from schemas.wire.commands import DocumentFault
from tests.web.conftest import Screens
from tests.web.test_ready_and_help import Staff

_FIELD = "card-front"

FORM: dict[str, Any] = {
    "resourceType": "Questionnaire",
    "id": "one-card",
    "title": "One card",
    "status": "active",
    "item": [
        {
            "linkId": "step",
            "type": "group",
            "text": "Your card",
            "item": [
                {
                    "linkId": _FIELD,
                    "type": "attachment",
                    "text": "Front of your card",
                    "required": True,
                }
            ],
        }
    ],
}


@pytest.fixture
def card(screens: Screens) -> Staff:
    """Open a session that asks for one document."""
    screens.clinic.admin.add_flow(FORM)
    client = screens.clinic.staff()
    opened = client.open_session("one-card")
    assert opened.code
    return Staff(client, opened.session, opened.code)


def test_what_was_sent_is_seen_and_sent_back_with_a_reason(
    screens: Screens, card: Staff, picture: Any
) -> None:
    """A thumbnail, buttons that name their document, and the reason in the patient's language."""
    patient = screens.patient(card.code)
    field = patient.field(_FIELD)
    assert "Front of your card" in field.locator("label.file").first.inner_text()
    patient.photograph(_FIELD, picture)
    thumbnail = field.get_by_alt_text("Your picture: Front of your card")
    expect(thumbnail).to_be_visible()
    assert thumbnail.evaluate("image => image.decode().then(() => image.naturalWidth)") > 100
    staff = card.client
    review = {"accepted": False, "reason_code": DocumentFault.GLARE}
    staff.review_document(card.session, _FIELD, **review).result(10)  # type: ignore[arg-type]
    state = field.locator(".document-state")
    expect(state).to_contain_text("Light reflects on it.")
    patient.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    expect(state).to_contain_text("Tiene un reflejo de luz.")


def test_a_heic_photo_says_what_to_do(screens: Screens, card: Staff) -> None:
    """Where the browser cannot open it, the patient reads how else to send it."""
    patient = screens.patient(card.code)
    heic = {"name": "IMG_1.HEIC", "mimeType": "image/heic", "buffer": b"\0\0\0\x18ftypheic" * 4}
    field = patient.field(_FIELD)
    field.locator("input[type=file]").last.set_input_files(heic)  # type: ignore[arg-type]
    expect(field.locator(".error")).to_contain_text("This browser can't open HEIC photos.")
