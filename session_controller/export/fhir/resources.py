"""The data types of FHIR R4 (hl7.org/fhir/R4/datatypes.html) that an export uses.

Fields have their FHIR names in JSON (`by_alias`); None is omitted. An error never contains an
invalid value.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from schemas.base import DEFERRED

String = Annotated[str, Field(min_length=1, pattern=r"\S")]
Code = Annotated[str, Field(pattern=r"^\S+( \S+)*$")]
Uri = Annotated[str, Field(pattern=r"^\S+$")]
Url = Annotated[str, Field(pattern=r"^\S+$")]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9\-.]{1,64}$")]
Date = Annotated[str, Field(pattern=r"^\d{4}(-\d{2}(-\d{2})?)?$")]
DateTime = Annotated[
    str,
    Field(
        pattern=r"^\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?$",
    ),
]
Instant = Annotated[
    str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})$")
]
Time = Annotated[str, Field(pattern=r"^\d{2}:\d{2}:\d{2}(\.\d+)?$")]
Base64 = Annotated[str, Field(pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
Number = int | float


class Element(BaseModel):
    """Base of all parts of a resource."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        **DEFERRED,
    )

    def to_json(self) -> dict[str, Any]:
        """Return JSON with FHIR's names."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Coding(Element):
    """A code from a code system (2.24.0.5)."""

    system: Uri | None = None
    version: String | None = None
    code: Code | None = None
    display: String | None = None
    user_selected: bool | None = None


class CodeableConcept(Element):
    """A concept: its codes and its text (2.24.0.6)."""

    coding: tuple[Coding, ...] | None = None
    text: String | None = None


class Quantity(Element):
    """A measured amount (2.24.0.7)."""

    value: Number | None = None
    unit: String | None = None
    system: Uri | None = None
    code: Code | None = None


class Period(Element):
    """A period of time (2.24.0.13)."""

    start: DateTime | None = None
    end: DateTime | None = None


class Identifier(Element):
    """An identifier assigned by a system (2.24.0.11)."""

    use: Literal["usual", "official", "temp", "secondary", "old"] | None = None
    type: CodeableConcept | None = None
    system: Uri | None = None
    value: String | None = None


class Reference(Element):
    """A reference to another resource (2.3.0): literal, by identifier, or as text."""

    reference: String | None = None
    type: Uri | None = None
    identifier: Identifier | None = None
    display: String | None = None
    extension: "tuple[Extension, ...] | None" = None


class HumanName(Element):
    """A person's name (2.24.0.14)."""

    use: Literal["usual", "official", "temp", "nickname", "anonymous", "old", "maiden"] | None = (
        None
    )
    text: String | None = None
    family: String | None = None
    given: tuple[String, ...] | None = None
    prefix: tuple[String, ...] | None = None
    suffix: tuple[String, ...] | None = None


class Address(Element):
    """A postal address (2.24.0.15)."""

    use: Literal["home", "work", "temp", "old", "billing"] | None = None
    type: Literal["postal", "physical", "both"] | None = None
    text: String | None = None
    line: tuple[String, ...] | None = None
    city: String | None = None
    district: String | None = None
    state: String | None = None
    postal_code: String | None = None
    country: String | None = None


class ContactPoint(Element):
    """A phone number or other contact details (2.24.0.16)."""

    system: Literal["phone", "fax", "email", "pager", "url", "sms", "other"] | None = None
    value: String | None = None
    use: Literal["home", "work", "temp", "old", "mobile"] | None = None
    rank: Annotated[int, Field(ge=1)] | None = None


class Attachment(Element):
    """A document, or its location (2.24.0.19); `hash` is its SHA-1, in base64."""

    content_type: Code | None = None
    language: Code | None = None
    data: Base64 | None = None
    url: Url | None = None
    size: Annotated[int, Field(ge=0)] | None = None
    hash: Base64 | None = None
    title: String | None = None
    creation: DateTime | None = None
    extension: "tuple[Extension, ...] | None" = None


class Signature(Element):
    """A signature: who signed, when, and its picture (2.24.0.18)."""

    type: Annotated[tuple[Coding, ...], Field(min_length=1)]
    when: Instant
    who: Reference
    on_behalf_of: Reference | None = None
    target_format: Code | None = None
    sig_format: Code | None = None
    data: Base64 | None = None
    extension: "tuple[Extension, ...] | None" = None


class Extension(Element):
    """An extension, for what R4 has no element for (2.4.0)."""

    url: Uri
    extension: "tuple[Extension, ...] | None" = None
    value_string: String | None = None
    value_integer: int | None = None
    value_decimal: Number | None = None
    value_code: Code | None = None
    value_uri: Uri | None = None
    value_instant: Instant | None = None
    value_signature: Signature | None = None


class Meta(Element):
    """Metadata of a resource (2.27.0): `source` names its session, `security` marks a rehearsal."""

    source: Uri | None = None
    security: tuple[Coding, ...] | None = None


class Resource(Element):
    """Base of all resources. `id` is set only if we, the client, assign it."""

    id: Id | None = None
    meta: Meta | None = None
    language: Code | None = None
