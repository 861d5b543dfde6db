"""Collect a session's record from the database: state, log, documents, evidence, devices."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue, TypeAdapter

from schemas.questionnaire.model import Flow
from schemas.wire.views import DocumentStatus
from session_controller.audit.hash_chain import Head
from session_controller.engine.events import CommandRefused, DeviceJoined, Event
from session_controller.engine.evidence import SignatureEvidence, evidence
from session_controller.engine.field_history import FieldChange, field_changes
from session_controller.engine.session import Session
from session_controller.engine.state import Document, SessionState
from session_controller.export.record import ChainHead, Record, RecordDevice, RecordDocument
from session_controller.storage.entities import GUEST, StoredFlow
from session_controller.storage.reader import Reader

COURIER = "courier"
"""Who a delivered record says that it was exported by."""
_MAPPING: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])
_HERE = (DocumentStatus.RECEIVED, DocumentStatus.ACCEPTED)


def gather(
    reader: Reader, session: str, *, site: str, at: datetime, by: str, software: str
) -> Record | None:
    """Collect a session's record, or return None if there is no such session.

    Raises `DecryptionError` and `FileNotFoundError` if part of it is damaged.
    """
    state = reader.state(session)
    if state is None:
        return None
    stored = reader.stored_flow(state.flow_ref)
    flow = reader.flow(state.flow_ref)
    chained = list(reader.chained_events(session))
    current = Session.of(flow, state)
    signatures = evidence(current, ((event, head.chain.hex()) for event, head in chained))
    return Record(
        site=site,
        flow=flow,
        mapping=_mapping(stored),
        state=state,
        language=_language(signatures, flow),
        devices=_devices(reader, [event for event, _ in chained], state),
        documents=tuple(
            _document(reader, session, field_id, document)
            for field_id, document in state.documents.items()
            if document.status in _HERE and document.stored
        ),
        signatures=signatures,
        history=_history(current, (event for event, _ in chained)),
        head=_head([head for event, head in chained if not isinstance(event.fact, CommandRefused)]),
        exported_at=at,
        exported_by=by,
        software=software,
        persons=_persons(reader, [event for event, _ in chained]),
    )


def gather_delivered(reader: Reader, session: str, *, site: str, software: str) -> Record | None:
    """Collect a session's record for a delivery: always the same, as at the session's end.

    Raises as `gather` does.
    """
    state = reader.state(session)
    if state is None:
        return None
    at = state.updated_at
    return gather(reader, session, site=site, at=at, by=COURIER, software=software)


def _history(session: Session, events: Iterable[Event]) -> tuple[FieldChange, ...]:
    """Return the changes of what the record contains: no answer of a question that is off."""
    changes = field_changes(session.flow, events)
    is_on = session.assessment.is_enabled
    return tuple(one for one in changes if one.removed or is_on(one.field_id))


def _mapping(stored: StoredFlow) -> Mapping[str, JsonValue] | None:
    return _MAPPING.validate_json(stored.mapping) if stored.mapping else None


def _language(signatures: tuple[SignatureEvidence, ...], flow: Flow) -> str | None:
    """Return the language the patient used, taken from the last signature, or None."""
    read = [s.language for s in signatures if s.language]
    return read[-1] if read else flow.language


def _persons(reader: Reader, events: Sequence[Event]) -> dict[str, str]:
    wanted = {event.person for event in events}
    known = {person.person: person.name for person in reader.persons()}
    return {who: name for who, name in (known | reader.emergency_names()).items() if who in wanted}


def _devices(
    reader: Reader, events: Sequence[Event], state: SessionState
) -> tuple[RecordDevice, ...]:
    wanted = {event.device for event in events if event.device} | state.participants.keys()
    joined = [event.fact for event in events if isinstance(event.fact, DeviceJoined)]
    known = {d.device: (d.name, d.role) for d in reader.devices()}
    guests = {  # their rows go once the session's topics are cleared
        fact.device: (fact.name or GUEST, fact.role)
        for fact in joined
        if fact.name or fact.device not in known
    }
    named = {**known, **guests}
    return tuple(RecordDevice(device, *named[device]) for device in sorted(wanted & named.keys()))


def _document(reader: Reader, session: str, field_id: str, document: Document) -> RecordDocument:
    kept = document.stored
    if kept is None or document.received_at is None:
        raise ValueError(f"{field_id} has no document")
    return RecordDocument(
        field_id=field_id,
        media_type=kept.media_type,
        data=reader.document(session, document),
        sha256=kept.sha256,
        original_sha256=document.sha256,
        original_size=document.size,
        received_at=document.received_at,
        accepted=document.status is DocumentStatus.ACCEPTED,
    )


def _head(heads: Sequence[Head]) -> ChainHead:
    """Return the log's hash at the session's newest change: the same for every export.

    A command that is refused after the end changes nothing, nor what is exported.
    """
    return ChainHead(heads[-1].entry, heads[-1].chain.hex())
