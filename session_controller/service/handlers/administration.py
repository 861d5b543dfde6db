"""Facility IT's requests: flows, lists, one session's story and answers, cancelling, purging."""

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from datetime import timedelta
from itertools import takewhile

from schemas.base import rfc3339
from schemas.questionnaire.model import Flow
from schemas.topics import AssignmentTopic, PresenceTopic, StateTopic
from schemas.wire import requests as r
from schemas.wire.rejections import RejectionCode
from schemas.wire.status import ShowStatus, TryAlerts
from session_controller.audit.events import SessionPurged, SessionSeen, TimelineSeen
from session_controller.engine import events as f
from session_controller.engine.events import Event
from session_controller.engine.history import replay
from session_controller.engine.refusal import SESSION_ENDED, UNKNOWN_SESSION, Refusal
from session_controller.engine.session import Session
from session_controller.engine.state import SessionState
from session_controller.engine.view import facility_view
from session_controller.service.desks import is_emergency
from session_controller.service.handlers.deliveries import reason_of
from session_controller.service.handlers.flows import flow_of
from session_controller.service.lobby import lobby_line
from session_controller.service.unit_of_work import PurgeOrder, UnitOfWork
from session_controller.storage.deliveries import Delivery
from session_controller.storage.entities import Device
from session_controller.storage.store import Store

_PAGE = 500
_EMERGENCY = "emergency access"
_MAX_PROBLEMS = 20
PURGED_AT_ONCE = 20
"""Sessions that one batch purges: a few milliseconds, and one sync."""
_LINES = 50
"""Of a page of a list: some 20 kB, and 20 ms of work between two messages of others."""

_Mark = tuple[str, str]
"""When a session was opened, and its id."""
_Listed = tuple[_Mark, SessionState | None]


def list_sessions(
    work: UnitOfWork, store: Store, _: Device, request: r.ListSessions
) -> r.Answer | Refusal:
    """List a page of the open sessions, or of all that are stored, the newest first."""
    before = (request.page or "").split(" ")
    mark = (before[0], before[1]) if request.page else None
    wanted = request.status
    if wanted.ended if wanted else request.ended:
        found = _stored(work, store, request, mark)
    else:
        found = _open(work, request, mark)
    page = (state for _, state in found[:_LINES])
    lines = [lobby_line(state, flow_of(work, store, state)) for state in page if state is not None]
    return r.Sessions(
        request_id=request.request_id,
        sessions=tuple(lines),
        next_page=" ".join(found[_LINES - 1][0]) if len(found) > _LINES else None,
    )


def _open(work: UnitOfWork, request: r.ListSessions, before: _Mark | None) -> list[_Listed]:
    """Return the open sessions of a page and one more."""
    states = [session.state for session in work.open_sessions()]
    since = rfc3339(request.opened_since) if request.opened_since else ""
    wanted = {
        (rfc3339(state.opened_at), state.session): state
        for state in states
        if request.status in {None, state.shown_status} and rfc3339(state.opened_at) >= since
    }
    marks = sorted((mark for mark in wanted if before is None or mark < before), reverse=True)
    return [(mark, wanted[mark]) for mark in marks[: _LINES + 1]]


def _stored(
    work: UnitOfWork, store: Store, request: r.ListSessions, before: _Mark | None
) -> list[_Listed]:
    """Return the stored sessions of a page and one more."""
    marks = store.page_of_sessions(
        before, since=request.opened_since, status=request.status, limit=_LINES + 1
    )
    return [(mark, _state(work, store, mark[1])) for mark in marks]


def stored_session(work: UnitOfWork, store: Store, name: str) -> Session | None:
    """Return a session, open or ended, or None."""
    live = work.session(name)
    if live is not None:
        return live
    state = store.state(name)
    return Session.of(flow_of(work, store, state), state) if state else None


def show_session(
    work: UnitOfWork, store: Store, device: Device, request: r.ShowSession
) -> r.Answer | Refusal:
    """Show a session as its staff sees it: sensitive values masked, and no code."""
    session = stored_session(work, store, request.session)
    if session is not None and request.revision is not None:
        session = _as_it_was(store, session, request.revision)
    if session is None:
        return UNKNOWN_SESSION
    shown = facility_view(session, device.device, epoch=work.registry.epoch)
    work.note(SessionSeen(revision=shown.revision), device=device.device, session=shown.session)
    return r.SessionShown(
        request_id=request.request_id,
        view=shown,
        deliveries=tuple(map(_delivery, store.deliveries(shown.session))),
    )


