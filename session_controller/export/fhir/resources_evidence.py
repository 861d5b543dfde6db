"""Consent, DocumentReference, Binary and Provenance of FHIR R4."""

from typing import Annotated, Literal

from pydantic import Field

from session_controller.export.fhir.resources import (
    Attachment,
    Base64,
    Code,
    CodeableConcept,
    DateTime,
    Element,
    Extension,
    Identifier,
    Instant,
    Reference,
    Resource,
    Signature,
    String,
    Uri,
)


class ConsentPolicy(Element):
    """The policy of a consent (6.2.2, `Consent.policy`), required by ppc-1."""

    uri: Uri


class ConsentProvision(Element):
    """Whether a consent permits or denies (6.2.2, `Consent.provision`)."""

    type: Literal["permit", "deny"]


class Consent(Resource):
    """A consent and its decision (6.2)."""

    resource_type: Literal["Consent"] = "Consent"
    extension: tuple[Extension, ...] | None = None
    identifier: tuple[Identifier, ...]
    status: Literal["active", "rejected", "inactive"]
    scope: CodeableConcept
    category: Annotated[tuple[CodeableConcept, ...], Field(min_length=1)]
    patient: Reference
    date_time: DateTime
    performer: tuple[Reference, ...] | None = None
    source_attachment: Attachment | None = None
    policy: Annotated[tuple[ConsentPolicy, ...], Field(min_length=1)]
    provision: ConsentProvision


class DocumentContent(Element):
    """The location of a document (10.3.2, `DocumentReference.content`)."""

    attachment: Attachment


class DocumentReference(Resource):
    """A document that the patient submitted (10.3)."""

    resource_type: Literal["DocumentReference"] = "DocumentReference"
    identifier: tuple[Identifier, ...]
    status: Literal["current"] = "current"
    doc_status: Literal["preliminary", "final"]
    type: CodeableConcept | None = None
    subject: Reference
    date: Instant
    author: tuple[Reference, ...] | None = None
    description: String | None = None
    content: Annotated[tuple[DocumentContent, ...], Field(min_length=1)]


class Binary(Resource):
    """The bytes of a document (2.38)."""

    resource_type: Literal["Binary"] = "Binary"
    content_type: Code
    security_context: Reference | None = None
    data: Base64


class ProvenanceAgent(Element):
    """Who took part, and in which role (6.3.2, `Provenance.agent`)."""

    type: CodeableConcept | None = None
    who: Reference
    on_behalf_of: Reference | None = None


class Provenance(Resource):
    """How something was created, with signatures (6.3)."""

    resource_type: Literal["Provenance"] = "Provenance"
    extension: tuple[Extension, ...] | None = None
    target: Annotated[tuple[Reference, ...], Field(min_length=1)]
    occurred_date_time: DateTime
    recorded: Instant
    reason: tuple[CodeableConcept, ...] | None = None
    activity: CodeableConcept | None = None
    agent: Annotated[tuple[ProvenanceAgent, ...], Field(min_length=1)]
    signature: tuple[Signature, ...] | None = None
