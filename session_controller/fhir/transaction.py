"""A record becomes a FHIR R4 transaction Bundle (hl7.org/fhir/R4/http.html#transaction).

Sending it twice makes nothing double: what has an identifier is created only if the server has
none with it (`ifNoneExist`); Binary and Provenance, which have none, are put under ids that are
ours, and stay the same. docs/fhir.md says what becomes what.
"""

from collections.abc import Iterator

from schemas.base import rfc3339
from schemas.questionnaire import Json
from schemas.views import SessionStatus
from session_controller.entered import Entered, entered
from session_controller.fhir import definitions
from session_controller.fhir.building import build
from session_controller.fhir.consents import consents
from session_controller.fhir.documents import (
    attachment_of,
    binary,
    binary_role,
    document_reference,
    document_role,
    documents_of,
)
from session_controller.fhir.evidence import signature_of
from session_controller.fhir.identity import Names
from session_controller.fhir.mapping import Mapping
from session_controller.fhir.mapping_file import load_mapping
from session_controller.fhir.people import PATIENT, people
from session_controller.fhir.provenances import provenance, provenance_role, target_of
from session_controller.fhir.resources import Resource
from session_controller.fhir.resources_response import Bundle, QuestionnaireResponse
from session_controller.fhir.signers import Signers, with_signers
from session_controller.record import Record
from session_controller.response import questionnaire_response

_RESPONSE = "response"
_STATUS = {
    SessionStatus.COMPLETED: "completed",
    SessionStatus.CANCELLED: "stopped",
    SessionStatus.EXPIRED: "stopped",
}


def transaction(record: Record) -> dict[str, Json]:
    """Write a record as a transaction Bundle.

    Raises `MappingError` where the record's mapping does not fit its flow, and `ExportError` where
    something cannot be written; neither says what was entered.
    """
    names = Names(record.site, record.state.session)
    bundle = build(
        Bundle,
        {
            "identifier": names.identifier("bundle"),
            "timestamp": rfc3339(record.exported_at),
            "entry": [_entry(role, one, names) for role, one in _resources(record, names)],
        },
    )
    return bundle.to_json()


def mapping_of(record: Record) -> Mapping:
    """Give the mapping that holds: the file beside the flow, else what the flow itself says."""
    if record.mapping is None:
        return definitions.mapping_of(record.flow)
    return load_mapping(record.mapping, record.flow)


def _resources(record: Record, names: Names) -> Iterator[tuple[str, Resource]]:
    """Make each resource with its role, so that none refers to one that comes later."""
    mapping, fields = mapping_of(record), entered(record)
    signers = with_signers(fields, mapping, people(fields, mapping, names))
    persons = signers.people
    yield PATIENT, persons.patient
    yield from persons.related.items()
    yield from persons.coverages.items()
    for field, document in documents_of(fields):
        yield binary_role(field.field_id), binary(document, names)
        reference = document_reference(field, document, mapping, names)
        yield document_role(field.field_id), reference
    yield _RESPONSE, _response(fields, signers, names)
    yield from consents(fields, mapping, signers, names)
    for evidence in record.signatures:
        targets = [target_of(evidence, names)]
        if fields.stands(evidence):
            targets.append(names.reference(_RESPONSE, "QuestionnaireResponse"))
        made = provenance(evidence, targets, signers, names)
        yield provenance_role(evidence), made


def _response(fields: Entered, signers: Signers, names: Names) -> QuestionnaireResponse:
    record = fields.record
    state = record.state
    written = questionnaire_response(
        record.flow,
        state.answers,
        state.instances,
        status=_STATUS.get(state.status, "in-progress"),
        authored=rfc3339(state.updated_at),
        attachments={
            field.field_id: attachment_of(field, document, names).to_json()
            for field, document in documents_of(fields)
        },
        signatures={
            field_id: signature_of(one, signers.of(one)).to_json()
            for field_id, one in fields.signatures.items()
            if fields.stands(one)
        },
        reading=state.reading,
        identifier=names.identifier(_RESPONSE).to_json(),
        subject=names.reference(PATIENT, "Patient").to_json(),
        language=record.language,
    )
    return build(QuestionnaireResponse, {**written, "meta": names.meta})


def _entry(role: str, resource: Resource, names: Names) -> dict[str, Json]:
    kind = type(resource).__name__
    if resource.id is not None:
        request = {"method": "PUT", "url": f"{kind}/{resource.id}"}
    else:
        request = {"method": "POST", "url": kind, "ifNoneExist": names.search(role)}
    return {"fullUrl": names.urn(role), "resource": resource, "request": request}