def _delivery(delivery: Delivery) -> r.SessionDelivery:
    return r.SessionDelivery(
        destination=delivery.destination,
        status=delivery.status.value,
        reason=reason_of(delivery),
    )


def _as_it_was(store: Store, session: Session, revision: int) -> Session | None:
    """Rebuild a session from its log up to a revision; None where it has not come so far."""
    if revision > session.state.revision:
        return None
    name = session.state.session
    events = store.events(name)
    return replay(session.flow, takewhile(lambda event: event.revision <= revision, events))


def session_timeline(
    work: UnitOfWork, store: Store, device: Device, request: r.SessionTimeline
) -> r.Answer | Refusal:
    """List what happened, a page at a time; names fields, never what was entered."""
    session = stored_session(work, store, request.session)
    if session is None:
        return UNKNOWN_SESSION
    work.note(TimelineSeen(), device=device.device, session=request.session)
    events = list(store.events(request.session, request.after, _PAGE + 1))
    lines = tuple(_timeline_line(work, event, session.flow) for event in events[:_PAGE])
    return r.Timeline(
        request_id=request.request_id,
        session=request.session,
        events=lines,
        more=len(events) > _PAGE,
    )


def _timeline_line(work: UnitOfWork, event: Event, flow: Flow) -> r.TimelineLine:
    known = work.person(event.person) if event.person else None
    name = known.name if known else _EMERGENCY if is_emergency(event.person) else None
    return r.TimelineLine(
        revision=event.revision,
        at=event.at,
        device=event.device,
        person=event.person,
        person_name=name,
        event=event.fact.type,
        summary=_summary(event.fact, flow),
    )


def _summary(fact: f.Fact, flow: Flow) -> str:  # noqa: C901, PLR0911, PLR0912 - one case per fact
    """Return what a fact was about: the field, step, device or refusal, or the staff's reason."""
    match fact:
        case f.CommandRefused():
            return fact.code.value
        case f.StepPassed():
            return flow.steps[fact.step_index].title
        case f.SelfPacedSet():
            return {None: "as the form says", True: "on", False: "off"}[fact.self_paced]
        case f.HelpSent():
            return fact.staff_name or ""
        case f.Navigated():
            title = flow.steps[fact.step_index].title
            return ": ".join(filter(None, (title, fact.override_reason)))
        case f.Cancelled():
            return fact.reason
        case f.PresenceChanged():
            return f"{fact.device} {'online' if fact.online else 'offline'}"
        case f.ReadingReported():
            return f"{fact.field_id} {fact.fraction:.0%}"
        case f.ScreenCovered():
            return "covered" if fact.covered else "shown"
        case f.IdleReported():
            return "idle" if fact.idle else "attended"
        case f.ScreenReported():
            return f"{fact.language or '-'} {fact.text_percent}%"
        case f.PatientIdentified():
            return ", ".join(_stated(fact))
        case f.DocumentReviewed():
            return f"{fact.field_id} {'accepted' if fact.accepted else 'sent back'}"
        case f.SessionOpened():
            return fact.flow_ref
        case f.Calculated():
            return " ".join(fact.answers)
    return str(getattr(fact, "field_id", None) or getattr(fact, "device", None) or "")


def _stated(fact: f.PatientIdentified) -> Iterator[str]:
    """Yield what staff stated of the patient, without the values."""
    if fact.family or fact.given:
        yield "name"
    if fact.birth_date:
        yield "birth date"
    if fact.gender:
        yield "sex"


def cancel_session(
    work: UnitOfWork, _: Store, device: Device, request: r.CancelSession
) -> r.Answer | Refusal:
    """End a session that is still open."""
    session = work.session(request.session)
    if session is None:
        return UNKNOWN_SESSION
    if session.state.status.ended:
        return SESSION_ENDED
    work.record(session, f.Cancelled(reason=request.reason), device=device.device)
    return r.SessionCancelled(request_id=request.request_id, session=request.session)


