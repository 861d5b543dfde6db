"""Between rows of the database and frozen types, both ways."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from schemas.base import Role, rfc3339
from session_controller.engine.facts import FACT, Event
from session_controller.engine.state import SessionState
from session_controller.records import Chunk, Code, Device, StoredAnswer, StoredFlow

Row = tuple[object, ...]

STATE: TypeAdapter[SessionState] = TypeAdapter(SessionState)
"""Reads and writes a session's state as JSON."""


def read_time(text: str) -> datetime:
    """Read a moment."""
    return datetime.fromisoformat(text)


def _written(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def key_row(key: str) -> Row:
    """Write a key."""
    return (key,)


def cleared_row(cleared: tuple[str, datetime]) -> Row:
    """Write when a session's topics were cleared."""
    session, at = cleared
    return rfc3339(at), session


def flow_row(flow: StoredFlow) -> Row:
    """Write a flow."""
    return flow.flow_ref, flow.flow_id, rfc3339(flow.added_at), flow.canonical


def device_row(d: Device) -> Row:
    """Write a device."""
    enrolled, revoked = rfc3339(d.enrolled_at), _written(d.revoked_at)
    return (
        d.device,
        d.name,
        d.role.value,
        d.secret_sha256,
        enrolled,
        revoked,
        d.guest_of,
        d.online,
        d.connection,
    )


def read_device(row: dict[str, Any]) -> Device:
    """Read a device."""
    return Device(
        device=row["device"],
        name=row["name"],
        role=Role(row["role"]),
        secret_sha256=row["secret_sha256"],
        enrolled_at=read_time(row["enrolled_at"]),
        revoked_at=read_time(row["revoked_at"]) if row["revoked_at"] else None,
        guest_of=row["guest_of"],
        online=bool(row["online"]),
        connection=row["connection"],
    )


def session_row(state: SessionState) -> Row:
    """Write a session's newest state."""
    ended_at = rfc3339(state.updated_at) if state.status.ended else None
    return (
        state.session,
        state.status.value,
        rfc3339(state.opened_at),
        ended_at,
        state.revision,
        STATE.dump_json(state).decode(),
    )


def event_row(e: Event) -> Row:
    """Write an event."""
    fact = e.fact.model_dump_json()
    return e.session, e.revision, rfc3339(e.at), e.device, e.seq, e.command_id, fact


def read_event(row: dict[str, Any]) -> Event:
    """Read an event."""
    return Event(
        session=row["session"],
        revision=row["revision"],
        at=read_time(row["at"]),
        fact=FACT.validate_json(row["fact"]),
        device=row["device"],
        seq=row["seq"],
        command_id=row["command_id"],
    )


def chunk_row(chunk: Chunk) -> Row:
    """Write a chunk of a document."""
    return chunk.session, chunk.upload, chunk.offset, chunk.data


def code_row(code: Code) -> Row:
    """Write a pairing code."""
    expires, spent = rfc3339(code.expires_at), _written(code.spent_at)
    return code.code_hash, code.kind.value, code.subject, expires, spent


def answer_row(answer: StoredAnswer) -> Row:
    """Write the answer to a request."""
    return answer.device, answer.request_id, rfc3339(answer.at), answer.answer
