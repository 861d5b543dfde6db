"""The patient, related persons, and coverages.

people(entered, mapping, names) -> People
"""

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace

from schemas.questionnaire.model import Json
from session_controller.export.answered import Entered
from session_controller.export.fhir.building import build
from session_controller.export.fhir.extraction import Made, extract
from session_controller.export.fhir.identification import with_staffs
from session_controller.export.fhir.identity import PATIENT, Names
from session_controller.export.fhir.mapping import Mapping
from session_controller.export.fhir.relationships import (
    Standing,
    coverage_relationship,
    inverse,
    role_of,
    standing_of,
    with_role_code,
)
from session_controller.export.fhir.resources import Reference
from session_controller.export.fhir.resources_people import Coverage, Patient, RelatedPerson

_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_UNKNOWN_PAYOR: Json = {"extension": [{"url": _ABSENT, "valueCode": "unknown"}]}
"""A Coverage must have a payor, which not every form asks for."""


@dataclass(frozen=True, slots=True)
class People:
    """Patient, RelatedPersons and Coverages, by role."""

    names: Names
    patient: Patient
    related: MappingOf[str, RelatedPerson]
    coverages: MappingOf[str, Coverage]

    def reference(self, role: str) -> Reference:
        """Return a reference to a person; one identified as the patient is the patient."""
        if role in self.related:
            return self.names.reference(role, "RelatedPerson")
        return self.names.reference(PATIENT, "Patient")

    def with_related(self, role: str, person: RelatedPerson) -> "People":
        """Return a copy with one more person."""
        return replace(self, related={**self.related, role: person})


def people(entered: Entered, mapping: Mapping, names: Names) -> People:
    """Create all persons and coverages from the answers."""
    made = extract(entered, mapping)
    covered = list(_covered(made))
    related = {role: one for role, one in made.items() if one.target.type == "RelatedPerson"}
    for one in covered:
        if one.subscriber is not None:
            related[one.subscriber.role] = _as_subscriber(one.subscriber, one.standing)
    related = {role: one for role, one in related.items() if not _is_patient(one)}
    return People(
        names,
        _patient(made.get(PATIENT), entered, names),
        {role: related_person(one.elements, role, names) for role, one in related.items()},
        {one.made.role: _coverage(one, n, related, names) for n, one in enumerate(covered, 1)},
    )


def related_person(elements: MappingOf[str, Json], role: str, names: Names) -> RelatedPerson:
    """Create a RelatedPerson from what is known of the person."""
    relationships = [with_role_code(one) for one in elements.get("relationship") or ()]
    own: dict[str, Json] = {"patient": names.reference(PATIENT, "Patient").to_json()}
    if relationships:
        own["relationship"] = relationships
    return build(RelatedPerson, _identified(elements, role, names) | own)


def _patient(made: Made | None, entered: Entered, names: Names) -> Patient:
    answered = made.elements if made else {}
    elements = with_staffs(answered, entered.record.state.identified)
    contacts = [one for one in elements.pop("contact", ()) if _is_reachable(one)]
    if contacts:
        elements["contact"] = contacts
    chosen = entered.record.language
    # Only a language that the patient chose says something about the patient.
    if chosen and chosen != entered.record.flow.language and "communication" not in elements:
        spoken = {"system": "urn:ietf:bcp:47", "code": chosen}
        elements["communication"] = [{"language": {"coding": [spoken]}}]
    return build(Patient, _identified(elements, PATIENT, names))


def _is_reachable(contact: MappingOf[str, Json]) -> bool:
    """Return whether a contact has any details (R4, rule pat-1)."""
    return not contact.keys().isdisjoint(("name", "telecom", "address", "organization"))


def _identified(elements: MappingOf[str, Json], role: str, names: Names) -> dict[str, Json]:
    identifiers = [names.identifier(role).to_json(), *(elements.get("identifier") or ())]
    return {**elements, "identifier": identifiers, "meta": names.meta.to_json()}


# -- coverage ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Covered:
    """A coverage, its subscriber, and the patient's relationship to that person."""

    made: Made
    subscriber: Made | None
    standing: Standing | None


def _covered(made: MappingOf[str, Made]) -> Iterator[_Covered]:
    for one in made.values():
        if one.target.type == "Coverage":
            role = one.target.subscriber or ""
            subscriber = made.get(role + one.instance) or made.get(role)
            yield _Covered(one, subscriber, _standing(one, subscriber))


def _standing(coverage: Made, subscriber: Made | None) -> Standing | None:
    """Return the patient's relationship to the subscriber, whichever way round it was asked."""
    said = coverage.elements.get("relationship")
    if said is not None:
        standing = standing_of(said)
        return standing if coverage.target.relationship_of == "patient" else inverse(standing)
    of_subscriber = subscriber.elements.get("relationship") if subscriber else None
    return inverse(standing_of(of_subscriber[0])) if of_subscriber else None


def _as_subscriber(subscriber: Made, standing: Standing | None) -> Made:
    """Set the subscriber's relationship to the patient: the inverse of the patient's."""
    if standing is None or (standing != "self" and "relationship" in subscriber.elements):
        return subscriber
    relationship = role_of(inverse(standing))
    if relationship is None:
        return subscriber
    return replace(subscriber, elements={**subscriber.elements, "relationship": [relationship]})


def _is_patient(related: Made) -> bool:
    relationships = related.elements.get("relationship") or ()
    return any(standing_of(one) == "self" for one in relationships)


def _coverage(
    covered: _Covered, number: int, related: MappingOf[str, Made], names: Names
) -> Coverage:
    made = covered.made
    elements = _identified(made.elements, made.role, names)
    elements |= {
        "status": "active",
        "beneficiary": names.reference(PATIENT, "Patient").to_json(),
        "order": number if made.instance else made.target.order or number,
    }
    elements.setdefault("payor", [_UNKNOWN_PAYOR])
    if covered.standing is not None:
        elements["relationship"] = coverage_relationship(covered.standing)
    subscriber = covered.subscriber
    if covered.standing == "self":
        elements["subscriber"] = names.reference(PATIENT, "Patient").to_json()
    elif subscriber is not None and subscriber.role in related:
        elements["subscriber"] = names.reference(subscriber.role, "RelatedPerson").to_json()
    return build(Coverage, elements)
