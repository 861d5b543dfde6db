"""A session's record, gathered from the database: state, log, documents, evidence, devices."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import JsonValue, TypeAdapter

from schemas.flow import load_flow
from schemas.questionnaire import Flow
from schemas.views import DocumentStatus
from session_controller.chain import Head
from session_controller.engine.evidence import evidence
from session_controller.engine.session import Session
from session_controller.engine.state import Document, SessionState
from session_controller.reading import Reader
from session_controller.record import (
    ChainHead,
    Record,
    RecordDevice,
    RecordDocument,
    SignatureEvidence,
)
from session_controller.records import StoredFlow

_MAPPING: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])
_HERE = (DocumentStatus.RECEIVED, DocumentStatus.ACCEPTED)


def gather(
    reader: Reader, session: str, *, site: str, at: datetime, by: str, software: str
) -> Record | None:
    """Gather a session's record; None where there is no such session.

    Raises `SealBrokenError` and `FileNotFoundError` where something of it is damaged.
    """
    state = reader.state(session)
    if state is None:
        return None
    stored = next(f for f in reader.flows() if f.flow_ref == state.flow_ref)
    flow = load_flow(stored.canonical, fallback_id=stored.flow_id)
    chained = list(reader.chained_events(session))
    signatures = evidence(
        Session.of(flow, state), ((event, head.chain.hex()) for event, head in chained)
    )
    return Record(
        site=site,
        flow=flow,
        mapping=_mapping(stored),
        state=state,
        language=_language(signatures, flow),
        devices=_devices(reader, {event.device for event, _ in chained}, state),
        documents=tuple(
            _document(reader, session, field_id, document)
            for field_id, document in state.documents.items()
            if document.status in _HERE and document.stored
        ),
        signatures=signatures,
        head=_head(chained[-1][1]),
        exported_at=at,
        exported_by=by,
        software=software,
    )


def _mapping(stored: StoredFlow) -> Mapping[str, JsonValue] | None:
    return _MAPPING.validate_json(stored.mapping) if stored.mapping else None


def _language(signatures: tuple[SignatureEvidence, ...], flow: Flow) -> str | None:
    """Tell in which language the patient went through it: as of what was signed last."""
    read = [s.language for s in signatures if s.language]
    return read[-1] if read else flow.language


def _devices(
    reader: Reader, spoke: set[str | None], state: SessionState
) -> tuple[RecordDevice, ...]:
    wanted = spoke | state.participants.keys()
    return tuple(
        RecordDevice(d.device, d.name, d.role)
        for d in sorted(reader.devices(), key=lambda d: d.device)
        if d.device in wanted
    )


def _document(reader: Reader, session: str, field_id: str, document: Document) -> RecordDocument:
    kept = document.stored
    if kept is None or document.received_at is None:
        raise ValueError(f"{field_id} holds no document")
    return RecordDocument(
        field_id=field_id,
        media_type=kept.media_type,
        data=reader.document(session, kept.file),
        sha256=kept.sha256,
        original_sha256=document.sha256,
        original_size=document.size,
        received_at=document.received_at,
        accepted=document.status is DocumentStatus.ACCEPTED,
    )


def _head(head: Head) -> ChainHead:
    """Give the log's hash at the session's newest event: the same at every export."""
    return ChainHead(head.entry, head.chain.hex())
