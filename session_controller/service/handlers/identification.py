"""The request of staff that states who the patient of a completed session is."""

import json
from collections.abc import Mapping
from datetime import date

from schemas.questionnaire.model import Flow, Json
from schemas.wire import requests as r
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import SessionStatus
from session_controller.engine.events import PatientIdentified
from session_controller.engine.refusal import UNKNOWN_SESSION, Refusal
from session_controller.engine.session import Session
from session_controller.engine.state import Identification, SessionState
from session_controller.service.handlers.deliveries import send_again
from session_controller.service.handlers.flows import flow_of
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.deliveries import DeliveryStatus
from session_controller.storage.entities import Device
from session_controller.storage.store import Store

_NAMES = {"name": "name", "birthDate": "birth date", "gender": "sex"}


def identify_patient(
    work: UnitOfWork, store: Store, device: Device, request: r.IdentifyPatient
) -> r.Answer | Refusal:
    """Record who the patient is, and send what was held for lack of it.

    A later statement replaces an earlier one. Saying the same again changes nothing.
    """
    state = _state(work, store, request.session)
    if state is None:
        return UNKNOWN_SESSION
    flow = flow_of(work, store, state)
    refusal = _cannot(work, state, request) or _mismatch(store, flow, state, request)
    if refusal is not None:
        return refusal
    if not _is_known(state, request):
        work.record_late(Session.of(flow, state), _fact(request), device=device.device)
    coming = (one for one in work.transaction.deliveries if one.session == request.session)
    held = [
        *store.deliveries(request.session, DeliveryStatus.HELD),
        *(one for one in coming if one.status is DeliveryStatus.HELD),
    ]
    send_again(work, device, held)
    return r.PatientIdentified(
        request_id=request.request_id, session=request.session, deliveries=len(held)
    )


def _state(work: UnitOfWork, store: Store, name: str) -> SessionState | None:
    live = work.session(name)
    if live is not None:
        return live.state
    return work.transaction.states.get(name) or store.state(name)


def _cannot(work: UnitOfWork, state: SessionState, request: r.IdentifyPatient) -> Refusal | None:
    if state.status is not SessionStatus.COMPLETED:
        return Refusal(
            RejectionCode.UNAVAILABLE, "Only the patient of a completed session can be identified."
        )
    if request.birth_date and date.fromisoformat(request.birth_date) > work.at.date():
        return Refusal(RejectionCode.MALFORMED, "The birth date must not lie in the future.")
    return None


def _mismatch(
    store: Store, flow: Flow, state: SessionState, request: r.IdentifyPatient
) -> Refusal | None:
    """Refuse what the answers say already, and what leaves the patient without a name or date."""
    from session_controller.export.fhir import identification, mapping_for  # noqa: PLC0415 - 4 MB

    said = identification.answered(flow, mapping_for(flow, _mapping(store, flow)), state)
    lacks = identification.missing_of(said)
    known = [
        _NAMES[element]
        for element in _stated(request)
        if element not in lacks and (element != "gender" or said.get("gender"))
    ]
    if known:
        return Refusal(
            RejectionCode.MALFORMED,
            f"The patient's own answers say the {_listed(known)}; state only what they lack.",
            {"answered": [*known]},
        )
    left = [_NAMES[element] for element in lacks if element not in _stated(request)]
    if left:
        return Refusal(
            RejectionCode.MALFORMED,
            f"The {_listed(left)} of the patient is needed too.",
            {"missing": [*left]},
        )
    return None


def _mapping(store: Store, flow: Flow) -> Mapping[str, Json] | None:
    stored = next(one for one in store.flows() if one.flow_ref == flow.flow_ref)
    if stored.mapping is None:
        return None
    rules: Mapping[str, Json] = json.loads(stored.mapping)
    return rules


def _stated(request: r.IdentifyPatient) -> tuple[str, ...]:
    stated = {
        "name": bool(request.family or request.given),
        "birthDate": bool(request.birth_date),
        "gender": bool(request.gender),
    }
    return tuple(element for element, is_stated in stated.items() if is_stated)


def _listed(names: list[str]) -> str:
    return " and the ".join(names)


def _fact(request: r.IdentifyPatient) -> PatientIdentified:
    return PatientIdentified(
        family=request.family,
        given=request.given,
        birth_date=request.birth_date,
        gender=request.gender,
        staff_name=request.staff_name,
    )


def _is_known(state: SessionState, request: r.IdentifyPatient) -> bool:
    known = state.identified
    if known is None:
        return False
    same = Identification(
        known.at,
        known.device,
        request.family,
        request.given,
        request.birth_date,
        request.gender,
        request.staff_name,
        known.person,
    )
    return known == same
