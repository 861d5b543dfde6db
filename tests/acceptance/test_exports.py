"""What was entered is what every format holds: item by item, and nothing that was switched off."""

import base64
import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pypdf
import pytest
from fhir.resources.R4B.questionnaireresponse import QuestionnaireResponse

from tests.acceptance.playing import Json, Played, link_of
from tests.cli.conftest import Handrail
from tests.fhir.checks import problems as bundle_problems
from tests.flow.checker import _Judge, problems

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Export = Callable[[str], bytes]

_PLAIN = {
    "boolean": "valueBoolean",
    "date": "valueDate",
    "decimal": "valueDecimal",
    "integer": "valueInteger",
    "string": "valueString",
    "text": "valueString",
}


@pytest.fixture
def export(played: Played, data: Path, handrail: Handrail, tmp_path: Path) -> Export:
    """Export the session, have its seal verified, and give what is in the file."""

    def run(form: str) -> bytes:
        file = tmp_path / f"record.{form}"
        ran = handrail(
            "session", "export", played.session, "--format", form, "--output", file, "--data", data
        )
        assert ran.code == 0, ran.err
        assert handrail("record", "verify", file).code == 0
        return file.read_bytes()

    return run


def counting(played: Played, response: Json) -> dict[str, Any]:
    """Of all that was said, give what the form's conditions leave on, as FHIR's text has them.

    `problems` has judged each condition by the answers of the response before.
    """
    judge, items = _Judge(played.form, response), played.items
    above = {child["linkId"]: item for item in items.values() for child in item.get("item", [])}

    def is_on(item: Json | None) -> bool:
        return item is None or (judge.enabled(item) and is_on(above.get(item["linkId"])))

    return {name: value for name, value in played.said.items() if is_on(items[link_of(name)])}


def answers_of(response: Json) -> dict[str, list[Json]]:
    """Collect all answers by linkId, in their order."""
    found: dict[str, list[Json]] = defaultdict(list)

    def walk(items: list[Json]) -> None:
        for item in items:
            for answer in item.get("answer", []):
                found[item["linkId"]].append({k: v for k, v in answer.items() if k != "item"})
                walk(answer.get("item", []))
            walk(item.get("item", []))

    walk(response["item"])
    return found


def as_fhir(item: Json, value: Any) -> list[Json]:
    """Return an answer as FHIR represents it."""
    values = value if isinstance(value, list) else [value]
    return [_one_as_fhir(item, one) for one in values]


def _one_as_fhir(item: Json, value: Any) -> Json:
    if item["type"] in _PLAIN:
        return {_PLAIN[item["type"]]: value}
    assert item["type"] in {"choice", "open-choice"}, item["type"]
    if isinstance(value, str):
        return {"valueString": value}
    is_coded = "code" in value or (item["type"] == "choice" and "answerOption" not in item)
    return {"valueCoding": value} if is_coded else {"valueString": value["display"]}


def wanted(played: Played, said: dict[str, Any]) -> dict[str, list[Json]]:
    """Return the answers that a response must contain, by linkId."""
    found: dict[str, list[Json]] = defaultdict(list)
    for name in sorted(said):
        found[link_of(name)] += as_fhir(played.items[link_of(name)], said[name])
    return found


def test_the_sessions_hold_what_is_to_be_shown(ours: Played, wavering: Played) -> None:
    """Photograph, insurance card, consents and signature are there; and answers that went off."""
    assert set(ours.result.documents) >= {"id-front", "card-front", "card-back"}
    assert ours.result.signatures == {"signature"}
    assert "member-id" in ours.said
    assert any("[" in name for name in ours.said)
    assert "member-id" in wavering.said
    assert ours.result.refusals == wavering.result.refusals == []


def test_the_paperwork_is_filled(paperwork: Played) -> None:
    """Its documents, its consents and its signature were given."""
    assert set(paperwork.result.documents) >= {"photo-id-front", "insurance-card-front"}
    assert paperwork.said["hipaa-acknowledgement"] is True
    assert paperwork.said["consent-to-treat"] is True
    assert paperwork.said["signature"]
    assert paperwork.result.refusals == []


def test_the_response_is_what_was_entered(played: Played, export: Export) -> None:
    """It is valid FHIR, keeps the form's own conditions, and holds each answer and no other."""
    response = json.loads(export("questionnaire-response"))
    QuestionnaireResponse.model_validate(response)
    assert problems(played.form, response) == []
    found = answers_of(response)
    attached = {name for name, all_of in found.items() if "valueAttachment" in all_of[0]}
    assert attached <= set(map(link_of, played.result.documents))
    said = counting(played, response)
    assert {k: v for k, v in found.items() if k not in attached} == wanted(played, said)