def purge_sessions(
    work: UnitOfWork, store: Store, device: Device, request: r.PurgeSessions
) -> r.Answer | Refusal | None:
    """Delete ended sessions with all that was entered, and what is retained of them.

    A rule never deletes what waits for delivery: only sessions that are named can be given up.
    More than one batch can delete are deleted one batch after the other, and answered then.
    """
    refusal = next(filter(None, (_unfit(work, store, n, request) for n in request.sessions)), None)
    if refusal is not None:
        return refusal
    names = list(request.sessions)
    if request.older_than_s is not None:
        names += store.ended_before(work.at - timedelta(seconds=request.older_than_s))
    given_up = frozenset(request.sessions if request.undelivered else ())
    if len(names) > PURGED_AT_ONCE:
        sessions = tuple(dict.fromkeys(names))
        who = work.who(device.device)
        order = PurgeOrder(device.device, who, request.request_id, sessions, given_up)
        work.purges.append(order)
        return None
    purged, kept = purge_some(work, store, device.device, names, given_up)
    return r.SessionsPurged(
        request_id=request.request_id,
        sessions=tuple(purged),
        purged=len(purged),
        kept=tuple(kept),
        kept_count=len(kept),
    )


def _unfit(work: UnitOfWork, store: Store, name: str, request: r.PurgeSessions) -> Refusal | None:
    """Return why a session that is named cannot be purged, or None if it can."""
    state = _state(work, store, name)
    if state is None:
        return UNKNOWN_SESSION
    if not state.status.ended:
        return Refusal(RejectionCode.UNAVAILABLE, "An open session is ended before it is purged.")
    waiting = () if request.undelivered else _undelivered_to(work, store, name)
    return _undelivered(name, waiting) if waiting else None


def purge_some(
    work: UnitOfWork,
    store: Store,
    device: str | None,
    names: Iterable[str],
    given_up: AbstractSet[str],
    *,
    person: str | None = None,
) -> tuple[list[str], list[str]]:
    """Delete ended sessions; return those that are deleted, and those that wait for delivery.

    Those of `given_up` are deleted though they wait. Others than ended ones are left out.
    """
    purged: list[str] = []
    kept: list[str] = []
    for name in dict.fromkeys(names):
        live = work.session(name)
        if not (live.state.status.ended if live else store.has_ended(name)):
            continue
        if name not in given_up and _undelivered_to(work, store, name):
            kept.append(name)
            continue
        if live:  # the topics of the others are cleared
            clear_topics(work, live.state)
        work.note(SessionPurged(), device=device, session=name, person=person)
        purged.append(name)
    work.transaction.purged += purged
    return purged, kept


def _state(work: UnitOfWork, store: Store, name: str) -> SessionState | None:
    live = work.session(name)
    return live.state if live else store.state(name)


def _undelivered_to(work: UnitOfWork, store: Store, name: str) -> list[str]:
    """Return the destinations that a session has not arrived at, as this batch leaves them."""
    queued = {one.destination for one in work.transaction.queued if one.session == name}
    return sorted({*store.undelivered(name), *queued})


def _undelivered(name: str, destinations: Iterable[str]) -> Refusal:
    return Refusal(
        RejectionCode.UNAVAILABLE,
        f"{name} is not delivered to {', '.join(destinations)} yet; purge it as undelivered if it "
        "is not wanted there.",
        {"session": name, "destinations": [*destinations]},
    )


def back_up(work: UnitOfWork, _: Store, device: Device, request: r.BackUp) -> None:
    """Order a backup; the answer comes when it is taken."""
    work.backups.append(work.asked(device.device, request.request_id))


def show_status(work: UnitOfWork, _: Store, device: Device, request: ShowStatus) -> None:
    """Order the state of the box; the answer comes once the disk was asked."""
    work.statuses.append(work.asked(device.device, request.request_id))


def try_alerts(work: UnitOfWork, _: Store, device: Device, request: TryAlerts) -> None:
    """Order a test of the alerts; the answer comes when each channel was tried."""
    work.alert_tests.append(work.asked(device.device, request.request_id))


def clear_topics(work: UnitOfWork, state: SessionState) -> None:
    """Clear what is retained of a session: its views, and the topics of its guests."""
    for device in state.participants:
        work.said.append((StateTopic(state.session, device), None))
    for guest in work.registry.devices.values():
        if guest.guest_of == state.session:
            work.said.append((PresenceTopic(guest.device), None))
            work.said.append((AssignmentTopic(guest.device), None))
