"""Sessions as screens would lead them: each fact is a separate batch, at a different time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum
from functools import partial
from random import Random

from benchmarks.years.templates import Template
from schemas.base import Role
from schemas.topics import MAX_CHUNK, UploadTopic
from schemas.wire.requests import OpenSession, SessionOpened
from session_controller.audit.events import DevicePaired
from session_controller.engine import events as f
from session_controller.engine.state import StoredDocument
from session_controller.service.handlers.flows import keep_flow
from session_controller.service.handlers.sessions import join, open_session
from session_controller.service.handlers.uploads import handle_chunk
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import GUEST, Device

from .box import Box

SCREENS = 5
"""Enrolled front-desk screens, and as many kiosks."""
_CHUNKS_AT_ONCE = 4
"""Parts of a document that a screen has on their way, and one commit takes."""
_OPENING = ("SessionOpened", "CodeIssued", "DeviceJoined")


class End(Enum):
    """How a session ends."""

    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    """Left in the middle; the box ends it itself."""


@dataclass(slots=True)
class Plan:
    """A session that is to be led."""

    template: Template
    end: End
    photograph: bytes | None
    """The content of its document, or None for that of the template."""
    guest: str | None
    """The patient's own phone, or None for a kiosk."""
    number: int
    session: str = ""

    @property
    def staff(self) -> str:
        """The front-desk screen."""
        return f"desk-{self.number % SCREENS + 1}"

    @property
    def patient(self) -> str:
        """The patient's screen."""
        return self.guest or f"kiosk-{self.number % SCREENS + 1}"

    @property
    def events(self) -> Sequence[f.Event]:
        """The events of the template that are to happen, after the opening."""
        found = [one for one in self.template.events if one.fact.type not in _OPENING]
        return found if self.end is End.COMPLETED else found[: len(found) // 2]

    def content(self, field_id: str) -> bytes:
        """Return the document of a field."""
        if self.photograph is not None:
            return self.photograph
        stored = self.template.state.documents[field_id].stored
        return self.template.documents[stored.file][1] if stored else b""


def plans(templates: Sequence[Template], seed: int, photograph: bytes) -> Iterator[Plan]:
    """Yield sessions: 85 % completed, 10 % cancelled, 5 % expired; half with photographs."""
    rng, number = Random(seed), 0  # noqa: S311
    ends = [End.COMPLETED] * 17 + [End.CANCELLED] * 2 + [End.EXPIRED]
    while True:
        number += 1
        yield Plan(
            templates[number % len(templates)],
            rng.choice(ends),
            photograph if rng.random() < 0.5 else None,
            f"guest-{rng.getrandbits(48):012x}" if rng.random() < 0.5 else None,
            number,
        )


async def prepare(box: Box, templates: Sequence[Template]) -> None:
    """Add the forms, and enrol the screens."""

    def set_up(work: UnitOfWork) -> None:
        for flow in {template.flow.flow_ref: template.flow for template in templates}.values():
            keep_flow(work, flow)
        for role, name in ((Role.FACILITY, "desk"), (Role.PATIENT, "kiosk")):
            for number in range(1, SCREENS + 1):
                device = f"{name}-{number}"
                work.put_device(Device(device, device, role, work.at, "0" * 64))

    await box.do(set_up)


async def lead(box: Box, plan: Plan, span: timedelta) -> None:
    """Lead a session, for so long."""
    await box.do(partial(_open, box, plan))
    assert plan.session
    steps = list(_steps(box, plan))
    for step in steps:
        before = box.clock.at
        box.clock.move(before + span / len(steps))
        if before.minute != box.clock.at.minute:
            await box.rest()
        await box.do(step)


def _open(box: Box, plan: Plan, work: UnitOfWork) -> None:
    """Open it, and have the patient's screen join."""
    desk = work.device(plan.staff)
    assert desk is not None
    order = OpenSession(request_id=str(plan.number), flow_id=plan.template.flow.flow_id)
    opened = open_session(work, box.store, desk, order)
    assert isinstance(opened, SessionOpened), opened
    plan.session = opened.session
    if plan.guest is not None:
        device = Device(plan.guest, GUEST, Role.PATIENT, work.at, "0" * 64, guest_of=plan.session)
        work.put_device(device)
        paired = DevicePaired(subject=plan.guest, role=Role.PATIENT)
        work.note(paired, session=plan.session)
    kiosk, session = work.device(plan.patient), work.session(plan.session)
    assert kiosk is not None
    assert session is not None
    join(work, session, kiosk)


Step = partial[None]


def _steps(box: Box, plan: Plan) -> Iterator[Step]:
    """Yield what happens, each in one commit."""
    upload = ""
    for event in plan.events:
        match event.fact:
            case f.UploadBegun():
                upload = event.fact.upload
                yield partial(_record, plan, event, _begun(plan, event.fact))
            case f.UploadProgressed():
                yield from _chunks(box, plan, upload, plan.content(event.fact.field_id))
            case f.UploadFinished():
                yield partial(_finish_upload, box, plan, event)
            case _:
                yield partial(_record, plan, event, event.fact)
    if plan.end is End.CANCELLED:
        yield partial(_cancel, plan)


def _begun(plan: Plan, fact: f.UploadBegun) -> f.UploadBegun:
    content = plan.content(fact.field_id)
    return replace(fact, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def _chunks(box: Box, plan: Plan, upload: str, content: bytes) -> Iterator[Step]:
    for first in range(0, len(content), MAX_CHUNK * _CHUNKS_AT_ONCE):
        last = min(first + MAX_CHUNK * _CHUNKS_AT_ONCE, len(content))
        yield partial(_receive, box, plan, upload, content[first:last], first)


def _receive(  # noqa: PLR0917 - all but the last are bound
    box: Box, plan: Plan, upload: str, part: bytes, first: int, work: UnitOfWork
) -> None:
    for at in range(0, len(part), MAX_CHUNK):
        topic = UploadTopic(plan.session, plan.patient, upload, str(first + at))
        assert handle_chunk(work, box.store, topic, part[at : at + MAX_CHUNK])


def _finish_upload(box: Box, plan: Plan, event: f.Event, work: UnitOfWork) -> None:
    assert isinstance(event.fact, f.UploadFinished)
    content, session = plan.content(event.fact.field_id), work.session(plan.session)
    assert session is not None
    upload = session.state.documents[event.fact.field_id].upload
    part = box.store.document_store.part((plan.session, upload), len(content))
    assert part is not None
    file = box.store.document_store.keep(part)
    digest = hashlib.sha256(content).hexdigest()
    stored = StoredDocument(file, digest, len(content), "image/jpeg")
    _record(plan, event, replace(event.fact, stored=stored), work)


def _record(plan: Plan, event: f.Event, fact: f.Fact, work: UnitOfWork) -> None:
    session = work.session(plan.session)
    assert session is not None
    devices = {plan.template.staff: plan.staff, plan.template.patient: plan.patient}
    device = devices.get(event.device or "")
    work.record(session, fact, device=device, seq=event.seq, command_id=event.command_id)


def _cancel(plan: Plan, work: UnitOfWork) -> None:
    session = work.session(plan.session)
    assert session is not None
    work.record(session, f.Cancelled(reason="left"), device=plan.staff)
