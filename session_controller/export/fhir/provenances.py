"""Provenance: how each signature decision was made, and who said who the patient is."""

from schemas.base import rfc3339
from session_controller.engine.evidence import SignatureEvidence
from session_controller.engine.state import Identification
from session_controller.export.consents import consent_role
from session_controller.export.fhir.building import build
from session_controller.export.fhir.evidence import EVIDENCE, evidence_extension, signature_of
from session_controller.export.fhir.identity import PATIENT, Names
from session_controller.export.fhir.resources import Extension, Identifier, Reference
from session_controller.export.fhir.resources_evidence import Provenance
from session_controller.export.fhir.signers import Signers
from session_controller.export.record import Record

_AGENTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

_AGENT = {"signed": "attester", "declined": "performer", "withdrawn": "performer"}


IDENTIFIED = "provenance:identified"
"""The role of staff's statement of who the patient is."""


def identification_provenance(
    record: Record, identified: Identification, names: Names
) -> Provenance:
    """Return that staff said who the patient is, which the answers did not."""
    at, known = rfc3339(identified.at), identified
    who = _staff(record, known.person, known.staff_name, known.device)
    device = Extension(url="identified-on", value_string=identified.device)
    return build(
        Provenance,
        {
            "id": names.id(IDENTIFIED),
            "meta": names.meta,
            "extension": [Extension(url=EVIDENCE, extension=(device,))],
            "target": [names.reference(PATIENT, "Patient")],
            "occurredDateTime": at,
            "recorded": at,
            "activity": {"text": "patient identified by staff"},
            "agent": [{"type": _agent("enterer"), "who": who}],
        },
    )


def provenance_role(evidence: SignatureEvidence) -> str:
    """Return the role of a decision; it is unique, since a session's revisions are."""
    return f"provenance:{evidence.field_id}:{evidence.revision}"


def provenance(
    record: Record,
    evidence: SignatureEvidence,
    targets: list[Reference],
    signers: Signers,
    names: Names,
) -> Provenance:
    """Return a decision. The client assigns the id: Provenance has no identifier (R4, 6.3)."""
    who = signers.of(evidence)
    person, typed = evidence.requested_person, evidence.staff_name
    asked = _staff(record, person, typed, evidence.requested_by)
    patient = names.reference(PATIENT, "Patient")
    attester = {"type": _agent(_AGENT[evidence.outcome]), "who": who}
    if who.reference != patient.reference and not evidence.other_patient:
        attester["onBehalfOf"] = patient
    return build(
        Provenance,
        {
            "id": names.id(provenance_role(evidence)),
            "meta": names.meta,
            "extension": [evidence_extension(evidence)],
            "target": targets,
            "occurredDateTime": rfc3339(evidence.decided_at),
            "recorded": rfc3339(evidence.decided_at),
            "reason": [{"text": evidence.reason}] if (evidence.reason or "").strip() else None,
            "activity": {"text": evidence.outcome},
            "agent": [attester, {"type": _agent("enterer"), "who": asked}],
            "signature": [signature_of(evidence, who)] if _is_signed(evidence) else None,
        },
    )


def _staff(record: Record, person: str | None, typed: str | None, device: str) -> Reference:
    """Return who acted at a staff screen: the person, a name that was typed, or the screen."""
    name = record.staff_name(person, typed) or device
    if person is None:
        return Reference(display=name)
    system = f"urn:handrail:{record.site}:staff"
    return Reference(display=name, identifier=Identifier(system=system, value=person))


def target_of(evidence: SignatureEvidence, names: Names) -> Reference:
    """Return a reference to the consent that was decided."""
    return names.reference(consent_role(evidence), "Consent")


def _is_signed(evidence: SignatureEvidence) -> bool:
    return evidence.outcome == "signed" and bool(evidence.strokes)


def _agent(code: str) -> dict[str, list[dict[str, str]]]:
    return {"coding": [{"system": _AGENTS, "code": code}]}
