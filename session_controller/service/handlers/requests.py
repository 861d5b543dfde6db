"""Requests: what concerns no session yet, or a session as a whole. Each is answered once."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from schemas.base import Role
from schemas.topics import InboxTopic, RequestTopic
from schemas.wire import deliveries as d
from schemas.wire import exports as g
from schemas.wire import requests as r
from schemas.wire import staff as s
from schemas.wire.parse import Unreadable
from schemas.wire.purging import PreviewPurge
from schemas.wire.rejections import Rejection, RejectionCode
from schemas.wire.request_base import RequestBase
from schemas.wire.status import ShowStatus, TryAlerts
from session_controller.audit.events import RequestRefused
from session_controller.engine.refusal import Refusal
from session_controller.security.codes import is_new_id
from session_controller.service.duties import (
    FRONT_DESK,
    keeps_out,
    note_act,
    request_refused,
)
from session_controller.service.handlers import (
    administration,
    deliveries,
    desks,
    devices,
    exports,
    flows,
    history,
    identification,
    provider,
    purging,
    sessions,
    staff,
)
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device, StoredAnswer
from session_controller.storage.store import Store

Handler = Callable[[UnitOfWork, Store, Device, Any], r.Answer | Refusal | None]
"""Returns None if the answer comes later."""

_PATIENT, _STAFF, _ADMIN = set(Role), {Role.FACILITY, Role.ADMIN}, {Role.ADMIN}
_DESK, _SCREEN = {Role.FACILITY}, {Role.PATIENT}

HANDLERS: Mapping[type[RequestBase], tuple[set[Role], Handler]] = {
    r.OpenSession: (_STAFF, sessions.open_session),
    r.JoinSession: (_PATIENT, sessions.join_session),
    r.LeaveSession: (_PATIENT, sessions.leave_session),
    r.Sync: (_PATIENT, sessions.sync),
    r.ListFlows: (_STAFF, flows.list_flows),
    r.ListKiosks: (_STAFF, devices.list_kiosks),
    r.ListDevices: (_ADMIN, devices.list_devices),
    r.ListSessions: (_STAFF, administration.list_sessions),
    r.ShowSession: (_STAFF, administration.show_session),
    r.SessionTimeline: (_STAFF, administration.session_timeline),
    r.FieldHistory: (_STAFF, history.field_history),
    r.RevealField: (_DESK, history.reveal_field),
    g.ExportSession: (_STAFF, exports.export_session),
    g.ExportDelivery: (_ADMIN, exports.export_delivery),
    g.ReadExport: (_STAFF, exports.read_export),
    g.ListDocuments: (_ADMIN, exports.list_documents),
    g.CreateCopyLink: (_SCREEN, exports.create_copy_link),
    g.RotateKey: (_ADMIN, exports.rotate_key),
    g.SignLog: (_ADMIN, exports.sign_log),
    r.EnrolDevice: (_ADMIN, devices.enrol_device),
    r.EnrolDevices: (_ADMIN, devices.enrol_devices),
    r.ReenrolDevice: (_ADMIN, devices.reenrol_device),
    r.ChangeDevice: (_ADMIN, devices.change_device),
    r.RevokeDevice: (_ADMIN, devices.revoke_device),
    r.AddFlow: (_ADMIN, flows.add_flow),
    r.CancelSession: (_STAFF, administration.cancel_session),
    r.IdentifyPatient: (_STAFF, identification.identify_patient),
    r.PurgeSessions: (_ADMIN, administration.purge_sessions),
    PreviewPurge: (_ADMIN, purging.preview_purge),
    r.BackUp: (_ADMIN, administration.back_up),
    ShowStatus: (_ADMIN, administration.show_status),
    TryAlerts: (_ADMIN, administration.try_alerts),
    d.AddDestination: (_ADMIN, deliveries.take_order),
    d.TryDestination: (_ADMIN, deliveries.take_order),
    d.RemoveDestination: (_ADMIN, deliveries.remove_destination),
    d.ListDestinations: (_ADMIN, deliveries.list_destinations),
    d.ListDeliveries: (_ADMIN, deliveries.list_deliveries),
    d.ShowDelivery: (_STAFF, deliveries.show_delivery),
    d.RetryDelivery: (_ADMIN, deliveries.retry_delivery),
    d.DeliverNow: (_ADMIN, deliveries.deliver_now),
    s.ShowDesk: (_DESK, desks.show_desk),
    s.SignIn: (_DESK, desks.sign_in),
    s.BeginSignIn: (_DESK, provider.begin_sign_in),
    s.FinishSignIn: (_DESK, provider.finish_sign_in),
    s.StaySignedIn: (_DESK, desks.stay_signed_in),
    s.SignOut: (_DESK, desks.sign_out_asked),
    s.BeginEmergencyAccess: (_DESK, desks.begin_emergency_access),
    s.ListEmergencyAccess: (_STAFF, staff.list_emergency_access),
    s.ReviewEmergencyAccess: (_STAFF, staff.review_emergency_access),
    s.AddPerson: (_ADMIN, staff.add_person),
    s.ChangePerson: (_ADMIN, staff.change_person),
    s.LinkPerson: (_ADMIN, staff.link_person),
    s.UnlockPerson: (_ADMIN, staff.unlock_person),
    s.RetirePerson: (_ADMIN, staff.retire_person),
    s.ListStaff: (_ADMIN, staff.list_staff),
}
"""Which device may ask what, and what answers it; at a front-desk screen of a site with persons,
the person's roles count too (`session_controller.service.duties`)."""


