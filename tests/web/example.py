"""A patient who fills in our example flow, step by step."""

from typing import Any

from tests.web.conftest import Desk, Patient

STEPS = (
    "About you",
    "How we reach you",
    "Your identity document",
    "Insurance",
    "Your health",
    "Your privacy",
    "Your consent",
    "Review",
)


def about_you(patient: Patient) -> None:
    """Fill in the first step."""
    patient.fill("first-name", "María")
    patient.fill("last-name", "González")
    patient.date("birth-date", "1980-02-03")
    patient.choose("sex", "Female")
    patient.choose("language", "Spanish")
    patient.fill("social-security-number", "123-45-6789")


def contact(patient: Patient) -> None:
    """Fill in the second step."""
    patient.fill("street", "12 Harbor Street")
    patient.fill("city", "Portland")
    patient.field("state").locator("select").select_option(label="Oregon")
    patient.fill("zip", "97201")
    patient.fill("mobile-phone", "(555) 555-0123")
    patient.choose("no-email", "I have no e-mail address")
    patient.fill("emergency-name", "Ana González")
    patient.field("emergency-relationship").locator("select").select_option(label="Parent")
    patient.fill("emergency-phone", "(555) 555-0124")


def identity(patient: Patient, picture: Any) -> None:
    """Fill in the third step, with a photograph."""
    patient.choose("id-kind", "Passport")
    patient.fill("id-number", "X1234567")
    patient.photograph("id-front", picture)


def insurance(patient: Patient, picture: Any) -> None:
    """Fill in the fourth step, with both sides of the card."""
    patient.choose("payment", "With insurance")
    patient.choose("payer", "Aetna")
    patient.fill("member-id", "W123456789")
    _pick_first(patient, "subscriber-relationship")
    patient.photograph("card-front", picture)
    patient.photograph("card-back", picture)


def health(patient: Patient) -> None:
    """Fill in the fifth step, with a repeating group."""
    patient.fill("reason", "A cough that does not go away")
    _pick_first(patient, "conditions")
    _pick_first(patient, "smoking")
    patient.choose("takes-medicines", "Yes")
    patient.fill("medicines[0].medicine-name", "Ibuprofen")
    patient.choose("has-allergies", "No")


def _pick_first(patient: Patient, field_id: str) -> None:
    field = patient.field(field_id)
    field.locator("select, input").first.wait_for()
    if field.locator("select").count():
        field.locator("select").select_option(index=1)
    else:
        field.locator("input").first.check()


def sign(desk: Desk, patient: Patient) -> None:
    """Read, and sign when asked, with a name."""
    patient.read("consent-text")
    desk.press("Ask to sign")
    patient.title("Please sign")
    patient.page.get_by_label("Your full name").fill("María González")
    patient.draw()
    patient.page.get_by_role("button", name="Sign", exact=True).click()
    patient.title("Your consent")
    patient.page.locator(".signature-state", has_text="Signed. Thank you.").wait_for()