def test_an_insurance_that_was_taken_back_is_nowhere(
    wavering: Played, data: Path, handrail: Handrail
) -> None:
    """Answers and cards of a question that was switched off later are in no format."""
    member = wavering.said["member-id"]
    for form in ("questionnaire-response", "fhir", "json", "csv"):
        ran = handrail("session", "export", wavering.session, "--format", form, "--data", data)
        assert wavering.said["last-name"] in ran.out
        assert member not in ran.out
        assert "card-front" not in ran.out


def test_the_json_is_what_was_entered(played: Played, export: Export) -> None:
    """Each answer stands under its field as it was entered, and no other does."""
    record = json.loads(export("json"))
    response = json.loads(export("questionnaire-response"))
    found = {one["field_id"]: one["value"] for one in record["answers"]}
    assert found == counting(played, response)
    assert [one["printed_name"] for one in record["signatures"]] == [
        one.printed_name for one in played.signed
    ]
    assert [one["strokes"] for one in record["signatures"]] == [
        one.strokes for one in played.signed
    ]
    sizes = {one["field_id"]: one["original_size"] for one in record["documents"]}
    assert {name: len(played.result.documents[name]) for name in sizes} == sizes


def test_the_table_is_what_was_entered(played: Played, export: Export) -> None:
    """A line for each answer, in words and by its code."""
    rows = csv.DictReader(io.StringIO(export("csv").decode(), newline=""))
    table = {row["field_id"]: row for row in rows}
    response = json.loads(export("questionnaire-response"))
    said = counting(played, response)
    documents = {k for k, row in table.items() if row["type"] == "attachment"}
    signatures = {k for k, row in table.items() if row["type"] == "signature"}
    assert signatures == played.result.signatures
    assert documents <= set(played.result.documents)
    assert table.keys() - documents - signatures == said.keys()
    for name, value in said.items():
        assert table[name]["value"].removeprefix("'") == in_words(value), name


def in_words(value: Any) -> str:
    """Return an answer as the table represents it."""
    if isinstance(value, list):
        return "; ".join(map(in_words, value))
    if isinstance(value, dict):
        return str(value["display"])
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_paper_shows_what_was_entered(played: Played, export: Export) -> None:
    """Every text, choice and date can be read in the PDF, with the signer's name."""
    pdf = pypdf.PdfReader(io.BytesIO(export("pdf")))
    text = "".join("".join(page.extract_text() for page in pdf.pages).replace("\u200b", "").split())
    response = json.loads(export("questionnaire-response"))
    said = {
        name: value
        for name, value in counting(played, response).items()
        if not any("hidden" in e["url"] for e in played.items[link_of(name)].get("extension", []))
    }
    words = [word for value in said.values() for word in on_paper(value)]
    assert len(words) > 20
    for word in [*words, *(one.printed_name for one in played.signed)]:
        assert "".join(word.split()) in text, word
    off = {str(v) for k, v in played.said.items() if k == "member-id" and k not in said}
    assert not any(one in text for one in off)


def on_paper(value: Any) -> list[str]:
    """Return the words that are printed for an answer."""
    if isinstance(value, list):
        return [word for one in value for word in on_paper(one)]
    if isinstance(value, dict):
        return [str(value["display"])]
    if isinstance(value, bool):
        return ["Yes" if value else "No"]
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        return [str(value)]
    return [f"{day.day} {day:%B %Y}"]


def test_the_bundle_is_what_was_entered(played: Played, export: Export) -> None:
    """It is a valid transaction; its response is the one alone, its Binaries the pictures."""
    bundle = json.loads(export("fhir"))
    assert bundle_problems(bundle) == []
    (response,) = resources(bundle, "QuestionnaireResponse")
    assert response == json.loads(export("questionnaire-response"))
    mine = answers_of(response)
    sent = sorted(played.result.documents.values())
    kept = [base64.b64decode(one["data"]) for one in resources(bundle, "Binary")]
    assert kept
    assert all(one in sent for one in kept)
    assert len(kept) == len(resources(bundle, "DocumentReference"))
    (patient,) = resources(bundle, "Patient")
    if "last-name" in played.said:
        assert patient["name"][0]["family"] == played.said["last-name"]
    cards = {"card-front", "insurance-card-front"} & played.result.documents.keys()
    coverages = resources(bundle, "Coverage")
    assert bool(coverages) == ("member-id" in mine or "insurance-member-id" in mine), cards
    assert resources(bundle, "Consent")
    assert len(resources(bundle, "Provenance")) >= len(played.signed)


def resources(bundle: Json, kind: str) -> list[Json]:
    """Return a bundle's resources of a type."""
    found = [entry["resource"] for entry in bundle["entry"]]
    return [one for one in found if one["resourceType"] == kind]
