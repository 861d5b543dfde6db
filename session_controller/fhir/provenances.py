"""Provenance: how each decision on a signature came to be, with the signature itself."""

from schemas.base import rfc3339
from session_controller.fhir.building import build
from session_controller.fhir.consents import consent_role
from session_controller.fhir.evidence import evidence_extension, signature_of
from session_controller.fhir.identity import Names
from session_controller.fhir.people import PATIENT
from session_controller.fhir.resources import Reference
from session_controller.fhir.resources_evidence import Provenance
from session_controller.fhir.signers import Signers
from session_controller.record import SignatureEvidence

_AGENTS = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"

_AGENT = {"signed": "attester", "declined": "performer", "withdrawn": "performer"}


def provenance_role(evidence: SignatureEvidence) -> str:
    """Name the role of a decision: a session's revisions count up, so no two share one."""
    return f"provenance:{evidence.field_id}:{evidence.revision}"


def provenance(
    evidence: SignatureEvidence, targets: list[Reference], signers: Signers, names: Names
) -> Provenance:
    """Write one decision. The id is ours: Provenance has no identifier (R4, 6.3)."""
    who = signers.of(evidence)
    asked = evidence.staff_name or evidence.requested_by
    patient = names.reference(PATIENT, "Patient")
    attester = {"type": _agent(_AGENT[evidence.outcome]), "who": who}
    if who.reference != patient.reference:
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
    """Refer to the consent that a decision is about."""
    return names.reference(consent_role(evidence), "Consent")


def _is_signed(evidence: SignatureEvidence) -> bool:
    return evidence.outcome == "signed" and bool(evidence.strokes)


def _agent(code: str) -> dict[str, list[dict[str, str]]]:
    return {"coding": [{"system": _AGENTS, "code": code}]}
