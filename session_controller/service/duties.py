"""The table of what a person may do at a front-desk screen.

A device's role comes first (`handlers/requests.py`): no person may do at a screen what the screen
may not. A request that is missing here is refused at a screen of a site with persons.
"""

from collections.abc import Mapping

from schemas.base import Role
from schemas.wire import deliveries as d
from schemas.wire import exports as g
from schemas.wire import requests as r
from schemas.wire import staff as s
from schemas.wire.rejections import RejectionCode
from schemas.wire.request_base import RequestBase
from session_controller.engine.refusal import SIGN_IN_REQUIRED, Refusal
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device

Roles = frozenset[s.StaffRole]

ANYBODY: Roles = frozenset()
"""Also at a signed-out screen: what shows no patient data."""
FRONT_DESK: Roles = frozenset({s.StaffRole.FRONT_DESK, s.StaffRole.SUPERVISOR})
SUPERVISOR: Roles = frozenset({s.StaffRole.SUPERVISOR})
"""Not at the screens of a site without persons."""

COMMANDS: Roles = FRONT_DESK
"""All commands in sessions (`engine/moves.py`)."""

DUTIES: Mapping[type[RequestBase], Roles] = {
    s.ShowDesk: ANYBODY,
    s.SignIn: ANYBODY,
    s.BeginSignIn: ANYBODY,
    s.FinishSignIn: ANYBODY,
    s.StaySignedIn: ANYBODY,
    s.SignOut: ANYBODY,
    s.BeginEmergencyAccess: ANYBODY,
    r.ListFlows: ANYBODY,
    r.ListKiosks: ANYBODY,
    r.Sync: ANYBODY,
    r.OpenSession: FRONT_DESK,
    r.JoinSession: FRONT_DESK,
    r.LeaveSession: FRONT_DESK,
    r.ListSessions: FRONT_DESK,
    r.ShowSession: FRONT_DESK,
    r.SessionTimeline: FRONT_DESK,
    r.FieldHistory: FRONT_DESK,
    r.RevealField: FRONT_DESK,
    r.IdentifyPatient: FRONT_DESK,
    g.ExportSession: FRONT_DESK,
    g.ReadExport: FRONT_DESK,
    d.ShowDelivery: FRONT_DESK,
    r.CancelSession: SUPERVISOR,
    s.ListEmergencyAccess: SUPERVISOR,
    s.ReviewEmergencyAccess: SUPERVISOR,
}
"""The roles that may make each request; the role `it` alone may make none that shows a patient."""

ACTS = frozenset(
    {
        s.StaySignedIn,
        r.OpenSession,
        r.JoinSession,
        r.LeaveSession,
        r.ShowSession,
        r.RevealField,
        r.IdentifyPatient,
        r.CancelSession,
        g.ExportSession,
        s.ReviewEmergencyAccess,
    }
)
"""The requests that a person causes, which delay the automatic log-off, as all commands do; the
others a page makes by itself."""

_NOT_YOURS = Refusal(
    RejectionCode.NOT_ALLOWED_FOR_ROLE, "The role of the person who is signed in does not allow it."
)
_NOT_HERE = Refusal(RejectionCode.NOT_ALLOWED_FOR_ROLE, "Only facility IT may do this.")


def keeps_out(work: UnitOfWork, device: Device, needed: Roles) -> Refusal | None:
    """Return why nobody at a screen may do what needs one of these roles, or None."""
    if device.role is not Role.FACILITY or needed == ANYBODY:
        return None
    if not work.has_persons:
        return _NOT_HERE if needed == SUPERVISOR else None
    signed_in = work.desk(device.device).signed_in
    log_off_s = work.registry.settings.staff_log_off.total_seconds()
    if signed_in is None or signed_in.seconds_left(work.steady_s, log_off_s) == 0:
        return SIGN_IN_REQUIRED  # also before the timers have signed out who did nothing
    return None if needed.intersection(signed_in.roles) else _NOT_YOURS


def request_refused(work: UnitOfWork, device: Device, request: r.Request) -> Refusal | None:
    """Return why nobody at a screen may make a request, or None."""
    needed = DUTIES.get(type(request), SUPERVISOR)
    return keeps_out(work, device, needed)


def note_act(work: UnitOfWork, device: Device, request: r.Request | None = None) -> None:
    """Note that a person at a screen did something; a command if there is no request."""
    if device.role is Role.FACILITY and (request is None or type(request) in ACTS):
        work.note_act(device.device)
