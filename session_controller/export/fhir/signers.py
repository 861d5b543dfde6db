"""The signers: the patient, or someone on the patient's behalf.

with_signers(entered, mapping, people) -> Signers
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from session_controller.engine.evidence import SignatureEvidence
from session_controller.export.answered import Entered
from session_controller.export.fhir.building import build
from session_controller.export.fhir.identity import PATIENT
from session_controller.export.fhir.mapping import Mapping
from session_controller.export.fhir.people import People, related_person
from session_controller.export.fhir.relationships import standing_of, with_role_code
from session_controller.export.fhir.resources import CodeableConcept, Reference
from session_controller.export.fhir.resources_people import RelatedPerson


@dataclass(frozen=True, slots=True)
class Signers:
    """The role of each signature's signer, and of the author of each step."""

    people: People
    roles: MappingOf[tuple[str, int], str]
    """By field id and revision."""
    by_step: MappingOf[str, str]

    def of(self, evidence: SignatureEvidence) -> Reference:
        """Return a reference to the person who signed, declined or withdrew.

        Of an earlier patient's outcome there is only the printed name.
        """
        if evidence.other_patient:
            return Reference(display=evidence.printed_name or "not the patient")
        return self.people.reference(self.roles[evidence.field_id, evidence.revision])

    def at(self, step_id: str) -> Reference:
        """Return a reference to the author of a step's answers."""
        return self.people.reference(self.by_step.get(step_id, PATIENT))


def with_signers(entered: Entered, mapping: Mapping, people: People) -> Signers:
    """Match each signer with a person named in the form, or add the person."""
    roles: dict[tuple[str, int], str] = {}
    added: dict[tuple[str, str], str] = {}
    flow = entered.record.flow
    for evidence in (one for one in entered.record.signatures if not one.other_patient):
        item = entered.assessment.layout.index.get(evidence.field_id)
        step = (
            "" if item is None else flow.steps[entered.assessment.layout.nodes[item].step].step_id
        )
        role = _role(evidence, mapping.signers.get(step, PATIENT), people)
        if role is None:
            key = (evidence.printed_name or "", evidence.relationship or "")
            role = added.setdefault(key, f"signer:{len(added) + 1}")
            if role not in people.related:
                people = people.with_related(role, _signer(evidence, role, people))
        elif role in people.related:
            people = people.with_related(role, _completed(people.related[role], evidence))
        roles[evidence.field_id, evidence.revision] = role
    return Signers(people, roles, mapping.signers)


def _role(evidence: SignatureEvidence, named: str, people: People) -> str | None:
    """Return the role of a signer who is already known, or None for a new person."""
    relationship = evidence.relationship
    if relationship is not None and standing_of({"text": relationship}) == "self":
        return PATIENT
    if relationship is None and not evidence.printed_name:
        return named if named in people.related else PATIENT
    if relationship is None:
        known = people.related.get(named)
        return named if known and _is_called(known, evidence.printed_name) else PATIENT
    for role, person in people.related.items():
        if _is_called(person, evidence.printed_name):
            return role
    return None


def _is_called(person: RelatedPerson, name: str | None) -> bool:
    if not name:
        return False
    for one in person.name or ():
        parts = one.text or " ".join((*(one.given or ()), one.family or ""))
        if " ".join(parts.split()).casefold() == " ".join(name.split()).casefold():
            return True
    return False


def _completed(person: RelatedPerson, evidence: SignatureEvidence) -> RelatedPerson:
    """Add a person's relationship to the patient, if only the signature states it."""
    if person.relationship or not evidence.relationship:
        return person
    concept = build(CodeableConcept, with_role_code({"text": evidence.relationship}))
    return person.model_copy(update={"relationship": (concept,)})


def _signer(evidence: SignatureEvidence, role: str, people: People) -> RelatedPerson:
    elements = {
        "relationship": [{"text": evidence.relationship}],
        **({"name": [{"text": evidence.printed_name}]} if evidence.printed_name else {}),
    }
    return related_person(elements, role, people.names)
