"""Facility IT's requests: flows, lists, one session's story and answers, cancelling, purging."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import takewhile
from pathlib import Path

from pydantic import JsonValue

from schemas import requests as r
from schemas.devices import LobbyLine
from schemas.flow import load_flow
from schemas.questionnaire import Flow, FlowError
from schemas.rejections import RejectionCode
from schemas.topics import FlowTopic, StateTopic
from session_controller.acts import FlowAdded, SessionPurged, SessionSeen, TimelineSeen
from session_controller.engine import facts as f
from session_controller.engine.facts import Event
from session_controller.engine.history import replay
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session
from session_controller.engine.state import SessionState
from session_controller.engine.view import facility_view
from session_controller.records import Device, StoredFlow
from session_controller.store import Store
from session_controller.work import Work

_PAGE = 500
_MAX_PROBLEMS = 20
_UNKNOWN = Refusal(RejectionCode.UNKNOWN_SESSION, "There is no such session.")


def add_flow(work: Work, _: Store, device: Device, request: r.AddFlow) -> r.Answer | Refusal:
    """Add a Questionnaire as a flow, or say what in it cannot be used, and where."""
    try:
        flow = load_flow(dict(request.questionnaire), fallback_id=request.fallback_id)
    except FlowError as error:
        problems: list[JsonValue] = [*map(str, error.problems[:_MAX_PROBLEMS])]
        return Refusal(
            RejectionCode.MALFORMED,
            f"This flow cannot be used. {problems[0]}",
            {"problems": problems},
        )
    refusal = _bad_mapping(flow, request.mapping)
    if refusal is not None:
        return refusal
    keep_flow(work, flow, request.mapping)
    act = FlowAdded(flow_ref=flow.flow_ref, mapping=request.mapping is not None)
    work.note(act, device=device.device)
    notes = tuple(r.FlowNote(place=note.place, message=note.message) for note in flow.notes)
    return r.FlowAdded(
        request_id=request.request_id, flow_id=flow.flow_id, flow_ref=flow.flow_ref, notes=notes
    )


def _bad_mapping(flow: Flow, mapping: dict[str, JsonValue] | None) -> Refusal | None:
    if mapping is None:
        return None
    from session_controller.fhir import MappingError, load_mapping  # noqa: PLC0415 - 4 MB

    try:
        load_mapping(mapping, flow)
    except MappingError as error:
        problems: list[JsonValue] = [*map(str, error.problems[:_MAX_PROBLEMS])]
        return Refusal(
            RejectionCode.MALFORMED,
            f"This mapping does not fit the flow. {problems[0]}",
            {"problems": problems},
        )
    return None


def add_examples(work: Work, folder: Path) -> None:
    """Add a folder's questionnaires, which are known to be good, as the box itself."""
    for path in sorted(folder.glob("*.json")):
        flow = load_flow(path.read_bytes(), fallback_id=path.stem, accepted=True)
        keep_flow(work, flow)
        work.note(FlowAdded(flow_ref=flow.flow_ref, mapping=False))


def keep_flow(work: Work, flow: Flow, mapping: dict[str, JsonValue] | None = None) -> None:
    """Store a flow and publish it; adding it twice does no harm."""
    rules = json.dumps(mapping).encode() if mapping is not None else None
    work.batch.flows.append(StoredFlow(flow.flow_ref, flow.flow_id, work.at, flow.canonical, rules))
    work.added[flow.flow_ref] = flow
    work.say(FlowTopic(flow.flow_ref), flow.canonical)


def list_flows(work: Work, _: Store, __: Device, request: r.ListFlows) -> r.Answer | Refusal:
    """List the flows that new sessions can use."""
    world = work.world
    lines = [
        r.FlowLine(
            flow_id=flow_id,
            flow_ref=ref,
            title=world.flows[ref].title,
            steps=len(world.flows[ref].steps),
            added_at=world.added[ref],
        )
        for flow_id, ref in sorted(world.current.items())
    ]
    return r.Flows(request_id=request.request_id, flows=tuple(lines))


