"""Uploaded documents: a Binary each for the bytes, a DocumentReference for what they are."""

import base64
import hashlib

from schemas.base import rfc3339
from session_controller.entered import Entered, EnteredField
from session_controller.fhir.building import build
from session_controller.fhir.evidence import SHA256
from session_controller.fhir.identity import Names
from session_controller.fhir.mapping import Mapping
from session_controller.fhir.people import PATIENT
from session_controller.fhir.resources import Attachment, CodeableConcept, Extension
from session_controller.fhir.resources_evidence import Binary, DocumentReference
from session_controller.record import RecordDocument


def binary_role(field_id: str) -> str:
    """Name the role of a document's bytes."""
    return f"binary:{field_id}"


def document_role(field_id: str) -> str:
    """Name the role of a document."""
    return f"document:{field_id}"


def sha1(data: bytes) -> str:
    """Hash as `Attachment.hash` wants it; it tells transmission errors, and proves nothing."""
    return base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def attachment_of(field: EnteredField, document: RecordDocument, names: Names) -> Attachment:
    """Describe a document, and say where its bytes are."""
    return Attachment(
        content_type=document.media_type,
        url=names.urn(binary_role(field.field_id)),
        size=len(document.data),
        hash=sha1(document.data),
        title=field.item.label,
        creation=rfc3339(document.received_at),
        extension=(
            Extension(url=SHA256, value_string=document.sha256),
            Extension(url=f"{SHA256}-original", value_string=document.original_sha256),
        ),
    )


def binary(document: RecordDocument, names: Names) -> Binary:
    """Write the bytes. The id is ours: Binary has no identifier to find it by (R4, 2.38)."""
    patient = names.reference(PATIENT, "Patient")
    return Binary(
        id=names.id(binary_role(document.field_id)),
        meta=names.meta,
        content_type=document.media_type,
        security_context=patient,
        data=base64.b64encode(document.data).decode(),
    )


def document_reference(
    field: EnteredField, document: RecordDocument, mapping: Mapping, names: Names
) -> DocumentReference:
    """Write what a document is; `final` once the staff took it."""
    coding = mapping.documents.get(field.item.link_id)
    concept = None
    if coding is not None:
        concept = build(CodeableConcept, {"coding": [coding.to_json()]})
    patient = names.reference(PATIENT, "Patient")
    return build(
        DocumentReference,
        {
            "meta": names.meta,
            "identifier": [names.identifier(document_role(field.field_id))],
            "docStatus": "final" if document.accepted else "preliminary",
            "type": concept,
            "subject": patient,
            "date": rfc3339(document.received_at),
            "author": [patient],
            "description": field.item.label,
            "content": [{"attachment": attachment_of(field, document, names)}],
        },
    )


def documents_of(entered: Entered) -> list[tuple[EnteredField, RecordDocument]]:
    """List the documents of fields that are on, in the flow's order."""
    return [(one, one.document) for one in entered.fields if one.document is not None]
