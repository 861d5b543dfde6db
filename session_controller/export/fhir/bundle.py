"""A record as a FHIR R4 transaction Bundle (hl7.org/fhir/R4/http.html#transaction).

Sending it twice creates no duplicates: a resource with an identifier is created only if the server
has none with it (`ifNoneExist`); Binary and Provenance, which have no identifier, are PUT under
stable ids of ours. docs/reference/fhir-mapping.md describes the mapping.
"""

from collections.abc import Iterator

from schemas.base import rfc3339
from schemas.questionnaire.model import Json
from schemas.wire.views import CoversScope, SessionStatus
from session_controller.export.answered import Entered, entered
from session_controller.export.fhir.building import build
from session_controller.export.fhir.consents import consents
from session_controller.export.fhir.documents import (
    attachment_of,
    binary,
    binary_role,
    document_reference,
    document_role,
    documents_of,
)
from session_controller.export.fhir.evidence import signature_of
from session_controller.export.fhir.flow_mapping import mapping_of
from session_controller.export.fhir.identity import PATIENT, Names
from session_controller.export.fhir.people import people
from session_controller.export.fhir.provenances import (
    IDENTIFIED,
    identification_provenance,
    provenance,
    provenance_role,
    target_of,
)
from session_controller.export.fhir.resources import Resource
from session_controller.export.fhir.resources_response import Bundle, QuestionnaireResponse
from session_controller.export.fhir.signers import Signers, with_signers
from session_controller.export.record import Record
from session_controller.forms.response import questionnaire_response

_RESPONSE = "response"
_STATUS = {
    SessionStatus.COMPLETED: "completed",
    SessionStatus.CANCELLED: "stopped",
    SessionStatus.EXPIRED: "stopped",
}


def transaction(record: Record) -> dict[str, Json]:
    """Return a record as a transaction Bundle.

    Raises `MappingError` if the record's mapping does not fit its flow, and `ExportError` if a
    resource cannot be written; neither quotes what was entered.
    """
    names = Names(record.site, record.state.session, record.state.test)
    bundle = build(
        Bundle,
        {
            "identifier": names.identifier("bundle"),
            **({"meta": names.meta} if names.test else {}),
            "timestamp": rfc3339(record.exported_at),
            "entry": [_entry(role, one, names) for role, one in _resources(record, names)],
        },
    )
    return bundle.to_json()


def response(record: Record) -> dict[str, Json]:
    """Return the Bundle's QuestionnaireResponse alone; its references point into the Bundle.

    Raises `MappingError` and `ExportError`, as `transaction` does.
    """
    names = Names(record.site, record.state.session, record.state.test)
    mapping, fields = mapping_of(record), entered(record)
    signers = with_signers(fields, mapping, people(fields, mapping, names))
    return _response(fields, signers, names).to_json()


def _resources(record: Record, names: Names) -> Iterator[tuple[str, Resource]]:
    """Yield each resource with its role, so that none refers to a later one."""
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
    if record.state.identified is not None:
        yield IDENTIFIED, identification_provenance(record, record.state.identified, names)
    for evidence in record.signatures:
        targets = [target_of(evidence, names)]
        if evidence.scope is CoversScope.FORM and fields.stands(evidence):
            targets.append(names.reference(_RESPONSE, "QuestionnaireResponse"))
        made = provenance(record, evidence, targets, signers, names)
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
        today=fields.assessment.held.today,
        computed=state.computed,
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
