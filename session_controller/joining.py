"""Opening, joining and leaving sessions, and being told the state again."""

import secrets
from dataclasses import replace

from schemas import requests as r
from schemas.base import Role
from schemas.devices import show_code
from schemas.questionnaire import Flow
from schemas.rejections import RejectionCode
from session_controller.codes import new_id
from session_controller.engine.facts import CodeIssued, DeviceJoined, DeviceLeft, SessionOpened
from session_controller.engine.history import before_the_first
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session
from session_controller.records import Code, CodeKind, Device
from session_controller.store import Store
from session_controller.words import WORDS
from session_controller.work import Work

CODE_REFUSED = Refusal(RejectionCode.CODE_REFUSED, "This code does not work.")
"""The same for a wrong, a spent and an expired code: no one learns which codes exist."""


def open_session(
    work: Work, _: Store, device: Device, request: r.OpenSession
) -> r.Answer | Refusal:
    """Open a session, for a patient's screen that is named or for who shows its code."""
    flow = work.world.flow_named(request.flow_id)
    if flow is None:
        return Refusal(
            RejectionCode.UNAVAILABLE, "This box has no such flow.", {"flow_id": request.flow_id}
        )
    limit = work.world.settings.max_open_sessions
    if len(work.open_sessions()) >= limit:
        return Refusal(
            RejectionCode.TOO_MANY, "Too many sessions are open on this box.", {"limit": limit}
        )
    host = _host(work, device, request.host)
    if isinstance(host, Refusal):
        return host
    kiosk = _kiosk(work, request.patient_device)
    if isinstance(kiosk, Refusal):
        return kiosk
    session = _begin(work, flow, request.label, host)
    session = join(work, session, kiosk) if kiosk else issue_code(work, session)
    opened = r.SessionOpened(
        request_id=request.request_id, session=session.state.session, flow_ref=flow.flow_ref
    )
    return with_code(work, opened)


def _host(work: Work, sender: Device, named: str | None) -> Device | Refusal:
    if named in (None, sender.device):
        return sender
    host = work.device(named or "")
    if sender.role is not Role.ADMIN:
        return Refusal(RejectionCode.NOT_ALLOWED_FOR_ROLE, "Only facility IT names another host.")
    if host is None or host.revoked_at or not host.role.leads:
        return Refusal(RejectionCode.NOT_ALLOWED_FOR_ROLE, "That is no enrolled staff's screen.")
    return host


def _kiosk(work: Work, named: str | None) -> Device | Refusal | None:
    if named is None:
        return None
    kiosk = work.device(named)
    if kiosk is None or kiosk.revoked_at or kiosk.role.leads or kiosk.guest_of:
        return Refusal(RejectionCode.NOT_ALLOWED_FOR_ROLE, "That is no enrolled patient's screen.")
    if work.assigned_to(named):
        return Refusal(RejectionCode.UNAVAILABLE, "That screen is in a session already.")
    return kiosk


def _begin(work: Work, flow: Flow, label: str | None, host: Device) -> Session:
    opened = SessionOpened(
        flow_ref=flow.flow_ref,
        label=label,
        check_words=(secrets.choice(WORDS), secrets.choice(WORDS)),
        host=host.device,
        host_role=host.role,
        host_online=host.online,
    )
    blank = before_the_first(flow, new_id("s"), opened, work.at)
    return work.record(blank, opened, device=host.device)


def issue_code(work: Work, session: Session) -> Session:
    """Open a pairing code for the patient's side."""
    serial = session.state.last_code_serial + 1
    expires_at = work.at + work.world.settings.code_lifetime
    keep_code(work, session.state.session, serial)
    return work.record(session, CodeIssued(serial=serial, expires_at=expires_at))


def keep_code(work: Work, session: str, serial: int) -> None:
    """Make a session's code work from this commit on."""
    codes = work.world.codes
    code_hash = codes.hash_of(codes.code_of(session, serial))
    expires_at = work.at + work.world.settings.code_lifetime
    work.put_code(Code(code_hash, CodeKind.SESSION, session, expires_at))


def with_code(work: Work, opened: r.SessionOpened) -> r.SessionOpened:
    """Show a session's open code, which no answer that is stored may hold."""
    session = work.session(opened.session)
    code = session.state.code if session else None
    if code is None:
        return opened
    shown = show_code(work.world.codes.code_of(opened.session, code.serial))
    return opened.model_copy(update={"code": shown, "code_expires_at": code.expires_at})


def join(work: Work, session: Session, device: Device) -> Session:
    """Let a device take part."""
    return work.record(
        session,
        DeviceJoined(device=device.device, role=device.role, online=device.online),
        device=device.device,
    )


def join_session(
    work: Work, _: Store, device: Device, request: r.JoinSession
) -> r.Answer | Refusal:
    """Join by code (a patient's screen) or by session (a staff's screen, observing)."""
    by_code = request.code is not None
    if by_code == device.role.leads:
        wanted = "`session`" if device.role.leads else "`code`"
        return Refusal(
            RejectionCode.NOT_ALLOWED_FOR_ROLE, f"This kind of screen joins by {wanted}."
        )
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


def _by_code(work: Work, device: Device, shown: str) -> Session | Refusal:
    code = work.code(shown)
    session = session_of(work, code) if code else None
    if session is None or code is None:
        work.world.guard.wrong(device.device, work.steady_s)
        return CODE_REFUSED
    if work.assigned_to(device.device):
        return Refusal(RejectionCode.UNAVAILABLE, "This screen is in a session already.")
    work.put_code(replace(code, spent_at=work.at))
    return session


def session_of(work: Work, code: Code) -> Session | None:
    """Find the session that a code lets a patient's screen into, if it still waits for one."""
    if code.kind is not CodeKind.SESSION:
        return None
    session = work.session(code.subject)
    if session is None or session.state.status.ended or session.state.patient:
        return None
    return session


def _by_id(work: Work, name: str | None) -> Session | Refusal:
    session = work.session(name or "")
    if session is None:
        return Refusal(RejectionCode.UNKNOWN_SESSION, "There is no such session.")
    if session.state.status.ended:
        return Refusal(RejectionCode.SESSION_ENDED, "The session has ended.")
    return session


def leave_session(
    work: Work, _: Store, device: Device, request: r.LeaveSession
) -> r.Answer | Refusal:
    """Leave without ending: the session goes on, and waits for whom it lost."""
    session = work.session(request.session)
    if session is None:
        return Refusal(RejectionCode.UNKNOWN_SESSION, "There is no such session.")
    if device.device in session.state.participants and not session.state.status.ended:
        work.record(session, DeviceLeft(device=device.device), device=device.device)
    return r.SessionLeft(request_id=request.request_id, session=request.session)


def sync(work: Work, _: Store, device: Device, request: r.Sync) -> r.Answer | Refusal:
    """Publish the device's view again."""
    session = work.session(request.session)
    if session is None:
        return Refusal(RejectionCode.UNKNOWN_SESSION, "There is no such session.")
    if device.device not in session.state.participants:
        return Refusal(RejectionCode.NOT_A_PARTICIPANT, "This screen takes no part in the session.")
    work.refresh(request.session, device.device)
    return r.Synced(
        request_id=request.request_id, session=request.session, revision=session.state.revision
    )
