"""Records as a session leaves them, made of a filled form: nothing runs, nothing is stored."""

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from clients.simulator.answers import plausible_document, plausible_strokes
from schemas.base import Role
from schemas.questionnaire.load import Flow
from schemas.questionnaire.model import FieldKind, Json
from schemas.wire.views import CoversScope, DocumentStatus, SessionStatus, SignatureStatus
from session_controller.engine.coverage import covered
from session_controller.engine.evidence import Reading, SignatureEvidence
from session_controller.engine.state import Covers, Document, SessionState, Signature
from session_controller.export.record import ChainHead, Record, RecordDevice, RecordDocument
from session_controller.forms.answers import consent_document
from tests.flow.filling import Patient

BEGAN = datetime(2026, 11, 27, 9, 3, 12, 345000, tzinfo=UTC)
SESSION = "0192f7d2-6a3b-7c11-9e55-3f0a7f7d7c01"


def sha256(text: str | bytes) -> str:
    """Hash a text or bytes."""
    return hashlib.sha256(text.encode() if isinstance(text, str) else text).hexdigest()


def record_of(
    flow: Flow,
    answers: dict[str, Json] | None = None,
    *,
    language: str | None = "en",
    **more: object,
) -> Record:
    """Make the record of a session with these answers, and nothing else."""
    state = SessionState(
        session=SESSION,
        flow_ref=flow.flow_ref,
        label="Room 3",
        opened_at=BEGAN,
        updated_at=BEGAN + timedelta(minutes=14),
        check_words=("harbor", "lamp"),
        status=SessionStatus.COMPLETED,
        answers=answers or {},
    )
    made = Record(
        site="Harbor Street Clinic",
        flow=flow,
        mapping=None,
        state=state,
        language=language,
        devices=(
            RecordDevice("desk-1", "Front desk", Role.FACILITY),
            RecordDevice("kiosk-1", "Kiosk 1", Role.PATIENT),
        ),
        documents=(),
        signatures=(),
        history=(),
        head=ChainHead(1841, sha256("head")),
        exported_at=BEGAN + timedelta(minutes=20),
        exported_by="desk-1",
        software="handrail 0.1.0",
    )
    return replace(made, **more)  # type: ignore[arg-type]


def filled_record(flow: Flow, *, seed: int = 7, language: str | None = "en") -> Record:
    """Make the record of a session that a plausible patient went through to its end."""
    patient = Patient(flow, seed)
    patient.fill()
    rng = Random(seed)
    record = record_of(flow, dict(patient.held.answers), language=language)
    documents = [_document(flow, field_id, rng) for field_id in patient.attachments]
    state = record.state.but(
        instances=patient.held.instances,
        reading=patient.held.reading,
        documents={one.field_id: _announced(one) for one in documents},
    )
    signatures = tuple(
        signed(flow, state, field_id, rng, language) for field_id in patient.signatures
    )
    state = state.but(
        signatures={
            one.field_id: _standing(flow, state, one.field_id, one.decided_at) for one in signatures
        }
    )
    return replace(record, state=state, documents=tuple(documents), signatures=signatures)


def _standing(flow: Flow, state: SessionState, field_id: str, at: datetime) -> Signature:
    digest, covers = sha256(_text(flow, state, field_id, None)), Covers(CoversScope.FORM, ())
    covered_sha256 = covered(flow, state, field_id, digest, covers).sha256
    return Signature(SignatureStatus.SIGNED, digest, at, covers, covered_sha256)


def _document(flow: Flow, field_id: str, rng: Random) -> RecordDocument:
    data, media_type = plausible_document(flow.items[field_id.rpartition("].")[2]], rng)
    return document(field_id, data, media_type)


def document(
    field_id: str, data: bytes, media_type: str, *, accepted: bool = True
) -> RecordDocument:
    """Make a document that is there."""
    return RecordDocument(
        field_id=field_id,
        media_type=media_type,
        data=data,
        sha256=sha256(data),
        original_sha256=sha256(data + b"with its metadata"),
        original_size=len(data) + 17,
        received_at=BEGAN + timedelta(minutes=5),
        accepted=accepted,
    )


def _announced(one: RecordDocument) -> Document:
    status = DocumentStatus.ACCEPTED if one.accepted else DocumentStatus.RECEIVED
    size = one.original_size
    return Document("upload", size, one.original_sha256, one.media_type, size, status)


def _text(flow: Flow, state: SessionState, field_id: str, language: str | None) -> str:
    return consent_document(
        flow,
        field_id,
        state.answers,
        state.instances,
        language,
        documents={k: d.status.value for k, d in state.documents.items()},
        reading=state.reading,
    ).decode()


def signed(
    flow: Flow, state: SessionState, field_id: str, rng: Random, language: str | None = "en"
) -> SignatureEvidence:
    """Make the evidence of a signature that was given."""
    text = _text(flow, state, field_id, language)
    consents = [i for i in flow.items.values() if i.kind is FieldKind.CONSENT]
    asked = BEGAN + timedelta(minutes=11)
    return SignatureEvidence(
        field_id=field_id,
        outcome="signed",
        meaning=flow.items[field_id].text_in(language),
        text=text,
        document_sha256=sha256(text),
        covered=covered(flow, state, field_id, sha256(text), Covers(CoversScope.FORM, ())),
        scope=CoversScope.FORM,
        changed_after=(),
        language=language,
        flow_ref=flow.flow_ref,
        flow_version=flow.version,
        requested_at=asked,
        requested_by="desk-1",
        staff_name="Dana Whitfield",
        decided_at=asked + timedelta(seconds=74, milliseconds=218),
        decided_on="kiosk-1",
        printed_name="Maria Delgado",
        relationship=None,
        reason=None,
        strokes=tuple(tuple((x, y, t) for x, y, t in stroke) for stroke in plausible_strokes(rng)),
        reading=tuple(
            Reading(one.link_id, 1.0, 96.4, BEGAN + timedelta(minutes=9), asked)
            for one in consents
            if one.text_in(language) in text
        ),
        revision=83,
        chain=sha256("chain"),
    )
