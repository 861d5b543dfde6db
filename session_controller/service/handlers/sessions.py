"""Opening, joining and leaving sessions, and being told the state again."""

import secrets
from dataclasses import replace

from schemas.questionnaire.dates import days_around
from schemas.questionnaire.model import Flow
from schemas.wire import requests as r
from schemas.wire.devices import show_code
from schemas.wire.rejections import RejectionCode
from session_controller.engine import membership
from session_controller.engine.events import CodeIssued, DeviceJoined, DeviceLeft, SessionOpened
from session_controller.engine.history import before_the_first
from session_controller.engine.refusal import (
    NOT_A_PARTICIPANT,
    UNKNOWN_SESSION,
    Refusal,
)
from session_controller.engine.session import Session
from session_controller.security.check_words import WORDS
from session_controller.security.codes import new_id
from session_controller.service.handlers.flows import flow_to_open
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Code, CodeKind, Device
from session_controller.storage.store import Store

CODE_REFUSED = Refusal(RejectionCode.CODE_REFUSED, "This code does not work.")
"""The same for a wrong, a spent and an expired code: no one learns which codes exist."""


def open_session(
    work: UnitOfWork, store: Store, device: Device, request: r.OpenSession
) -> r.Answer | Refusal:
    """Open a session, for a patient's screen that is named or for who shows its code."""
    flow = flow_to_open(work, store, request.flow_id)
    if flow is None:
        return Refusal(
            RejectionCode.UNAVAILABLE, "This box has no such flow.", {"flow_id": request.flow_id}
        )
    retired = flow.not_offered(days_around(work.at))
    if retired is not None:
        return Refusal(
            RejectionCode.UNAVAILABLE,
            f"This form {retired}. Use a newer version of it.",
            {"flow_id": request.flow_id},
        )
    named = request.host
    host = work.device(named) if named else device
    kiosk = work.device(request.patient_device) if request.patient_device else None
    refusal = (
        membership.may_open(len(work.open_sessions()), work.registry.settings.max_open_sessions)
        or membership.may_lead(host, device)
        or (request.test and membership.may_rehearse(device))
        or (request.patient_device and _may_take_patients_side(work, kiosk))
    )
    if refusal or host is None:
        return refusal or UNKNOWN_SESSION
    session = _begin(work, flow, request, host)
    session = join(work, session, kiosk) if kiosk else issue_code(work, session)
    opened = r.SessionOpened(
        request_id=request.request_id, session=session.state.session, flow_ref=flow.flow_ref
    )
    return with_code(work, opened)


def _may_take_patients_side(work: UnitOfWork, kiosk: Device | None) -> Refusal | None:
    busy = kiosk is not None and work.assigned_to(kiosk.device) is not None
    return membership.may_take_patients_side(kiosk, busy=busy)


def _begin(work: UnitOfWork, flow: Flow, request: r.OpenSession, host: Device) -> Session:
    opened = SessionOpened(
        flow_ref=flow.flow_ref,
        label=request.label,
        test=bool(request.test),
        check_words=(secrets.choice(WORDS), secrets.choice(WORDS)),
        host=host.device,
        host_role=host.role,
        host_online=host.online,
    )
    blank = before_the_first(flow, new_id("s"), opened, work.at)
    return work.record(blank, opened, device=host.device)


def issue_code(work: UnitOfWork, session: Session) -> Session:
    """Open a pairing code for the patient's side."""
    serial = session.state.last_code_serial + 1
    expires_at = work.at + work.registry.settings.code_lifetime
    keep_code(work, session.state.session, serial)
    return work.record(session, CodeIssued(serial=serial, expires_at=expires_at))


def keep_code(work: UnitOfWork, session: str, serial: int) -> None:
    """Make a session's code work from this commit on."""
    codes = work.registry.codes
    code_hash = codes.hash_of(codes.code_of(session, serial))
    expires_at = work.at + work.registry.settings.code_lifetime
    work.put_code(Code(code_hash, CodeKind.SESSION, session, expires_at))


def with_code(work: UnitOfWork, opened: r.SessionOpened) -> r.SessionOpened:
    """Show a session's open code, which no answer that is stored may hold."""
    session = work.session(opened.session)
    code = session.state.code if session else None
    if code is None:
        return opened
    shown = show_code(work.registry.codes.code_of(opened.session, code.serial))
    return opened.model_copy(update={"code": shown, "code_expires_at": code.expires_at})


def join(work: UnitOfWork, session: Session, device: Device, name: str | None = None) -> Session:
    """Record that a device takes part; `name` is what a guest's phone calls itself."""
    return work.record(
        session,
        DeviceJoined(device=device.device, role=device.role, online=device.online, name=name),
        device=device.device,
    )


def join_session(
    work: UnitOfWork, _: Store, device: Device, request: r.JoinSession
) -> r.Answer | Refusal:
    """Join by code (a patient's screen) or by session (a staff's screen, observing)."""
    by_code = request.code is not None
    refusal = membership.may_join_by(device, "code" if by_code else "session")
    if refusal:
        return refusal
    found = _by_code(work, device, request.code or "") if by_code else _by_id(work, request.session)
    if isinstance(found, Refusal):
        return found
    name = found.state.session
    if device.device not in found.state.participants:
        join(work, found, device)
    work.refresh(name, device.device)
    return r.SessionJoined(
        request_id=request.request_id, session=name, flow_ref=found.state.flow_ref
    )


def _by_code(work: UnitOfWork, device: Device, shown: str) -> Session | Refusal:
    code = work.code(shown)
    session = session_of(work, code) if code else None
    if session is None or code is None:
        work.rate_limit.wrong(device.device, work.steady_s)
        return CODE_REFUSED
    refusal = membership.may_join_with_code(busy=work.assigned_to(device.device) is not None)
    if refusal:
        return refusal
    work.put_code(replace(code, spent_at=work.at))
    return session


def session_of(work: UnitOfWork, code: Code) -> Session | None:
    """Find the session that a code lets a patient's screen into, if it still waits for one."""
    if code.kind is not CodeKind.SESSION:
        return None
    session = work.session(code.subject)
    return session if session and membership.awaits_patient(session.state) else None


def _by_id(work: UnitOfWork, name: str | None) -> Session | Refusal:
    session = work.session(name or "")
    return membership.may_observe(session) or session or UNKNOWN_SESSION


def leave_session(
    work: UnitOfWork, _: Store, device: Device, request: r.LeaveSession
) -> r.Answer | Refusal:
    """Leave without ending: the session goes on, and waits for whom it lost."""
    session = work.session(request.session)
    if session is None:
        return UNKNOWN_SESSION
    if membership.leaves(session.state, device.device):
        work.record(session, DeviceLeft(device=device.device), device=device.device)
    return r.SessionLeft(request_id=request.request_id, session=request.session)


def sync(work: UnitOfWork, _: Store, device: Device, request: r.Sync) -> r.Answer | Refusal:
    """Publish the device's view again."""
    session = work.session(request.session)
    if session is None:
        return UNKNOWN_SESSION
    if device.device not in session.state.participants:
        return NOT_A_PARTICIPANT
    work.refresh(request.session, device.device)
    return r.Synced(
        request_id=request.request_id, session=request.session, revision=session.state.revision
    )
