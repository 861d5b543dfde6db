"""Small FHIR R4 Questionnaires for the contract's tests, and the values that fill them."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.pictures import png

from .raw import ROOT, Json, Pair

HL7 = "http://hl7.org/fhir/StructureDefinition"
OURS = "urn:handrail:fhir"

PRE_REGISTRATION: Json = json.loads(
    (Path(__file__).parents[2] / "flows" / "pre-registration.json").read_text(encoding="utf-8")
)


def item(link: str, kind: str, text: str | None = None, /, **rest: Any) -> Json:
    """Make an item."""
    return {"linkId": link, "type": kind, "text": text or link.title(), **rest}


def extension(name: str, value: str, of: Any) -> Json:
    """Make an extension: of ours, or of HL7's."""
    url = f"{OURS}:{name}" if name in {"sensitive", "consent", "skippable"} else f"{HL7}/{name}"
    if name == "minimum-fraction":
        url = f"{OURS}:{name}"
    return {"url": url, f"value{value}": of}


SENSITIVE = extension("sensitive", "Boolean", True)
SIGNATURE = extension(
    "questionnaire-signatureRequired",
    "CodeableConcept",
    {"coding": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.7"}]},
)


def options(*codes: str) -> list[Json]:
    """Make the options of a choice."""
    return [
        {"valueCoding": {"system": "urn:test", "code": code, "display": code.title()}}
        for code in codes
    ]


def choice(code: str) -> Json:
    """Make the value of a choice."""
    return {"system": "urn:test", "code": code, "display": code.title()}


def form(name: str, *items: Json) -> Json:
    """Make a Questionnaire."""
    return {
        "resourceType": "Questionnaire",
        "id": name,
        "url": f"https://handrail.example/fhir/Questionnaire/{name}",
        "title": name.title(),
        "status": "active",
        "item": list(items),
    }


VISIT = form(
    "visit",
    item(
        "person",
        "group",
        "Person",
        item=[
            item("name", "string", required=True, maxLength=20),
            item(
                "born",
                "date",
                required=True,
                extension=[extension("minValue", "Date", "1900-01-01")],
            ),
            item("plan", "choice", required=True, answerOption=options("gold", "silver")),
            item(
                "number",
                "string",
                maxLength=11,
                extension=[SENSITIVE, extension("regex", "String", "[0-9]{3}-[0-9]{2}-[0-9]{4}")],
            ),
        ],
    ),
    item(
        "visits",
        "integer",
        extension=[extension("minValue", "Integer", 0), extension("maxValue", "Integer", 50)],
    ),
    item("first-visit", "boolean"),
    item(
        "family",
        "group",
        "Family",
        extension=[extension("skippable", "Boolean", True)],
        item=[
            item("has-children", "boolean", required=True),
            item(
                "children",
                "group",
                repeats=True,
                enableWhen=[{"question": "has-children", "operator": "=", "answerBoolean": True}],
                extension=[extension("questionnaire-maxOccurs", "Integer", 3)],
                item=[
                    item("child-name", "string", required=True, maxLength=20),
                    item("child-born", "date"),
                ],
            ),
            item(
                "gold-number",
                "string",
                required=True,
                enableWhen=[
                    {
                        "question": "plan",
                        "operator": "=",
                        "answerCoding": {"system": "urn:test", "code": "gold"},
                    }
                ],
            ),
        ],
    ),
    item(
        "papers",
        "group",
        "Papers",
        item=[
            item(
                "card",
                "attachment",
                required=True,
                extension=[
                    extension("mimeType", "Code", "image/png"),
                    extension("maxSize", "Decimal", 200_000),
                ],
            ),
            item("note", "string"),
        ],
    ),
    item(
        "consent",
        "group",
        "Consent",
        item=[
            item(
                "notice",
                "display",
                "We keep your data for as long as the law wants it.",
                extension=[
                    extension("consent", "Boolean", True),
                    extension("minimum-fraction", "Decimal", 0.5),
                ],
            ),
            item("agree", "display", "I have read the notice.", extension=[SIGNATURE]),
            item("remark", "string"),
        ],
    ),
    item("end", "group", "End", item=[item("correct", "boolean", required=True)]),
)
"""Six steps: person, visits, family (may be skipped), papers, consent, end."""

STEPS = ["person", "visits", "family", "papers", "consent", "end"]

PERSON = {"name": "Ada", "born": "1990-05-17", "plan": choice("silver")}
PNG = png(100_000)
"""Two chunks."""

STROKES = [[[0.1, 0.2, 0], [0.5, 0.25, 16], [0.9, 0.2, 33]], [[0.2, 0.6, 400], [0.3, 0.7, 420]]]


def chunks(data: bytes, size: int = 65_536) -> list[tuple[int, bytes]]:
    """Cut a document as the contract allows."""
    return [(at, data[at : at + size]) for at in range(0, len(data), size)]


def begin(pair: Pair, field: str, upload: str, data: bytes, **other: Any) -> Json:
    """Open an upload."""
    fields = {
        "field_id": field,
        "upload": upload,
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "media_type": "image/png",
        **other,
    }
    return pair.fill("BEGIN_UPLOAD", **fields)


def put(pair: Pair, upload: str, offset: int, data: bytes) -> None:
    """Publish a chunk."""
    topic = f"{ROOT}/sessions/{pair.session}/uploads/{pair.patient.device}/{upload}/{offset}"
    pair.patient.publish(topic, data)


def upload(pair: Pair, field: str, name: str, data: bytes = PNG) -> Json:
    """Upload a whole document."""
    begin(pair, field, name, data)
    for offset, chunk in chunks(data):
        put(pair, name, offset, chunk)
    return pair.fill("FINISH_UPLOAD", upload=name)


def sign(pair: Pair, field: str) -> Json:
    """Ask for a signature and give it."""
    pair.lead("REQUEST_SIGNATURE", field_id=field)
    view = pair.patient.view(pair.session, lambda v: v["signature"] is not None)
    return pair.fill(
        "SUBMIT_SIGNATURE",
        field_id=field,
        strokes=STROKES,
        document_sha256=view["signature"]["document_sha256"],
    )


def reach(pair: Pair, step: str) -> Json:
    """Fill the form VISIT as far as is needed to stand on a step."""
    view = pair.patient.newest(pair.session)
    assert view is not None
    for index in range(STEPS.index(view["step_id"]), STEPS.index(step)):
        complete(pair, STEPS[index])
        view = pair.go(STEPS[index + 1])
    return view


def complete(pair: Pair, step: str) -> None:
    """Fill the step of the form VISIT that the session stands on."""
    if step == "person":
        pair.enter(**PERSON)
    elif step == "family":
        pair.enter(has_children=False)
    elif step == "papers":
        upload(pair, "card", "card-1")
    elif step == "consent":
        pair.fill("REPORT_READING", field_id="notice", fraction=1)
        sign(pair, "agree")
    elif step == "end":
        pair.enter(correct=True)
