"""Requests for a copy of the record that the patient takes along."""

from schemas.wire import exports as g
from schemas.wire import requests as r
from schemas.wire.rejections import RejectionCode
from session_controller.audit.events import CopyLinkCreated
from session_controller.engine import membership
from session_controller.engine.refusal import UNKNOWN_SESSION, Refusal
from session_controller.service.copy_links import LASTS, CopyLink, hash_of
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device
from session_controller.storage.store import Store

_NOT_OFFERED = Refusal(
    RejectionCode.UNAVAILABLE, "This box offers patients no copies; please ask our staff for one."
)
_GONE_ON = Refusal(
    RejectionCode.UNAVAILABLE,
    "This screen is in another check-in now; please ask our staff for a copy.",
)


def create_copy_link(
    work: UnitOfWork, _: Store, device: Device, request: g.CreateCopyLink
) -> r.Answer | Refusal:
    """Create a link that works once, for the patient of a completed session."""
    if not work.registry.offers_copies:
        return _NOT_OFFERED
    session = work.session(request.session)
    if session is None:
        return UNKNOWN_SESSION
    if refusal := membership.may_take_copy(session.state, device):
        return refusal
    if work.assigned_to(device.device) is not None:
        return _GONE_ON
    token = work.registry.copy_links.token(device.device, request.session, request.request_id)
    screen = session.state.patient_screen
    work.copy_links.append(
        CopyLink(
            token_hash=hash_of(token),
            session=request.session,
            device=device.device,
            language=screen.language if screen else None,
            until_s=work.steady_s + LASTS.total_seconds(),
        )
    )
    work.note(CopyLinkCreated(), device=device.device, session=request.session)
    return g.CopyLink(
        request_id=request.request_id, path=f"/copy#{token}", expires_at=work.at + LASTS
    )
