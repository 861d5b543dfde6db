"""Consents: one for each text that was put before somebody to sign, or question of consent."""

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from schemas.base import rfc3339
from schemas.questionnaire import FieldKind, Flow, Json
from session_controller.entered import Entered, EnteredField
from session_controller.fhir.building import build
from session_controller.fhir.documents import sha1
from session_controller.fhir.evidence import SHA256, evidence_extension
from session_controller.fhir.identity import Names
from session_controller.fhir.mapping import Mapping
from session_controller.fhir.people import PATIENT
from session_controller.fhir.resources import Attachment, Extension
from session_controller.fhir.resources_evidence import Consent
from session_controller.fhir.signers import Signers
from session_controller.record import SignatureEvidence

Status = Literal["active", "rejected", "inactive"]

_STATUS: dict[str, Status] = {"signed": "active", "declined": "rejected", "withdrawn": "inactive"}
_SCOPES = "http://terminology.hl7.org/CodeSystem/consentscope"
_CATEGORY = {
    "coding": [{"system": "http://loinc.org", "code": "59284-0", "display": "Patient Consent"}]
}


def consent_role(evidence: SignatureEvidence) -> str:
    """Name the role of a consent: a text that reads otherwise is another consent."""
    return f"consent:{evidence.field_id}:{evidence.document_sha256}"


def consents(
    entered: Entered, mapping: Mapping, signers: Signers, names: Names
) -> Iterator[tuple[str, Consent]]:
    """Write all consents, each with its role."""
    writer = _Writer(entered, mapping, signers, names)
    last = {consent_role(one): one for one in entered.record.signatures}
    for role, evidence in last.items():
        yield role, writer.signed(role, evidence)
    for field in entered.fields:
        asked = field.item.link_id in mapping.consents and field.item.type is FieldKind.BOOLEAN
        if asked and field.answers:
            yield f"consent:{field.field_id}", writer.answered(field)


@dataclass(frozen=True, slots=True)
class _Writer:
    entered: Entered
    mapping: Mapping
    signers: Signers
    names: Names

    def signed(self, role: str, evidence: SignatureEvidence) -> Consent:
        """Write what came of asking for a signature."""
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
            },
        )

    def answered(self, field: EnteredField) -> Consent:
        """Write a consent that is given by answering a question with yes."""
        record = self.entered.record
        return self._consent(
            f"consent:{field.field_id}",
            field.item.link_id,
            {
                "status": "active" if field.value is True else "rejected",
                "dateTime": rfc3339(record.state.updated_at),
                "performer": [self.signers.at(field.item.step_id)],
                "sourceAttachment": _text(field.item.text_in(record.language), record.language),
            },
        )

    def _status(self, evidence: SignatureEvidence) -> Status:
        """Give the status: a consent falls once its text reads otherwise, or was asked for anew."""
        if evidence.outcome == "signed" and not self.entered.stands(evidence):
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
    """Keep the exact text, with its hashes; None where there is none."""
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
