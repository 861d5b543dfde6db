"""Fill in a flow as a patient would: field by field, with plausible answers."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from clients.plausible import plausible_document, plausible_value
from schemas.flow import Flow, load_flow
from schemas.questionnaire import FieldKind, Json
from session_controller import answers as rules
from session_controller.assessment import Assessment

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "flows"
REAL = ROOT.parent / "shared" / "questionnaires"


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
