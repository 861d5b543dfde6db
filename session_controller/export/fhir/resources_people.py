"""Patient, RelatedPerson and Coverage of FHIR R4, which answers are mapped to."""

from typing import Annotated, Literal

from pydantic import Field

from session_controller.export.fhir.resources import (
    Address,
    CodeableConcept,
    ContactPoint,
    Date,
    Element,
    HumanName,
    Identifier,
    Period,
    Reference,
    Resource,
    String,
)

Gender = Literal["male", "female", "other", "unknown"]


class PatientContact(Element):
    """A contact person of the patient (8.1.2, `Patient.contact`)."""

    relationship: tuple[CodeableConcept, ...] | None = None
    name: HumanName | None = None
    telecom: tuple[ContactPoint, ...] | None = None
    address: Address | None = None
    gender: Gender | None = None
    organization: Reference | None = None


class PatientCommunication(Element):
    """A language for talking to the patient (8.1.2, `Patient.communication`)."""

    language: CodeableConcept
    preferred: bool | None = None


class Patient(Resource):
    """The patient (8.1)."""

    resource_type: Literal["Patient"] = "Patient"
    identifier: tuple[Identifier, ...] | None = None
    active: bool | None = None
    name: tuple[HumanName, ...] | None = None
    telecom: tuple[ContactPoint, ...] | None = None
    gender: Gender | None = None
    birth_date: Date | None = None
    address: tuple[Address, ...] | None = None
    marital_status: CodeableConcept | None = None
    contact: tuple[PatientContact, ...] | None = None
    communication: tuple[PatientCommunication, ...] | None = None
    general_practitioner: tuple[Reference, ...] | None = None


class RelatedPerson(Resource):
    """A person related to the patient (8.10); `relationship` is theirs to the patient."""

    resource_type: Literal["RelatedPerson"] = "RelatedPerson"
    identifier: tuple[Identifier, ...] | None = None
    active: bool | None = None
    patient: Reference
    relationship: tuple[CodeableConcept, ...] | None = None
    name: tuple[HumanName, ...] | None = None
    telecom: tuple[ContactPoint, ...] | None = None
    gender: Gender | None = None
    birth_date: Date | None = None
    address: tuple[Address, ...] | None = None


class CoverageClass(Element):
    """A group, plan or other class of a coverage (13.1.2, `Coverage.class`)."""

    type: CodeableConcept
    value: String
    name: String | None = None


class Coverage(Resource):
    """An insurance coverage (13.1); `relationship` is the beneficiary's to the subscriber."""

    resource_type: Literal["Coverage"] = "Coverage"
    identifier: tuple[Identifier, ...] | None = None
    status: Literal["active", "cancelled", "draft", "entered-in-error"]
    type: CodeableConcept | None = None
    policy_holder: Reference | None = None
    subscriber: Reference | None = None
    subscriber_id: String | None = None
    beneficiary: Reference
    dependent: String | None = None
    relationship: CodeableConcept | None = None
    period: Period | None = None
    payor: Annotated[tuple[Reference, ...], Field(min_length=1)]
    class_: tuple[CoverageClass, ...] | None = Field(None, alias="class")
    order: Annotated[int, Field(ge=1)] | None = None
    network: String | None = None
