"""What was changed in a session's fields, for its staff and facility IT; masked values."""

from collections.abc import Iterable

from pydantic import JsonValue

from schemas.base import Role
from schemas.questionnaire.model import Flow
from schemas.wire import requests as r
from schemas.wire.rejections import RejectionCode
from session_controller.audit.events import FieldHistorySeen, FieldRevealed
from session_controller.engine.field_history import FieldChange, field_changes
from session_controller.engine.limits import size_of
from session_controller.engine.refusal import UNKNOWN_SESSION, Refusal
from session_controller.engine.view_parts import masked
from session_controller.service.handlers.administration import stored_session
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device
from session_controller.storage.store import Store

_PAGE = 200
_PAGE_BYTES = 256 * 1024
"""Of the values of a page: keeps an answer below the broker's packet limit, as a view is."""


_NOT_A_PARTICIPANT = Refusal(RejectionCode.NOT_A_PARTICIPANT, "This screen is not in that session.")


def field_history(
    work: UnitOfWork, store: Store, device: Device, request: r.FieldHistory
) -> r.Answer | Refusal:
    """List what was changed, a page at a time; sensitive values are masked as in views."""
    session = stored_session(work, store, request.session)
    if session is None:
        return UNKNOWN_SESSION
    if device.role is Role.FACILITY and device.device not in session.state.participants:
        return _NOT_A_PARTICIPANT
    work.note(
        FieldHistorySeen(field_id=request.field_id), device=device.device, session=request.session
    )
    found = [
        one
        for one in field_changes(session.flow, store.events(request.session))
        if one.revision > request.after and request.field_id in (None, one.field_id)
    ]
    page = _first_page(found)
    return r.FieldChanges(
        request_id=request.request_id,
        session=request.session,
        changes=tuple(_line(session.flow, one) for one in page),
        more=len(page) < len(found),
    )


def reveal_field(
    work: UnitOfWork, store: Store, device: Device, request: r.RevealField
) -> r.Answer | Refusal:
    """Return a field's value unmasked, to a staff screen of the session; logged first."""
    session = stored_session(work, store, request.session)
    if session is None:
        return UNKNOWN_SESSION
    if device.device not in session.state.participants:
        return _NOT_A_PARTICIPANT
    if request.field_id not in session.assessment.enabled_ids:
        return Refusal(RejectionCode.UNKNOWN_FIELD, "This session has no such field.")
    work.note(
        FieldRevealed(field_id=request.field_id), device=device.device, session=request.session
    )
    return r.FieldRevealed(
        request_id=request.request_id,
        session=request.session,
        field_id=request.field_id,
        value=session.state.answers.get(request.field_id),
    )


def _first_page(found: list[FieldChange]) -> list[FieldChange]:
    """Return the first changes that fit, those of one revision together."""
    page: list[FieldChange] = []
    size = 0
    for one in found:
        size += size_of(one.before) + size_of(one.after)
        full = len(page) >= _PAGE or size > _PAGE_BYTES
        if page and full and one.revision != page[-1].revision:
            break
        page.append(one)
    return page


def _line(flow: Flow, change: FieldChange) -> r.FieldChange:
    item = flow.items.get(change.link_id)
    before, after = _shown((change.before, change.after), sensitive=not item or item.sensitive)
    return r.FieldChange(
        field_id=change.field_id,
        revision=change.revision,
        at=change.at,
        device=change.device,
        before=before,
        after=after,
        removed=True if change.removed else None,
    )


def _shown(values: Iterable[JsonValue], *, sensitive: bool) -> list[JsonValue]:
    return [masked(value) if sensitive and value is not None else value for value in values]
