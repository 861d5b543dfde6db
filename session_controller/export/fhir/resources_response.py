"""QuestionnaireResponse and Bundle of FHIR R4."""

from typing import Annotated, Literal

from pydantic import Field

from session_controller.export.fhir.resources import (
    Attachment,
    Coding,
    Date,
    DateTime,
    Element,
    Extension,
    Identifier,
    Instant,
    Number,
    Quantity,
    Reference,
    Resource,
    String,
    Time,
    Uri,
)
from session_controller.export.fhir.resources_evidence import (
    Binary,
    Consent,
    DocumentReference,
    Provenance,
)
from session_controller.export.fhir.resources_people import Coverage, Patient, RelatedPerson


class ResponseAnswer(Element):
    """An answer; its question's type determines which value it has (9.5.2)."""

    value_boolean: bool | None = None
    value_decimal: Number | None = None
    value_integer: int | None = None
    value_date: Date | None = None
    value_date_time: DateTime | None = None
    value_time: Time | None = None
    value_string: String | None = None
    value_uri: Uri | None = None
    value_attachment: Attachment | None = None
    value_coding: Coding | None = None
    value_quantity: Quantity | None = None
    value_reference: Reference | None = None
    item: "tuple[ResponseItem, ...] | None" = None


class ResponseItem(Element):
    """A group, or a question with its answers (9.5.2)."""

    extension: tuple[Extension, ...] | None = None
    link_id: String
    text: String | None = None
    answer: tuple[ResponseAnswer, ...] | None = None
    item: "tuple[ResponseItem, ...] | None" = None


class QuestionnaireResponse(Resource):
    """The answers of a session (9.5)."""

    resource_type: Literal["QuestionnaireResponse"] = "QuestionnaireResponse"
    identifier: Identifier
    questionnaire: Uri
    status: Literal["in-progress", "completed", "amended", "entered-in-error", "stopped"]
    subject: Reference | None = None
    authored: DateTime
    author: Reference | None = None
    source: Reference | None = None
    item: tuple[ResponseItem, ...] | None = None


AnyResource = Annotated[
    Patient
    | RelatedPerson
    | Coverage
    | QuestionnaireResponse
    | Consent
    | DocumentReference
    | Binary
    | Provenance,
    Field(discriminator="resource_type"),
]


class Request(Element):
    """What the server should do with an entry (2.36.2, `Bundle.entry.request`)."""

    method: Literal["POST", "PUT"]
    url: Uri
    if_none_exist: String | None = None


class Entry(Element):
    """A resource, with the `fullUrl` by which others refer to it."""

    full_url: Uri
    resource: AnyResource
    request: Request


class Bundle(Resource):
    """A transaction: stored completely or not at all (3.1.0.11.2)."""

    resource_type: Literal["Bundle"] = "Bundle"
    identifier: Identifier
    type: Literal["transaction"] = "transaction"
    timestamp: Instant
    entry: tuple[Entry, ...]
