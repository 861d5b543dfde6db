"""Fill in a flow as a patient would: field by field, with plausible answers."""

import base64
import json
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from clients.simulator.answers import plausible_document, plausible_value
from schemas.questionnaire.load import Flow, load_flow
from schemas.questionnaire.model import FieldKind, Json
from session_controller.forms import answers as rules
from session_controller.forms.assessment import Assessment

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "flows"
FORMS = ROOT / "tests" / "forms"
"""Small forms of our own, one for each kind of real form: on them every test runs in any clone."""

REAL = ROOT.parent / "shared" / "questionnaires"
"""Real public forms, where they are: the same tests run on them as well."""

MAPPINGS = OURS / "mappings"
_MAPPED = {"paperwork": "ottehr-intake-paperwork"}
"""The form of ours that has the linkIds of a mapping that the project ships."""


def form_paths() -> list[Path]:
    """Return all forms that are here: the project's, those of the tests, and the real ones."""
    return [path for folder in (OURS, FORMS, REAL) for path in sorted(folder.glob("*.json"))]


def form_path(name: str) -> Path:
    """Return where a form is."""
    return next(path for path in form_paths() if path.stem == name)


def here(*names: str) -> list[str]:
    """Return those of the forms that are here."""
    return [path.stem for path in form_paths() if path.stem in names]


def mapping_for(name: str) -> Json | None:
    """Return the mapping that the project ships for a form, or None."""
    path = MAPPINGS / f"{_MAPPED.get(name, name)}.json"
    return json.loads(path.read_bytes()) if path.exists() else None


_LINK = re.compile(r"\]\((/[^)]+)\)")


def with_its_documents(form: Json) -> Json:
    """Return a form whose boolean questions point to documents, with made-up words for these."""
    written = json.dumps(form)
    documents = []
    for number, target in enumerate(dict.fromkeys(_LINK.findall(written))):
        words = base64.b64encode(f"The words of {target}.".encode()).decode()
        binary = {"resourceType": "Binary", "contentType": "text/plain", "data": words}
        documents.append({**binary, "id": f"document-{number}"})
        written = written.replace(f"]({target})", f"](#document-{number})")
    if not documents:
        return form
    return {"contained": documents} | json.loads(written, object_hook=_as_consent)


def _as_consent(item: Json) -> Json:
    if "](#document-" not in str(item.get("text")):
        return item
    marked = {"url": "urn:handrail:fhir:consent", "valueBoolean": True}
    return {**item, "extension": [*item.get("extension", []), marked]}


def our_flow(name: str) -> Flow:
    """Load one of the flows of the project."""
    return load_flow((OURS / f"{name}.json").read_bytes())


def flow_of(*items: Json, **elements: Json) -> Flow:
    """Load a flow of these items."""
    head = {"resourceType": "Questionnaire", "id": "form", "status": "active"}
    return load_flow(head | elements | {"item": list(items)})


@dataclass
class Patient:
    """Someone who fills in a flow; every value entered is checked on the way."""

    flow: Flow
    seed: int = 1
    held: rules.Held = field(default_factory=rules.Held)
    attachments: dict[str, Json] = field(default_factory=dict)
    signatures: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = Random(self.seed)
        self.held = replace(self.held, answers=rules.initial_answers(self.flow))

    def assessment(self) -> Assessment:
        """Judge what there is."""
        held = self.held
        return rules.assess(
            self.flow,
            held.answers,
            held.instances,
            documents=held.documents,
            signatures=held.signatures,
            reading=held.reading,
            corrections=held.corrections,
        )

    def fill(self, *, wanted_only: bool = False) -> Assessment:
        """Fill in whatever is on until nothing is left; with `wanted_only` what is missing."""
        done: set[str] = set()
        while True:
            assessment = self.assessment()
            on = (
                [f.field_id for f in assessment.faults]
                if wanted_only
                else tuple(assessment.enabled_ids)
            )
            left = [one for one in on if one not in done]
            if not left:
                return assessment
            done.add(left[0])
            self.enter(left[0])

    def enter(self, field_id: str) -> None:
        """Fill in one field, of whatever kind."""
        place = rules.resolve(self.flow, field_id)
        assert place is not None
        item, held = place.item, self.held
        if item.kind is FieldKind.SIGNATURE:
            self.held = replace(held, signatures={**held.signatures, field_id: "signed"})
            self.signatures[field_id] = _signature()
        elif item.kind is FieldKind.ATTACHMENT:
            self._attach(place)
        elif item.kind is FieldKind.CONSENT:
            self.held = replace(held, reading={**held.reading, field_id: 1.0})
        if item.takes_value and not item.fixed:
            self._answer(place)

    def _attach(self, place: rules.Place) -> None:
        content, media_type = plausible_document(place.item, self.rng)
        held = self.held
        instances = rules.grow(self.flow, held.instances, place)
        assert not isinstance(instances, rules.Refused)
        documents = {**held.documents, place.field_id: "received"}
        self.held = replace(held, documents=documents, instances=instances)
        self.attachments[place.field_id] = {"contentType": media_type, "size": len(content)}

    def _answer(self, place: rules.Place) -> None:
        value = plausible_value(place.item, self.rng)
        verdict = rules.check_value(place.item, value)
        assert verdict is None, (place.field_id, value, verdict)
        entry = rules.enter(self.flow, self.held.answers, self.held.instances, place, value)
        assert isinstance(entry, rules.Entry)
        self.held = replace(self.held, answers=entry.answers, instances=entry.instances)


def _signature() -> Json:
    return {
        "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.7"}],
        "when": "2026-11-22T10:15:02.120Z",
        "who": {"display": "The patient"},
        "sigFormat": "image/png",
    }