def list_devices(work: Work, _: Store, __: Device, request: r.ListDevices) -> r.Answer | Refusal:
    """List all devices, the revoked too."""
    lines = [
        r.DeviceLine(
            device=d.device,
            name=d.name,
            role=d.role,
            enrolled_at=d.enrolled_at,
            guest=d.guest_of is not None,
            revoked=d.revoked_at is not None,
            online=d.online,
        )
        for d in sorted(work.world.devices.values(), key=lambda d: d.enrolled_at)
    ]
    return r.Devices(request_id=request.request_id, devices=tuple(lines))


def list_kiosks(work: Work, _: Store, __: Device, request: r.ListKiosks) -> r.Answer | Refusal:
    """List the patient's screens that staff can send a session to."""
    lines = [
        r.KioskLine(
            device=kiosk.device,
            name=kiosk.name,
            online=kiosk.online,
            session=work.assigned_to(kiosk.device),
        )
        for kiosk in sorted(work.world.kiosks(), key=lambda kiosk: kiosk.device)
    ]
    return r.Kiosks(request_id=request.request_id, kiosks=tuple(lines))


def lobby_line(state: SessionState, flow: Flow) -> LobbyLine:
    """Put a session into a line."""
    patient = state.participants.get(state.patient) if state.patient else None
    return LobbyLine(
        session=state.session,
        label=state.label,
        flow_ref=state.flow_ref,
        status=state.shown_status,
        step_id=flow.steps[state.step_index].step_id,
        step_index=state.step_index,
        steps_total=len(flow.steps),
        patient_online=patient is not None and patient.online,
        help_requested=state.help_requested,
        host=state.host,
        opened_at=state.opened_at,
        updated_at=state.updated_at,
    )


def list_sessions(
    work: Work, store: Store, _: Device, request: r.ListSessions
) -> r.Answer | Refusal:
    """List the open sessions, or all that are stored."""
    states = [session.state for session in work.open_sessions()]
    if request.ended:
        live = [session.state for session in {**work.world.sessions, **work.sessions}.values()]
        known = {state.session: state for state in (*store.ended_states(), *live)}
        states = sorted(known.values(), key=lambda state: state.opened_at)
    lines = [lobby_line(state, work.world.flows[state.flow_ref]) for state in states]
    return r.Sessions(request_id=request.request_id, sessions=tuple(lines))


def _stored(work: Work, store: Store, name: str) -> Session | None:
    live = work.session(name)
    if live is not None:
        return live
    state = store.state(name)
    return Session.of(work.world.flows[state.flow_ref], state) if state else None


def show_session(
    work: Work, store: Store, device: Device, request: r.ShowSession
) -> r.Answer | Refusal:
    """Show a session as its staff sees it: sensitive values masked, and no code."""
    session = _stored(work, store, request.session)
    if session is not None and request.revision is not None:
        session = _as_it_was(store, session, request.revision)
    if session is None:
        return _UNKNOWN
    shown = facility_view(session, device.device, epoch=work.world.epoch)
    work.note(SessionSeen(revision=shown.revision), device=device.device, session=shown.session)
    return r.SessionShown(request_id=request.request_id, view=shown)


def _as_it_was(store: Store, session: Session, revision: int) -> Session | None:
    """Rebuild a session from its log up to a revision; None where it has not come so far."""
    if revision > session.state.revision:
        return None
    name = session.state.session
    events = store.events(name)
    return replay(session.flow, takewhile(lambda event: event.revision <= revision, events))


def session_timeline(
    work: Work, store: Store, device: Device, request: r.SessionTimeline
) -> r.Answer | Refusal:
    """List what happened, a page at a time; names fields, never what was entered."""
    session = _stored(work, store, request.session)
    if session is None:
        return _UNKNOWN
    work.note(TimelineSeen(), device=device.device, session=request.session)
    events = list(store.events(request.session, request.after, _PAGE + 1))
    lines = tuple(_timeline_line(event, session.flow) for event in events[:_PAGE])
    return r.Timeline(
        request_id=request.request_id,
        session=request.session,
        events=lines,
        more=len(events) > _PAGE,
    )


