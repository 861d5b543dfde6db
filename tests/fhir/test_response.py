"""The QuestionnaireResponse alone is the one of the transaction Bundle."""

import json
from dataclasses import replace

import pytest

from schemas.wire.views import SessionStatus
from session_controller.export.fhir import transaction
from session_controller.export.fhir.mapping_file import MappingError, load_mapping
from session_controller.export.formats import NotWrittenError, written
from session_controller.export.record import Record
from session_controller.service.unit_of_work import ExportOrder
from tests.fhir.checks import named, of_type, the
from tests.fhir.records import NOW, answering, evidence, filled, record_of
from tests.flow.filling import our_flow

FLOWS = ["pre-registration", "quick-check-in"]


def _alone(record: Record) -> bytes:
    order = ExportOrder(
        device="admin-1",
        person=None,
        request_id="r-1",
        session=record.state.session,
        format="questionnaire-response",
        field_id=None,
        paper="us-letter",
        at=NOW,
    )
    body, media_type = written(record, order)
    assert media_type == "application/fhir+json"
    return body


def _of_the_bundle(record: Record) -> bytes:
    response = the(transaction(record), "QuestionnaireResponse")
    return json.dumps(response, ensure_ascii=False, indent=2).encode() + b"\n"


@pytest.mark.parametrize("name", FLOWS)
@pytest.mark.parametrize("seed", range(3))
def test_both_are_equal(name, seed):
    """Byte for byte, with documents and a signature."""
    record = record_of(filled(our_flow(name), seed))
    assert _alone(record) == _of_the_bundle(record)


def test_both_name_the_same_signer_where_another_person_signed():
    """The signer is the RelatedPerson of the Bundle, with their name."""
    patient = answering(our_flow("quick-check-in"), last_name="Okafor")
    signed = evidence(patient, "signature", printed_name="Ben Okafor", relationship="Father")
    record = record_of(patient, signatures=(signed,))
    body = _alone(record)
    assert body == _of_the_bundle(record)
    (who,) = (one["who"] for one in _signatures(json.loads(body)["item"]))
    assert who["display"] == "Ben Okafor"
    bundle = transaction(record)
    assert [named(bundle, who)] == of_type(bundle, "RelatedPerson")


def _signatures(items: list[dict]) -> list[dict]:
    found = []
    for item in items:
        found += [e["valueSignature"] for e in item.get("extension", []) if "valueSignature" in e]
        found += _signatures(item.get("item", []))
    return found


@pytest.mark.parametrize(
    ("status", "written_as"),
    [
        (SessionStatus.WAITING, "in-progress"),
        (SessionStatus.ACTIVE, "in-progress"),
        (SessionStatus.CANCELLED, "stopped"),
        (SessionStatus.EXPIRED, "stopped"),
    ],
)
@pytest.mark.parametrize("answers", [{}, {"last_name": "Okafor"}], ids=["empty", "begun"])
def test_a_session_that_is_not_completed_has_one(status, written_as, answers):
    """Its status says so, whether anything was entered or not."""
    record = record_of(answering(our_flow("quick-check-in"), **answers))
    record = replace(record, state=record.state.but(status=status))
    body = _alone(record)
    assert body == _of_the_bundle(record)
    assert json.loads(body)["status"] == written_as
    assert ("item" in json.loads(body)) == bool(answers)


def test_a_mapping_that_does_not_fit_is_reported():
    """The reasons are in the error, as for the Bundle."""
    flow, mapping = our_flow("quick-check-in"), {"signer": "nobody"}
    with pytest.raises(MappingError) as error:
        load_mapping(mapping, flow)
    with pytest.raises(NotWrittenError) as refused:
        _alone(record_of(answering(flow), mapping))
    assert str(refused.value) == str(error.value)
