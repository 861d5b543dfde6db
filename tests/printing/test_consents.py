"""The paper and the FHIR bundle hold the same consents, of every form that is here."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from schemas.questionnaire.load import FlowError, load_flow
from schemas.questionnaire.model import FieldKind, Flow, Json
from session_controller.export.fhir import transaction
from session_controller.export.printing.writing import write
from session_controller.export.record import Record
from tests.flow.filling import form_paths, mapping_for, with_its_documents
from tests.printing.making import filled_record, record_of


def _loaded(path: Path) -> Flow | None:
    try:
        form = with_its_documents(json.loads(path.read_bytes()))
        return load_flow(form, fallback_id=path.stem)
    except FlowError:
        return None


_FORMS = {path.stem: flow for path in form_paths() if (flow := _loaded(path))}


def _sent(record: Record) -> list[tuple[str, bool]]:
    """Return the texts of the bundle's consents, and whether each is given."""
    bundle: dict[str, Any] = transaction(replace(record, site="harbor-street"))
    all_of = [entry["resource"] for entry in bundle["entry"]]
    consents = [one for one in all_of if one["resourceType"] == "Consent"]
    return sorted((_text(one), one["status"] == "active") for one in consents)


def _text(consent: dict[str, Any]) -> str:
    return base64.b64decode(consent["sourceAttachment"]["data"]).decode()


def _printed(record: Record) -> list[tuple[str, bool]]:
    """Return the texts of the consents on paper, and whether each is given."""
    sheet, _ = write(record, "letter")
    shown = [one for one in sheet.signatures if one.tone != "plain"]
    return sorted((one.text or "", one.tone == "good") for one in shown)


def _all_mapped(flow: Flow) -> Json:
    """Return a mapping that names every yes-or-no question as a consent."""
    asked = [i for i in flow.items.values() if i.type is FieldKind.BOOLEAN and i.text.strip()]
    return {"consents": {item.link_id: "treatment" for item in asked}}


@pytest.mark.parametrize("name", sorted(_FORMS))
def test_the_paper_and_the_bundle_hold_the_same_consents(name: str) -> None:
    """Signed, declined or answered: each text is on both, with the same outcome."""
    flow = _FORMS[name]
    for mapping in (mapping_for(name), _all_mapped(flow)):
        record = replace(filled_record(flow), mapping=mapping)
        assert _printed(record) == _sent(record)


def test_a_question_of_consent_is_one_on_paper_too() -> None:
    """Where the bundle sends two, the paper does not say that there are none."""
    flow = _FORMS["paperwork"]
    asked = ("hipaa-acknowledgement", "consent-to-treat")
    record = filled_record(flow)
    answers = dict(record.state.answers) | dict(zip(asked, (True, False), strict=True))
    record = replace(
        record, mapping=mapping_for("paperwork"), state=record.state.but(answers=answers)
    )
    assert len(_printed(record)) == len(_sent(record)) >= 2


def test_a_form_without_consents_says_so() -> None:
    """No text and no question of consent: nothing on either."""
    flow = load_flow(
        {
            "resourceType": "Questionnaire",
            "id": "plain",
            "status": "active",
            "item": [{"linkId": "a", "type": "boolean", "text": "Tall?"}],
        }
    )
    record = record_of(flow, {"a": True})
    assert (_printed(record), _sent(record)) == ([], [])