def _timeline_line(event: Event, flow: Flow) -> r.TimelineLine:
    return r.TimelineLine(
        revision=event.revision,
        at=event.at,
        device=event.device,
        event=event.fact.type,
        summary=_summary(event.fact, flow),
    )


def _summary(fact: f.Fact, flow: Flow) -> str:  # noqa: PLR0911 - one case per fact
    """Say what a fact was about: the field, step, device or refusal that it names."""
    match fact:
        case f.CommandRefused():
            return fact.code.value
        case f.Navigated():
            step = flow.steps[fact.step_index]
            return step.title or step.step_id
        case f.PresenceChanged():
            return f"{fact.device} {'online' if fact.online else 'offline'}"
        case f.ReadingReported():
            return f"{fact.field_id} {fact.fraction:.0%}"
        case f.ScreenCovered():
            return "covered" if fact.covered else "shown"
        case f.DocumentReviewed():
            return f"{fact.field_id} {'accepted' if fact.accepted else 'sent back'}"
        case f.SessionOpened():
            return fact.flow_ref
    return str(getattr(fact, "field_id", None) or getattr(fact, "device", None) or "")


def cancel_session(
    work: Work, _: Store, device: Device, request: r.CancelSession
) -> r.Answer | Refusal:
    """End a session that nobody leads any more."""
    session = work.session(request.session)
    if session is None:
        return _UNKNOWN
    if session.state.status.ended:
        return Refusal(RejectionCode.SESSION_ENDED, "The session has ended.")
    work.record(session, f.Cancelled(reason=request.reason), device=device.device)
    return r.SessionCancelled(request_id=request.request_id, session=request.session)


def purge_sessions(
    work: Work, store: Store, device: Device, request: r.PurgeSessions
) -> r.Answer | Refusal:
    """Delete ended sessions with all that was entered, and what is retained of them."""
    names = list(request.sessions)
    if request.older_than_s is not None:
        names += store.ended_before(work.at - timedelta(seconds=request.older_than_s))
    found = {name: _state(work, store, name) for name in names}
    if None in found.values():
        return _UNKNOWN
    states = {name: state for name, state in found.items() if state is not None}
    if not all(state.status.ended for state in states.values()):
        return Refusal(RejectionCode.UNAVAILABLE, "An open session is ended before it is purged.")
    waiting = {} if request.undelivered else {name: store.undelivered(name) for name in states}
    kept = [name for name, destinations in waiting.items() if destinations]
    named = next((name for name in kept if name in request.sessions), None)
    if named is not None:
        return _undelivered(waiting[named])
    purged = [name for name in states if name not in kept]
    for name in purged:
        clear_topics(work, states[name])
        _forget_guests(work, name)
        work.note(SessionPurged(), device=device.device, session=name)
    work.batch.purged += purged
    return r.SessionsPurged(request_id=request.request_id, sessions=tuple(purged), kept=tuple(kept))


def _state(work: Work, store: Store, name: str) -> SessionState | None:
    live = work.session(name)
    return live.state if live else store.state(name)


def _undelivered(destinations: list[str]) -> Refusal:
    return Refusal(
        RejectionCode.UNAVAILABLE,
        f"This session is not delivered to {', '.join(sorted(destinations))} yet; purge it as "
        "undelivered if it is not wanted there.",
        {"destinations": [*sorted(destinations)]},
    )


def _forget_guests(work: Work, session: str) -> None:
    """Forget what guests' phones called themselves; their ids are never given to others."""
    for guest in [d for d in work.world.devices.values() if d.guest_of == session]:
        work.put_device(replace(guest, name=""))


def back_up(work: Work, _: Store, device: Device, request: r.BackUp) -> None:
    """Have a backup taken; it is answered when that is done."""
    work.backups.append((device.device, request.request_id))


def clear_topics(work: Work, state: SessionState) -> None:
    """Clear the retained views of a session."""
    for device in state.participants:
        work.said.append((StateTopic(state.session, device), None))
