"""Between rows of the database and frozen types, both ways.

What a patient entered is sealed on its way in, and bound to its row (`session_controller.sealing`).
"""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from schemas.base import Role, rfc3339, written
from session_controller.chain import Checkpoint, Head, Place
from session_controller.engine.facts import FACT, Event
from session_controller.engine.state import SessionState
from session_controller.records import (
    Chunk,
    Code,
    Device,
    Entry,
    LoggedAct,
    StoredAnswer,
    StoredFlow,
)
from session_controller.sealing import Sealer

Row = tuple[object, ...]

STATE: TypeAdapter[SessionState] = TypeAdapter(SessionState)
"""Reads a session's state from JSON."""


def read_time(text: str) -> datetime:
    """Read a moment. Raises `ValueError`, whatever stands there."""
    return datetime.fromisoformat(_stored_text(text))


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
    return flow.flow_ref, flow.flow_id, rfc3339(flow.added_at), flow.canonical, flow.mapping


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


def read_flow(row: dict[str, Any]) -> StoredFlow:
    """Read a flow."""
    added_at = read_time(row["added_at"])
    return StoredFlow(row["flow_ref"], row["flow_id"], added_at, row["canonical"], row["mapping"])


SESSION_COLUMNS = ("session", "status", "opened_at", "ended_at", "revision")
"""What a session's row tells beside the state, and the state too."""


def session_columns(state: SessionState) -> Row:
    """Write what stands beside a session's state."""
    ended_at = rfc3339(state.updated_at) if state.status.ended else None
    opened_at = rfc3339(state.opened_at)
    return state.session, state.status.value, opened_at, ended_at, state.revision


def session_row(state: SessionState, entry: int, sealer: Sealer) -> Row:
    """Write a session's state as of an entry of the log."""
    sealed = sealer.seal(written(state), _about_state(state.session, entry))
    return (*session_columns(state), entry, sealed)


def read_state(row: dict[str, Any], sealer: Sealer) -> SessionState:
    """Read a session's state as it was written. Raises `SealBrokenError`."""
    about = _about_state(row["session"], row["entry"])
    return STATE.validate_json(sealer.open(row["state"], about))


def _about_state(session: str, entry: int) -> bytes:
    return f"state:{session}:{entry}".encode()


def event_content(event: Event, entry: int, sealer: Sealer) -> bytes:
    """Seal what an event says."""
    return sealer.seal(written(event.fact), _about_event(event.session, entry))


def _about_event(session: str, entry: int) -> bytes:
    return f"event:{session}:{entry}".encode()


def event_place(e: Event) -> Place:
    """Write all of an event but what it says."""
    kind = e.fact.type
    return Place(rfc3339(e.at), kind, e.session, e.revision, e.device, e.seq, e.command_id)


def act_place(logged: LoggedAct) -> Place:
    """Write all of an act but what it says."""
    kind = logged.act.type
    return Place(rfc3339(logged.at), kind, logged.session, device=logged.device)


def entry_row(entry: Entry) -> Row:
    """Write an entry of the log."""
    number, place, content, digest, chain = entry
    return number, *place, content, digest, chain


def read_entry(row: dict[str, Any]) -> Entry:
    """Read an entry of the log."""
    place = Place(
        at=row["at"],
        kind=row["kind"],
        session=row["session"],
        revision=row["revision"],
        device=row["device"],
        seq=row["seq"],
        command_id=row["command_id"],
    )
    content = None if row["content"] is None else _stored_bytes(row["content"])
    digest, chain = _stored_bytes(row["content_sha256"]), _stored_bytes(row["chain"])
    return Entry(row["id"], place, content, digest, chain)


def _stored_bytes(value: object) -> bytes:
    """Take bytes as they are, and whatever somebody put in their place as bytes too."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape")


def _stored_text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def read_event(row: dict[str, Any], sealer: Sealer) -> Event:
    """Read an event. Raises `SealBrokenError`."""
    content = sealer.open(row["content"], _about_event(row["session"], row["id"]))
    return Event(
        session=row["session"],
        revision=row["revision"],
        at=read_time(row["at"]),
        fact=FACT.validate_json(content),
        device=row["device"],
        seq=row["seq"],
        command_id=row["command_id"],
    )


def checkpoint_row(c: Checkpoint) -> Row:
    """Write a signed head of the log."""
    return c.head.entry, c.at, c.head.chain, c.signature, c.public_key


def read_checkpoint(row: dict[str, Any]) -> Checkpoint:
    """Read a signed head of the log."""
    head = Head(row["entry"], _stored_bytes(row["chain"]))
    signature, key = _stored_bytes(row["signature"]), _stored_bytes(row["public_key"])
    return Checkpoint(head, _stored_text(row["at"]), signature, key)


def chunk_row(chunk: Chunk, sealer: Sealer) -> Row:
    """Write a chunk of a document."""
    about = _about_chunk(chunk.session, chunk.upload, chunk.offset)
    return chunk.session, chunk.upload, chunk.offset, sealer.seal(chunk.data, about)


def read_chunk(row: dict[str, Any], sealer: Sealer) -> bytes:
    """Read a chunk of a document. Raises `SealBrokenError`."""
    about = _about_chunk(row["session"], row["upload"], row["offset"])
    return sealer.open(row["bytes"], about)


def _about_chunk(session: str, upload: str, offset: int) -> bytes:
    return f"chunk:{session}:{upload}:{offset}".encode()


def code_row(code: Code) -> Row:
    """Write a pairing code."""
    expires, spent = rfc3339(code.expires_at), _written(code.spent_at)
    return code.code_hash, code.kind.value, code.subject, expires, spent


def answer_row(answer: StoredAnswer) -> Row:
    """Write the answer to a request."""
    return answer.device, answer.request_id, rfc3339(answer.at), answer.answer
