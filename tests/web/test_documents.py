"""What a patient reads when a document is not taken, and what can be done then."""

from dataclasses import replace
from typing import Any

import pytest

from schemas.wire.commands import FinishUpload
from schemas.wire.rejections import RejectionCode
from session_controller.engine import moves
from session_controller.engine.refusal import Refusal
from session_controller.integrity.data_folder import reading
from session_controller.media.outcome import REASONS, Unfit
from tests.media.samples import SECRETS, telling
from tests.web.conftest import Patient, Screens

FLOW = {
    "resourceType": "Questionnaire",
    "id": "card",
    "title": "A card",
    "status": "active",
    "language": "en",
    "item": [
        {"linkId": "card", "type": "attachment", "text": "Your card"},
        {
            "linkId": "hello",
            "type": "display",
            "text": "Hello",
            "_text": {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/StructureDefinition/translation",
                        "extension": [
                            {"url": "lang", "valueCode": "es"},
                            {"url": "content", "valueString": "Hola"},
                        ],
                    }
                ]
            },
        },
    ],
}


@pytest.fixture
def patient(screens: Screens) -> Patient:
    """A patient who is asked for a card and nothing else."""
    screens.clinic.admin.add_flow(FLOW)
    _, found = screens.pair("A card")
    return found


def _refuse(monkeypatch: pytest.MonkeyPatch, reason: str | None) -> None:
    """Make the box refuse every document for this reason."""
    details = {"reason": reason} if reason else {}
    refusal = Refusal(RejectionCode.UPLOAD_CORRUPT, f"[{reason}]", details)
    move = replace(moves.MOVES[FinishUpload], decide=lambda *_: refusal)
    monkeypatch.setitem(moves.MOVES, FinishUpload, move)  # type: ignore[arg-type] # a dict inside


def _send(patient: Patient, picture: Any, use: str = "Use this picture") -> None:
    patient.field("card").locator("input[type=file]").first.set_input_files(picture)
    patient.page.get_by_role("button", name=use).click()


def test_a_refused_document_says_why_and_can_be_taken_again(
    patient: Patient, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The patient reads what is wrong and what to do, takes another picture, and it is taken."""
    field = patient.field("card")
    with monkeypatch.context() as patched:
        _refuse(patched, "encrypted")
        _send(patient, picture)
        field.get_by_text("This file has a password.").wait_for()
        field.get_by_text("Please take it again.", exact=True).wait_for()
    _send(patient, picture)
    field.get_by_text("Received. Thank you.").wait_for()
    assert field.get_by_text("This file has a password.").count() == 0


def test_a_picture_that_is_looked_at_is_not_called_missing(patient: Patient, picture: Any) -> None:
    """Before it is chosen, and after it is given up, there is none."""
    field, missing = patient.field("card"), "No document yet"
    field.get_by_text(missing).wait_for()
    field.locator("input[type=file]").first.set_input_files(picture)
    cancel = field.get_by_role("button", name="Cancel")
    cancel.wait_for()
    assert field.get_by_text(missing).count() == 0
    cancel.click()
    field.get_by_text(missing).wait_for()


def test_a_photograph_leaves_the_phone_without_its_metadata(
    screens: Screens, patient: Patient
) -> None:
    """The page draws it anew: the box has nothing to remove, and stores the bytes that arrived."""
    photo = telling("JPEG")
    assert any(secret in photo for secret in SECRETS)
    given = {"name": "card.jpg", "mimeType": "image/jpeg", "buffer": photo}
    patient.photograph("card", given)
    with reading(screens.clinic.box.data / "handrail.sqlite") as reader:
        (state,) = reader.states()
        document = state.documents["card"]
        assert document.stored is not None
        assert document.stored.sha256 == document.sha256
        content = reader.document(state.session, document)
    assert not [secret for secret in SECRETS if secret in content]


def test_every_reason_is_said_in_the_words_of_the_box(
    patient: Patient, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page has a sentence for each reason, and it is the one that the box would say."""
    for reason in sorted(REASONS):
        _refuse(monkeypatch, reason)
        _send(patient, picture)
        patient.field("card").get_by_text(Unfit(reason).message).wait_for()  # type: ignore[arg-type]


def test_a_reason_that_is_new_is_said_as_damage(
    patient: Patient, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is older than its box does not show a code; nor does one without a reason."""
    _refuse(monkeypatch, "too_beautiful")
    _send(patient, picture)
    patient.field("card").get_by_text("This file cannot be opened.").wait_for()
    _refuse(monkeypatch, None)
    _send(patient, picture)
    patient.field("card").get_by_text("The document did not arrive whole.").wait_for()


def test_a_refused_document_says_why_in_spanish(
    patient: Patient, picture: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A patient who chose Spanish reads it in Spanish."""
    patient.page.locator(".language-buttons").get_by_role("button", name="Español").click()
    _refuse(monkeypatch, "active_content")
    _send(patient, picture, "Usar esta imagen")
    patient.field("card").get_by_text("Por seguridad, no podemos aceptar este archivo.").wait_for()
