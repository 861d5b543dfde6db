"""Who signed: the patient, or somebody for the patient.

with_signers(entered, mapping, people) -> (People, Signers)
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from session_controller.entered import Entered
from session_controller.fhir.building import build
from session_controller.fhir.mapping import Mapping
from session_controller.fhir.people import PATIENT, People, related_person
from session_controller.fhir.relationships import standing_of, with_role_code
from session_controller.fhir.resources import CodeableConcept, Reference
from session_controller.fhir.resources_people import RelatedPerson
from session_controller.record import SignatureEvidence


@dataclass(frozen=True, slots=True)
class Signers:
    """The role of who stands behind each signature, and behind what a form's step says."""

    people: People
    roles: MappingOf[tuple[str, int], str]
    """By field and revision."""
    by_step: MappingOf[str, str]

    def of(self, evidence: SignatureEvidence) -> Reference:
        """Refer to who signed, declined or withdrew."""
        return self.people.reference(self.roles[evidence.field_id, evidence.revision])

    def at(self, step_id: str) -> Reference:
        """Refer to who answers for a step."""
        return self.people.reference(self.by_step.get(step_id, PATIENT))


def with_signers(entered: Entered, mapping: Mapping, people: People) -> Signers:
    """Find each signer among those that the form names, else add the person."""
    roles: dict[tuple[str, int], str] = {}
    added: dict[tuple[str, str], str] = {}
    flow = entered.record.flow
    for evidence in entered.record.signatures:
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
    """Give the role of a signer who is known already; None for somebody new."""
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
    """Add what a person is to the patient, where only the signature says it."""
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
