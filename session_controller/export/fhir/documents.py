"""Uploaded documents: a Binary with the bytes and a DocumentReference with the metadata."""

import base64
import hashlib

from schemas.base import rfc3339
from session_controller.export.answered import Entered, EnteredField
from session_controller.export.fhir.building import build
from session_controller.export.fhir.evidence import SHA256
from session_controller.export.fhir.identity import PATIENT, Names
from session_controller.export.fhir.mapping import Mapping
from session_controller.export.fhir.resources import Attachment, CodeableConcept, Extension
from session_controller.export.fhir.resources_evidence import Binary, DocumentReference
from session_controller.export.record import RecordDocument


def binary_role(field_id: str) -> str:
    """Return the role of a document's bytes."""
    return f"binary:{field_id}"


def document_role(field_id: str) -> str:
    """Return the role of a document."""
    return f"document:{field_id}"


def sha1(data: bytes) -> str:
    """Return the hash for `Attachment.hash`; it detects transmission errors, not tampering."""
    return base64.b64encode(hashlib.sha1(data, usedforsecurity=False).digest()).decode()


def attachment_of(field: EnteredField, document: RecordDocument, names: Names) -> Attachment:
    """Describe a document, and refer to its bytes."""
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
    """Return the bytes. The client assigns the id: Binary has no identifier (R4, 2.38)."""
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
    """Return a document's metadata; `final` once staff accepted it."""
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
    """Return the documents of enabled fields, in the flow's order."""
    return [(one, one.document) for one in entered.fields if one.document is not None]
