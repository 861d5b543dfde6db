"""Provenance: how each signature decision was made, and who said who the patient is."""

from schemas.base import rfc3339
from session_controller.engine.evidence import SignatureEvidence
from session_controller.engine.state import Identification
from session_controller.export.consents import consent_role
from session_controller.export.fhir.building import build
from session_controller.export.fhir.evidence import EVIDENCE, evidence_extension, signature_of
from session_controller.export.fhir.identity import PATIENT, Names
from session_controller.export.fhir.resources import Extension, Reference
from session_controller.export.fhir.resources_evidence import Provenance
from session_controller.export.fhir.signers import Signers

_AGENTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

_AGENT = {"signed": "attester", "declined": "performer", "withdrawn": "performer"}


IDENTIFIED = "provenance:identified"
"""The role of staff's statement of who the patient is."""


def identification_provenance(identified: Identification, names: Names) -> Provenance:
    """Return that staff said who the patient is, which the answers did not."""
    at, who = rfc3339(identified.at), identified.staff_name or identified.device
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
            "agent": [{"type": _agent("enterer"), "who": {"display": who}}],
        },
    )


def provenance_role(evidence: SignatureEvidence) -> str:
    """Return the role of a decision; it is unique, since a session's revisions are."""
    return f"provenance:{evidence.field_id}:{evidence.revision}"


def provenance(
    evidence: SignatureEvidence, targets: list[Reference], signers: Signers, names: Names
) -> Provenance:
    """Return a decision. The client assigns the id: Provenance has no identifier (R4, 6.3)."""
    who = signers.of(evidence)
    asked = evidence.staff_name or evidence.requested_by
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
            "agent": [attester, {"type": _agent("enterer"), "who": {"display": asked}}],
            "signature": [signature_of(evidence, who)] if _is_signed(evidence) else None,
        },
    )


def target_of(evidence: SignatureEvidence, names: Names) -> Reference:
    """Return a reference to the consent that was decided."""
    return names.reference(consent_role(evidence), "Consent")


def _is_signed(evidence: SignatureEvidence) -> bool:
    return evidence.outcome == "signed" and bool(evidence.strokes)


def _agent(code: str) -> dict[str, list[dict[str, str]]]:
    return {"coding": [{"system": _AGENTS, "code": code}]}