def handle_request(
    work: UnitOfWork, store: Store, topic: RequestTopic, request: r.Request | Unreadable
) -> None:
    """Handle a request; the answer or the refusal goes to the sender's inbox."""
    device = work.device(topic.device)
    if device is None or (device.revoked_at is not None and device.guest_of is None):
        return
    inbox = InboxTopic(topic.device)
    _note_user(work, device, request)
    outcome = _outcome(work, store, device, request)
    if isinstance(outcome, Refusal):
        note_refusal(work, topic.device, request, outcome)
        work.say(inbox, _rejection(request.request_id, outcome))
    elif outcome is not None:
        work.say(inbox, outcome)


def _note_user(work: UnitOfWork, device: Device, request: r.Request | Unreadable) -> None:
    """Note which user of the operating system asks by the command line, for the log."""
    if device.role is Role.ADMIN:
        work.users.pop(device.device, None)
        if not isinstance(request, Unreadable) and request.user:
            work.users[device.device] = f"os:{request.user}"


def note_refusal(
    work: UnitOfWork, device: str, request: r.Request | Unreadable, refusal: Refusal
) -> None:
    """Count a refused request, and write into the log that it was, and of which session.

    A purge leaves the log's entries: what somebody typed for a session's id is not among them.
    """
    work.count(refusal)
    kind = "unreadable" if isinstance(request, Unreadable) else request.type
    named = getattr(request, "session", None)
    session = named if named and is_new_id("s", named) else None
    work.note(RequestRefused(request=kind, code=refusal.code), device=device, session=session)


def shows_code(request: r.Request | Unreadable) -> bool:
    """Return whether a request tries a code out."""
    return isinstance(request, r.JoinSession) and request.code is not None


def refuse_code(work: UnitOfWork, topic: RequestTopic, request: r.Request | Unreadable) -> None:
    """Refuse a code as wrong, spent and expired codes are, without looking."""
    note_refusal(work, topic.device, request, sessions.CODE_REFUSED)
    work.say(InboxTopic(topic.device), _rejection(request.request_id, sessions.CODE_REFUSED))


def _outcome(
    work: UnitOfWork, store: Store, device: Device, request: r.Request | Unreadable
) -> r.Answer | Refusal | None:
    if isinstance(request, Unreadable):
        return Refusal(request.code, request.message)
    roles, handler = HANDLERS[type(request)]
    if device.role not in roles:
        return Refusal(
            RejectionCode.NOT_ALLOWED_FOR_ROLE, f"{request.type} is not for this kind of screen."
        )
    if device.revoked_at is not None and not isinstance(request, _OF_ENDED_GUESTS):
        return Refusal(RejectionCode.SESSION_ENDED, "The session of this guest has ended.")
    if refusal := request_refused(work, device, request):
        return refusal
    note_act(work, device, request)
    answered = _answered(work, store, device, request)
    if answered is not None:  # to who was signed in then: it has a session's code
        return keeps_out(work, device, FRONT_DESK) or _with_secrets(work, answered)
    outcome = handler(work, store, device, request)
    if isinstance(outcome, _REMEMBERED):
        bare = _without_secrets(outcome).model_dump_json()
        work.transaction.answers.append(
            StoredAnswer(device.device, request.request_id, work.at, bare)
        )
    return outcome


_OF_ENDED_GUESTS = r.Sync | r.LeaveSession | g.CreateCopyLink
"""What a guest may ask for in the moment between the end of its session and of its connection."""
_REMEMBERED = (r.SessionOpened, r.SessionJoined, r.DeviceEnrolled, r.DevicesEnrolled)
"""Answers to what must not happen twice. All other requests may: doing them again is harmless."""


def _answered(
    work: UnitOfWork, store: Store, device: Device, request: r.Request
) -> r.Answer | None:
    key = (device.device, request.request_id)
    waiting = (a.answer for a in work.transaction.answers if (a.device, a.request_id) == key)
    text = next(waiting, None) or store.answer(*key)
    if text is None:
        return None
    try:
        return r.ANSWER.validate_json(text)
    except ValidationError:
        return None  # of an older program: the request is carried out afresh


def _without_secrets(answer: r.Answer) -> r.Answer:
    if isinstance(answer, r.SessionOpened):
        return answer.model_copy(update={"code": None, "code_expires_at": None})
    return devices.without_credentials(answer)


def _with_secrets(work: UnitOfWork, answer: r.Answer) -> r.Answer:
    if isinstance(answer, r.SessionOpened):
        return sessions.with_code(work, answer)
    return devices.with_credentials(work, answer)


def _rejection(request_id: str | None, refusal: Refusal) -> Rejection:
    return Rejection(
        request_id=request_id,
        code=refusal.code,
        message=refusal.message,
        details=dict(refusal.details),
    )
