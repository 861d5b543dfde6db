"""Convert between database rows and frozen types.

What a patient entered is encrypted and bound to its row (`session_controller.security.encryption`).
"""

from contextlib import suppress
from dataclasses import astuple
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from schemas.base import Role, rfc3339, written
from schemas.wire.staff import StaffRole
from session_controller.audit.hash_chain import Checkpoint, Head, Place
from session_controller.engine.events import FACT, Event
from session_controller.engine.state import SessionState
from session_controller.security.encryption import Cipher, DecryptionError
from session_controller.storage.entities import (
    Account,
    Code,
    Device,
    EmergencyAccess,
    Entry,
    LoggedBoxEvent,
    Person,
    StoredAnswer,
    StoredFlow,
)

Row = tuple[object, ...]

STATE: TypeAdapter[SessionState] = TypeAdapter(SessionState)
"""Reads a session's state from JSON."""


def read_time(text: str) -> datetime:
    """Parse a time. Raises `ValueError` for anything else."""
    return datetime.fromisoformat(_stored_text(text))


def _read_optional_time(text: str | None) -> datetime | None:
    return read_time(text) if text else None


def _written(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def key_row(key: str) -> Row:
    """Return the row of a key."""
    return (key,)


def cleared_row(cleared: tuple[str, datetime]) -> Row:
    """Return the columns that record when a session's topics were cleared."""
    session, at = cleared
    return rfc3339(at), session


def flow_row(flow: StoredFlow) -> Row:
    """Return the row of a flow."""
    return flow.flow_ref, flow.flow_id, rfc3339(flow.added_at), flow.canonical, flow.mapping


def device_row(d: Device) -> Row:
    """Return the row of a device."""
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
        d.room,
        _written(d.retired_at),
        _written(d.seen_at),
        d.address,
        d.software,
        d.code_serial,
    )


def read_device(row: dict[str, Any]) -> Device:
    """Read a device."""
    return Device(
        device=row["device"],
        name=row["name"],
        role=Role(row["role"]),
        secret_sha256=row["secret_sha256"],
        enrolled_at=read_time(row["enrolled_at"]),
        revoked_at=_read_optional_time(row["revoked_at"]),
        guest_of=row["guest_of"],
        online=bool(row["online"]),
        connection=row["connection"],
        room=row["room"],
        retired_at=_read_optional_time(row["retired_at"]),
        seen_at=_read_optional_time(row["seen_at"]),
        address=row["address"],
        software=row["software"],
        code_serial=row["code_serial"],
    )


def read_flow(row: dict[str, Any]) -> StoredFlow:
    """Read a flow."""
    added_at = read_time(row["added_at"])
    return StoredFlow(row["flow_ref"], row["flow_id"], added_at, row["canonical"], row["mapping"])


SESSION_COLUMNS = ("session", "status", "opened_at", "ended_at", "revision")
"""The columns of a session's row besides the state; the state contains them too."""


def session_columns(state: SessionState) -> Row:
    """Return a session's columns besides its state."""
    ended_at = rfc3339(state.updated_at) if state.status.ended else None
    opened_at = rfc3339(state.opened_at)
    return state.session, state.status.value, opened_at, ended_at, state.revision


def session_row(state: SessionState, entry: int, cipher: Cipher) -> Row:
    """Return the row of a session's state, taken at an entry of the log."""
    sealed = cipher.encrypt(written(state), _about_state(state.session, entry))
    return (*session_columns(state), entry, sealed, int(state.test))


def read_state(row: dict[str, Any], cipher: Cipher) -> SessionState:
    """Read a session's stored state. Raises `DecryptionError`."""
    about = _about_state(row["session"], row["entry"])
    return STATE.validate_json(cipher.decrypt(row["state"], about))


def _about_state(session: str, entry: int) -> bytes:
    return f"state:{session}:{entry}".encode()


def event_content(event: Event, entry: int, cipher: Cipher) -> bytes:
    """Encrypt the content of an event."""
    return cipher.encrypt(written(event.fact), _about_event(event.session, entry))


def _about_event(session: str, entry: int) -> bytes:
    return f"event:{session}:{entry}".encode()


def event_place(e: Event) -> Place:
    """Return everything of a session event except its content."""
    kind = e.fact.type
    place = rfc3339(e.at), kind, e.session, e.revision, e.device, e.seq, e.command_id
    return Place(*place, e.person)


def act_place(logged: LoggedBoxEvent) -> Place:
    """Return everything of a box event except its content."""
    kind = logged.act.type
    at, session, device = rfc3339(logged.at), logged.session, logged.device
    return Place(at, kind, session, device=device, person=logged.person)


