"""Requests about flows, and adding them."""

import json
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import JsonValue

from schemas.questionnaire.dates import days_around
from schemas.questionnaire.load import load_flow
from schemas.questionnaire.model import Flow, FlowError
from schemas.questionnaire.patterns import check_patterns
from schemas.topics import FlowTopic
from schemas.wire import requests as r
from schemas.wire.patient_fields import PatientFields
from schemas.wire.rejections import RejectionCode
from session_controller.audit.events import FlowAdded
from session_controller.engine.refusal import Refusal
from session_controller.engine.state import SessionState
from session_controller.forms.identity import identity_items
from session_controller.service.registry import FlowInUse
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Device, StoredFlow
from session_controller.storage.store import Store

_MAX_PROBLEMS = 20
_TRIED_S = 0.5
"""For trying the expressions of a form that is added, in seconds of processor time: meanwhile
nobody is served."""
_UNFIT = (
    "The mapping of the earlier version is kept, and does not fit; give a new one (--mapping), or "
    "drop it (--without-mapping)"
)


def add_flow(
    work: UnitOfWork, store: Store, device: Device, request: r.AddFlow
) -> r.Answer | Refusal:
    """Add a Questionnaire as a flow, or say what in it cannot be used, and where."""
    try:
        questionnaire = dict(request.questionnaire)
        check_patterns(questionnaire, time.process_time)
        flow = load_flow(questionnaire, fallback_id=request.fallback_id)
    except FlowError as error:
        problems: list[JsonValue] = [*map(str, error.problems[:_MAX_PROBLEMS])]
        return Refusal(
            RejectionCode.MALFORMED,
            f"This flow cannot be used. {problems[0]}",
            {"problems": problems},
        )
    kept = _earlier_mapping(work, store, flow.flow_id, request)
    mapping = request.mapping if kept is None else kept
    patient = _patient_fields(flow, mapping, *([] if kept is None else [_UNFIT]))
    if isinstance(patient, Refusal):
        return patient
    keep_flow(work, flow, mapping)
    act = FlowAdded(flow_ref=flow.flow_ref, mapping=mapping is not None)
    work.note(act, device=device.device)
    from session_controller.forms.contradictions import (  # noqa: PLC0415 - of new flows
        contradictions,
    )

    notes = (*flow.notes, *contradictions(flow, days_around(work.at), _clock()))
    return r.FlowAdded(
        request_id=request.request_id,
        flow_id=flow.flow_id,
        flow_ref=flow.flow_ref,
        notes=tuple(r.FlowNote(**note.to_json()) for note in notes),
        patient=patient,
        kept_mapping=kept is not None or None,
    )


def _clock() -> Callable[[], bool]:
    """Start the time for trying expressions; return a function that says whether it is over."""
    until = time.thread_time() + _TRIED_S
    return lambda: time.thread_time() > until


def _earlier_mapping(
    work: UnitOfWork, store: Store, flow_id: str, request: r.AddFlow
) -> dict[str, JsonValue] | None:
    """Return the mapping of a flow's current version if it is to be kept, or None."""
    current = work.registry.current.get(flow_id)
    if request.mapping is not None or request.without_mapping or current is None:
        return None
    stored = store.find_flow(current)
    if stored is None or stored.mapping is None:
        return None
    found: dict[str, JsonValue] = json.loads(stored.mapping)
    return found


def _patient_fields(
    flow: Flow, mapping: dict[str, JsonValue] | None, *explained: str
) -> PatientFields | Refusal:
    """Return which questions say who the patient is, or say where the mapping does not fit."""
    from session_controller.export import fhir  # noqa: PLC0415 - 4 MB

    try:
        found = fhir.yields(fhir.new_mapping(flow, mapping))
    except fhir.MappingError as error:
        problems: list[JsonValue] = [*explained, *map(str, error.problems[:_MAX_PROBLEMS])]
        return Refusal(
            RejectionCode.MALFORMED,
            f"This mapping does not fit the flow. {problems[0]}",
            {"problems": problems},
        )
    return PatientFields(name=found["name"], birth_date=found["birthDate"], gender=found["gender"])


def add_examples(work: UnitOfWork, folder: Path) -> None:
    """Add a folder's questionnaires, which are known to be good, as the box itself."""
    for path in sorted(folder.glob("*.json")):
        flow = load_flow(path.read_bytes(), fallback_id=path.stem, accepted=True)
        keep_flow(work, flow)
        work.note(FlowAdded(flow_ref=flow.flow_ref, mapping=False))


def keep_flow(work: UnitOfWork, flow: Flow, mapping: dict[str, JsonValue] | None = None) -> None:
    """Store a flow and publish it; adding it twice does no harm."""
    rules = json.dumps(mapping).encode() if mapping is not None else None
    work.transaction.flows.append(
        StoredFlow(flow.flow_ref, flow.flow_id, work.at, flow.canonical, rules)
    )
    work.added[flow.flow_ref] = FlowInUse(flow, work.at, identity_items(flow, mapping))
    work.say(FlowTopic(flow.flow_ref), flow.canonical)


def flow_of(work: UnitOfWork, store: Store, state: SessionState) -> Flow:
    """Return the version of a flow that a stored session, live or not, was opened with."""
    return work.registry.flows.get(state.flow_ref) or store.flow(state.flow_ref)


def flow_to_open(work: UnitOfWork, store: Store, name: str) -> Flow | None:
    """Return the flow for a new session: by its id the current one, or an exact version."""
    named = work.registry.flow_named(name)
    stored = store.find_flow(name) if named is None else None
    if stored is None:
        return named
    reused = work.reused[name] = FlowInUse.of(stored)
    work.say(FlowTopic(name), stored.canonical)
    return reused.flow


def list_flows(work: UnitOfWork, _: Store, __: Device, request: r.ListFlows) -> r.Answer | Refusal:
    """List the flows that new sessions can use."""
    registry = work.registry
    lines = [
        r.FlowLine(
            flow_id=flow_id,
            flow_ref=ref,
            title=registry.flows[ref].title,
            titles=dict(registry.flows[ref].translations) or None,
            steps=len(registry.flows[ref].steps),
            added_at=registry.added[ref],
            not_offered=registry.flows[ref].not_offered(days_around(work.at)),
        )
        for flow_id, ref in sorted(registry.current.items())
    ]
    return r.Flows(request_id=request.request_id, flows=tuple(lines))
