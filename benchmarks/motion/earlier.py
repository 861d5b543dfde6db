"""Writes the log of years that have passed: their sessions are purged, and the log has stayed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta

from schemas.base import Role, rfc3339, written
from schemas.topics import MAX_CHUNK
from session_controller.audit.events import BoxEvent, DeliveryChanged, DevicePaired, SessionPurged
from session_controller.audit.hash_chain import Place, content_hash, follow
from session_controller.engine.events import Event
from session_controller.storage.entities import Entry
from session_controller.storage.rows import entry_row
from session_controller.storage.statements import INSERT_EVENT
from session_controller.storage.store import Store

from .sessions import End, Plan

_HASH = "0" * 64


def write_day(store: Store, plans: list[Plan], day: datetime) -> None:
    """Write the entries of a day's sessions as a purge leaves them, and sign the log."""
    rows = []
    head = store._head  # noqa: SLF001
    for plan in plans:
        plan.session = f"s-{os.urandom(6).hex()}"
        for place, content in _entries(plan, day):
            digest = os.urandom(32) if content is None else content_hash(content)
            head = follow(head, place, digest)
            rows.append(entry_row(Entry(head.entry, place, content, digest, head.chain)))
    with store._db.atomic():  # noqa: SLF001
        store._db.conn.executemany(INSERT_EVENT, rows)  # noqa: SLF001
    store._head = store._stored_head = head  # noqa: SLF001
    store.sign_head(day + timedelta(hours=20))


def _entries(plan: Plan, day: datetime) -> Iterator[tuple[Place, bytes | None]]:
    at, names = rfc3339(day + timedelta(hours=9)), {plan.template.staff: plan.staff}
    names[plan.template.patient] = plan.patient
    if plan.guest is not None:
        yield _act(plan, at, DevicePaired(subject=plan.guest, role=Role.PATIENT))
    for revision, event in enumerate(_events(plan), 1):
        device = names.get(event.device or "")
        kind = event.fact.type
        yield Place(at, kind, plan.session, revision, device, event.seq, event.command_id), None
    if plan.end is End.COMPLETED:
        arrived = DeliveryChanged(destination="share", status="delivered", sha256=_HASH)
        yield _act(plan, at, arrived)
    yield _act(plan, at, SessionPurged())


def _act(plan: Plan, at: str, act: BoxEvent) -> tuple[Place, bytes]:
    return Place(at, act.type, plan.session), written(act)


def _events(plan: Plan) -> Iterator[Event]:
    """Yield the events of a session: a document arrives in parts."""
    for event in (*plan.template.events[:3], *plan.events):
        parts = 1
        if event.fact.type == "UploadProgressed" and plan.photograph is not None:
            parts = -(-len(plan.photograph) // MAX_CHUNK)
        yield from [event] * parts
