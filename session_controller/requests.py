"""Requests: what concerns no session yet, or a session as a whole. Each is answered once."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from schemas import deliveries as d
from schemas import given_out as g
from schemas import requests as r
from schemas.base import Role
from schemas.reading import Unreadable, read_request
from schemas.rejections import Rejection, RejectionCode
from schemas.request_base import RequestBase
from schemas.topics import InboxTopic, RequestTopic
from session_controller import admin, delivering, enrolment, giving_out, joining
from session_controller.acts import RequestRefused
from session_controller.engine.refusal import Refusal
from session_controller.records import Device, StoredAnswer
from session_controller.store import Store
from session_controller.work import Work

Handler = Callable[[Work, Store, Device, Any], r.Answer | Refusal | None]
"""Gives None where the answer comes later."""

_PATIENT, _STAFF, _ADMIN = set(Role), {Role.FACILITY, Role.ADMIN}, {Role.ADMIN}

HANDLERS: Mapping[type[RequestBase], tuple[set[Role], Handler]] = {
    r.OpenSession: (_STAFF, joining.open_session),
    r.JoinSession: (_PATIENT, joining.join_session),
    r.LeaveSession: (_PATIENT, joining.leave_session),
    r.Sync: (_PATIENT, joining.sync),
    r.ListFlows: (_STAFF, admin.list_flows),
    r.ListKiosks: (_STAFF, admin.list_kiosks),
    r.ListDevices: (_ADMIN, admin.list_devices),
    r.ListSessions: (_STAFF, admin.list_sessions),
    r.ShowSession: (_STAFF, admin.show_session),
    r.SessionTimeline: (_STAFF, admin.session_timeline),
    g.ExportSession: (_ADMIN, giving_out.export_session),
    g.ReadExport: (_ADMIN, giving_out.read_export),
    g.ListDocuments: (_ADMIN, giving_out.list_documents),
    g.RotateKey: (_ADMIN, giving_out.rotate_key),
    g.SignLog: (_ADMIN, giving_out.sign_log),
    r.EnrolDevice: (_ADMIN, enrolment.enrol_device),
    r.RevokeDevice: (_ADMIN, enrolment.revoke_device),
    r.AddFlow: (_ADMIN, admin.add_flow),
    r.CancelSession: (_ADMIN, admin.cancel_session),
    r.PurgeSessions: (_ADMIN, admin.purge_sessions),
    r.BackUp: (_ADMIN, admin.back_up),
    d.AddDestination: (_ADMIN, delivering.take_order),
    d.RemoveDestination: (_ADMIN, delivering.remove_destination),
    d.ListDestinations: (_ADMIN, delivering.list_destinations),
    d.ListDeliveries: (_ADMIN, delivering.list_deliveries),
    d.ShowDelivery: (_ADMIN, delivering.show_delivery),
    d.RetryDelivery: (_ADMIN, delivering.retry_delivery),
    d.DeliverNow: (_ADMIN, delivering.deliver_now),
}
"""Who may ask what, and what answers it."""


def handle_request(work: Work, store: Store, topic: RequestTopic, payload: bytes) -> None:
    """Handle a request; the answer or the refusal goes to the sender's inbox."""
    device = work.device(topic.device)
    if device is None or (device.revoked_at is not None and device.guest_of is None):
        return
    request = read_request(payload)
    inbox = InboxTopic(topic.device)
    work.excuse(inbox, request_id=request.request_id)
    outcome = _outcome(work, store, device, request)
    if isinstance(outcome, Refusal):
        note_refusal(work, topic.device, request, outcome)
        work.say(inbox, _rejection(request.request_id, outcome))
    elif outcome is not None:
        work.say(inbox, outcome)


def note_refusal(
    work: Work, device: str, request: r.Request | Unreadable, refusal: Refusal
) -> None:
    """Write into the log that a request was refused, and of which session."""
    kind = "unreadable" if isinstance(request, Unreadable) else request.type
    session = getattr(request, "session", None)
    work.note(RequestRefused(request=kind, code=refusal.code), device=device, session=session)


def shows_code(payload: bytes) -> bool:
    """Tell whether a request tries a code out."""
    request = read_request(payload)
    return isinstance(request, r.JoinSession) and request.code is not None


def refuse_code(work: Work, topic: RequestTopic, payload: bytes) -> None:
    """Give the one answer that wrong, spent and expired codes get, without looking."""
    request = read_request(payload)
    note_refusal(work, topic.device, request, joining.CODE_REFUSED)
    work.say(InboxTopic(topic.device), _rejection(request.request_id, joining.CODE_REFUSED))


def _outcome(
    work: Work, store: Store, device: Device, request: r.Request | Unreadable
) -> r.Answer | Refusal | None:
    if isinstance(request, Unreadable):
        return Refusal(request.code, request.message)
    roles, handler = HANDLERS[type(request)]
    if device.role not in roles:
        return Refusal(
            RejectionCode.NOT_ALLOWED_FOR_ROLE, f"{request.type} is not for this kind of screen."
        )
    if device.revoked_at is not None and not isinstance(request, r.Sync | r.LeaveSession):
        return Refusal(RejectionCode.SESSION_ENDED, "The session of this guest has ended.")
    answered = _answered(work, store, device, request)
    if answered is not None:
        return _with_secrets(work, answered)
    outcome = handler(work, store, device, request)
    if isinstance(outcome, _REMEMBERED):
        bare = _without_secrets(outcome).model_dump_json()
        work.batch.answers.append(StoredAnswer(device.device, request.request_id, work.at, bare))
    return outcome


_REMEMBERED = (r.SessionOpened, r.SessionJoined, r.DeviceEnrolled)
"""Answers to what must not happen twice. All other requests may: doing them again is harmless."""


def _answered(work: Work, store: Store, device: Device, request: r.Request) -> r.Answer | None:
    key = (device.device, request.request_id)
    waiting = (a.answer for a in work.batch.answers if (a.device, a.request_id) == key)
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
    if isinstance(answer, r.DeviceEnrolled):
        return answer.model_copy(update={"secret": None, "code": None})
    return answer


def _with_secrets(work: Work, answer: r.Answer) -> r.Answer:
    if isinstance(answer, r.SessionOpened):
        return joining.with_code(work, answer)
    if isinstance(answer, r.DeviceEnrolled):
        return enrolment.with_credential(work, answer)
    return answer


def _rejection(request_id: str | None, refusal: Refusal) -> Rejection:
    return Rejection(
        request_id=request_id,
        code=refusal.code,
        message=refusal.message,
        details=dict(refusal.details),
    )