def entry_row(entry: Entry) -> Row:
    """Return the row of a log entry."""
    number, place, content, digest, chain = entry
    return number, *place, content, digest, chain


ENTRY_COLUMNS = (
    "id, at, kind, session, revision, device, seq, command_id, person, content, content_sha256,"
    " chain"
)
"""The columns of a log entry, in the order in which `read_entry` expects them."""


def read_entry(row: tuple[Any, ...]) -> Entry:
    """Read a log entry."""
    number, *place, content, digest, chain = row
    stored = None if content is None else read_bytes(content)
    return Entry(number, Place(*place), stored, read_bytes(digest), read_bytes(chain))


def read_bytes(value: object) -> bytes:
    """Return bytes unchanged, and any other value put in their place as bytes."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogateescape")


def _stored_text(value: object) -> str:
    return value if isinstance(value, str) else repr(value)


def read_event(row: dict[str, Any], cipher: Cipher) -> Event:
    """Read an event. Raises `DecryptionError`."""
    content = cipher.decrypt(row["content"], _about_event(row["session"], row["id"]))
    return Event(
        session=row["session"],
        revision=row["revision"],
        at=read_time(row["at"]),
        fact=FACT.validate_json(content),
        device=row["device"],
        seq=row["seq"],
        command_id=row["command_id"],
        person=row["person"],
    )


def checkpoint_row(c: Checkpoint) -> Row:
    """Return the row of a signed log head."""
    return c.head.entry, c.at, c.head.chain, c.signature, c.public_key


def read_checkpoint(row: dict[str, Any]) -> Checkpoint:
    """Read a signed log head."""
    head = Head(row["entry"], read_bytes(row["chain"]))
    signature, key = read_bytes(row["signature"]), read_bytes(row["public_key"])
    return Checkpoint(head, _stored_text(row["at"]), signature, key)


def person_row(p: Person) -> Row:
    """Return the row of a person."""
    return (
        p.person,
        p.name,
        " ".join(p.roles),
        p.pin_hash,
        rfc3339(p.added_at),
        p.wrong_pins,
        _written(p.locked_until),
        _written(p.retired_at),
        *(astuple(p.account) if p.account else (None, None, None)),
    )


def read_person(row: dict[str, Any]) -> Person:
    """Read a person."""
    return Person(
        person=row["person"],
        name=row["name"],
        roles=tuple(map(StaffRole, row["roles"].split())),
        pin_hash=row["pin_hash"],
        added_at=read_time(row["added_at"]),
        wrong_pins=row["wrong_pins"],
        locked_until=_read_optional_time(row["locked_until"]),
        retired_at=_read_optional_time(row["retired_at"]),
        account=_read_account(row),
    )


def _read_account(row: dict[str, Any]) -> Account | None:
    """Read a person's account; a database before its migration has none."""
    value = row.get("account")
    return None if value is None else Account(row["issuer"], row["claim"], value)


def emergency_row(e: EmergencyAccess, cipher: Cipher) -> Row:
    """Return the row of an emergency access, its reason encrypted."""
    reason = cipher.encrypt((e.reason or "").encode(), _about_reason(e.access))
    begun, ends, reviewed = rfc3339(e.begun_at), rfc3339(e.ends_at), _written(e.reviewed_at)
    return e.access, e.device, e.name, reason, begun, ends, reviewed, e.reviewed_by


def read_emergency(row: dict[str, Any], cipher: Cipher | None) -> EmergencyAccess:
    """Read an emergency access; without a key, or if it was changed, without its reason."""
    reason = None
    if cipher is not None:
        with suppress(DecryptionError):
            reason = cipher.decrypt(row["reason"], _about_reason(row["access"])).decode()
    return EmergencyAccess(
        access=row["access"],
        device=row["device"],
        name=row["name"],
        reason=reason,
        begun_at=read_time(row["begun_at"]),
        ends_at=read_time(row["ends_at"]),
        reviewed_at=_read_optional_time(row["reviewed_at"]),
        reviewed_by=row["reviewed_by"],
    )


def _about_reason(access: str) -> bytes:
    return f"emergency:{access}".encode()


def code_row(code: Code) -> Row:
    """Return the row of a pairing code."""
    expires, spent = rfc3339(code.expires_at), _written(code.spent_at)
    return code.code_hash, code.kind.value, code.subject, expires, spent


def answer_row(answer: StoredAnswer) -> Row:
    """Return the row of the answer to a request."""
    return answer.device, answer.request_id, rfc3339(answer.at), answer.answer
