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


def test_a_photo_that_is_not_sent_survives_a_reload(
    screens: Screens, card: Staff, picture: Any
) -> None:
    """It is kept encrypted, taken up by the new page, and deleted once it has arrived."""
    cable = screens.cable()
    patient = screens.patient(card.code, url=cable.url)
    page = patient.page
    cable.pull()
    page.locator(".banner", has_text="Connection lost").wait_for()
    field = patient.field(_FIELD)
    field.locator("input[type=file]").first.set_input_files(picture)
    page.get_by_role("button", name="Use this picture").click()
    kept = page.evaluate(_UNTIL, 1)
    assert kept != [0xFF, 0xD8, 0xFF], "a JPEG that anybody can open"
    cable.plug()
    page.reload()
    expect(patient.field(_FIELD).locator(".document-state")).to_have_text("Received. Thank you.")
    assert page.evaluate(_UNTIL, 0) == []
    assert card.sees(lambda view: view.documents[_FIELD].status == "received")


_ALL = """new Promise((done, failed) => {
  const opened = indexedDB.open("handrail", 1);
  opened.onerror = () => failed(opened.error);
  opened.onsuccess = () => {
    const all = opened.result.transaction("unsent").objectStore("unsent").getAll();
    all.onsuccess = () => { opened.result.close(); done(all.result); };
  };
})"""
_UNTIL = f"""async count => {{
  for (;;) {{
    const all = await {_ALL};
    if (all.length === count) return count ? [...all[0].sealed.slice(12, 15)] : [];
    await new Promise(requestAnimationFrame);
  }}
}}"""
"""Wait until so many documents are kept; return the first bytes of one behind its nonce."""
