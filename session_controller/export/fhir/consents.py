"""Consents as FHIR: one for each text presented for signature, and for each consent question."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from schemas.base import rfc3339
from schemas.questionnaire.model import Flow, Json
from session_controller.engine.evidence import SignatureEvidence
from session_controller.export.answered import Entered
from session_controller.export.consents import AnsweredConsent, SignedConsent, consents_of
from session_controller.export.fhir.building import build
from session_controller.export.fhir.documents import sha1
from session_controller.export.fhir.evidence import SHA256, evidence_extension
from session_controller.export.fhir.identity import PATIENT, Names
from session_controller.export.fhir.mapping import Mapping
from session_controller.export.fhir.resources import Attachment, Extension
from session_controller.export.fhir.resources_evidence import Consent
from session_controller.export.fhir.signers import Signers

Status = Literal["active", "rejected", "inactive"]

_STATUS: dict[str, Status] = {"signed": "active", "declined": "rejected", "withdrawn": "inactive"}
_EARLIER = {"display": "somebody who was entered as the patient before"}
_SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
_CATEGORY = {
    "coding": [{"system": "http://loinc.org", "code": "59284-0", "display": "Patient Consent"}]
}


def consents(
    entered: Entered, mapping: Mapping, signers: Signers, names: Names
) -> Iterator[tuple[str, Consent]]:
    """Yield all consents, each with its role."""
    writer = _Writer(entered, mapping, signers, names)
    for one in consents_of(entered):
        match one:
            case SignedConsent():
                yield one.role, writer.signed(one.role, one.evidence)
            case AnsweredConsent():
                yield one.role, writer.answered(one)


@dataclass(frozen=True, slots=True)
class _Writer:
    entered: Entered
    mapping: Mapping
    signers: Signers
    names: Names

    def signed(self, role: str, evidence: SignatureEvidence) -> Consent:
        """Return the consent for the outcome of a signature request."""
        item = self.entered.item(evidence.field_id)
        return self._consent(
            role,
            "" if item is None else item.link_id,
            {
                "extension": [evidence_extension(evidence)],
                "status": self._status(evidence),
                "dateTime": rfc3339(evidence.decided_at),
                "performer": [self.signers.of(evidence)],
                "sourceAttachment": _text(evidence.text, evidence.language, evidence.meaning),
                **({"patient": _EARLIER} if evidence.other_patient else {}),
            },
        )

    def answered(self, consent: AnsweredConsent) -> Consent:
        """Return the consent that is given by answering a question with yes."""
        record, field = self.entered.record, consent.field
        return self._consent(
            consent.role,
            field.item.link_id,
            {
                "status": "active" if consent.given else "rejected",
                "dateTime": rfc3339(record.state.updated_at),
                "performer": [self.signers.at(field.item.step_id)],
                "sourceAttachment": _text(field.item.text_in(record.language), record.language),
            },
        )

    def _status(self, evidence: SignatureEvidence) -> Status:
        """Return the status: inactive if the text has changed or a later outcome exists."""
        if evidence.other_patient:
            return "inactive"
        if evidence.outcome == "signed" and not self.entered.stands(evidence):
            return "inactive"
        if evidence.outcome == "declined" and self.entered.declined_before(evidence):
            return "inactive"
        return _STATUS[evidence.outcome]

    def _consent(self, role: str, link_id: str, decided: dict[str, Json]) -> Consent:
        scope = self.mapping.consents.get(link_id, "treatment")
        same = {
            "meta": self.names.meta,
            "identifier": [self.names.identifier(role)],
            "scope": {"coding": [{"system": _SCOPES, "code": scope}]},
            "category": [_CATEGORY],
            "patient": self.names.reference(PATIENT, "Patient"),
            "policy": [{"uri": _policy(self.entered.record.flow)}],
            "provision": {"type": "permit" if decided["status"] == "active" else "deny"},
        }
        return build(Consent, same | decided)


def _text(text: str, language: str | None, title: str = "") -> Attachment | None:
    """Return the exact text with its hashes, or None if there is none."""
    data = text.encode()
    if not data:
        return None
    return Attachment(
        content_type="text/plain",
        language=language,
        data=base64.b64encode(data).decode(),
        size=len(data),
        hash=sha1(data),
        title=title.strip() or None,
        extension=(Extension(url=SHA256, value_string=hashlib.sha256(data).hexdigest()),),
    )


def _policy(flow: Flow) -> str:
    return flow.url or f"urn:handrail:flow:{flow.flow_ref}"
