"""Records for tests: a flow filled in by the plausible players, with documents and signatures."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from clients.simulator.answers import plausible_document, plausible_strokes
from schemas.base import Role
from schemas.questionnaire.load import Flow
from schemas.questionnaire.model import FieldKind
from schemas.wire.views import CoversScope, SessionStatus, SignatureStatus
from session_controller.engine.coverage import Covered, covered
from session_controller.engine.evidence import Reading, SignatureEvidence
from session_controller.engine.state import Covers, Document, SessionState, Signature
from session_controller.export.record import ChainHead, Record, RecordDevice, RecordDocument
from session_controller.forms import answers as rules
from tests.flow.filling import Patient

NOW = datetime(2026, 11, 22, 10, 15, 2, 120_000, tzinfo=UTC)


def record_of(patient: Patient, mapping=None, **changes) -> Record:
    """Make a record of what a patient has filled in."""
    flow, held = patient.flow, patient.held
    documents = tuple(_document(patient, one) for one in held.documents)
    signatures = tuple(evidence(patient, one) for one in held.signatures)
    state = SessionState(
        session="session-1",
        flow_ref=flow.flow_ref,
        label=None,
        opened_at=NOW - timedelta(minutes=9),
        updated_at=NOW,
        check_words=("amber", "falcon"),
        revision=90,
        status=SessionStatus.COMPLETED,
        answers=held.answers,
        instances=held.instances,
        documents={
            one.field_id: Document("u", len(one.data), one.original_sha256, one.media_type)
            for one in documents
        },
        reading=held.reading,
    )
    signatures = changes.setdefault("signatures", signatures)
    state = state.but(signatures={one.field_id: _held(flow, state, one) for one in signatures})
    record = Record(
        site="main-street",
        flow=flow,
        mapping=mapping,
        state=state,
        language="en",
        devices=(
            RecordDevice("desk-1", "Front desk", Role.FACILITY),
            RecordDevice("kiosk-1", "Kiosk", Role.PATIENT),
        ),
        documents=documents,
        signatures=signatures,
        history=(),
        head=ChainHead(120, "ab" * 32),
        exported_at=NOW + timedelta(minutes=1),
        exported_by="desk-1",
        software="handrail 0.1.0",
    )
    return replace(record, **changes)


def _held(flow: Flow, state: SessionState, one: SignatureEvidence) -> Signature:
    covers, digest = Covers(CoversScope.FORM, ()), one.document_sha256
    covered_sha256 = covered(flow, state, one.field_id, digest, covers).sha256
    status, language = SignatureStatus(one.outcome), _language(flow, state, one)
    return Signature(status, digest, NOW, covers, covered_sha256, language)


def _language(flow: Flow, state: SessionState, one: SignatureEvidence) -> str | None:
    """Return the language of a signed translation; None for the questionnaire's own."""
    own = rules.consent_document(flow, one.field_id, state.answers, state.instances)
    return None if hashlib.sha256(own).hexdigest() == one.document_sha256 else one.language


def filled(flow: Flow, seed: int = 1, *, wanted_only: bool = False) -> Patient:
    """Fill in a flow."""
    patient = Patient(flow, seed)
    assert patient.fill(wanted_only=wanted_only).complete
    return patient


def answering(flow: Flow, **answers) -> Patient:
    """Enter these answers alone: `first_name` for the linkId `first-name`."""
    patient = Patient(flow)
    patient.held = replace(
        patient.held, answers={name.replace("_", "-"): value for name, value in answers.items()}
    )
    return patient


def evidence(patient: Patient, field_id: str, **changes) -> SignatureEvidence:
    """Sign a field."""
    held, flow = patient.held, patient.flow
    text = rules.consent_document(
        flow, field_id, held.answers, held.instances, documents=held.documents, reading=held.reading
    ).decode()
    place = rules.resolve(flow, field_id)
    assert place is not None
    made = SignatureEvidence(
        field_id=field_id,
        outcome="signed",
        meaning=place.item.text,
        text=text,
        document_sha256=hashlib.sha256(text.encode()).hexdigest(),
        covered=Covered((), tuple(held.answers), "ef" * 32),
        scope=CoversScope.FORM,
        changed_after=(),
        language="en",
        flow_ref=flow.flow_ref,
        flow_version=flow.version,
        requested_at=NOW - timedelta(seconds=40),
        requested_by="desk-1",
        staff_name="R. Molina",
        decided_at=NOW - timedelta(seconds=20),
        decided_on="kiosk-1",
        printed_name=None,
        relationship=None,
        reason=None,
        strokes=plausible_strokes(Random(3)),
        reading=tuple(
            Reading(name, part, 31.5, NOW - timedelta(seconds=80), NOW - timedelta(seconds=50))
            for name, part in held.reading.items()
        ),
        revision=88,
        chain="cd" * 32,
    )
    return replace(made, **changes)


def _document(patient: Patient, field_id: str) -> RecordDocument:
    place = rules.resolve(patient.flow, field_id)
    assert place is not None
    assert place.item.kind is FieldKind.ATTACHMENT
    data, media_type = plausible_document(place.item, Random(5))
    sha256 = hashlib.sha256(data).hexdigest()
    return RecordDocument(
        field_id, media_type, data, sha256, sha256, len(data), NOW - timedelta(minutes=2), True
    )
