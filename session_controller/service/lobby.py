"""The lobby: a line for each open session."""

from collections.abc import Sequence
from datetime import datetime

from schemas.questionnaire.model import Flow
from schemas.wire.devices import LobbyLine
from schemas.wire.views import DocumentStatus
from session_controller.engine.state import SessionState
from session_controller.engine.view_parts import help_view


def lobby_line(state: SessionState, flow: Flow, steps_on: Sequence[int] | None = None) -> LobbyLine:
    """Put a session into a line.

    `steps_on`: the indices of the steps that there are now; all of the flow's if it is not given.
    """
    steps = range(len(flow.steps)) if steps_on is None else steps_on
    patient = state.participants.get(state.patient) if state.patient else None
    received = _to_review(state)
    return LobbyLine(
        session=state.session,
        label=state.label,
        flow_ref=state.flow_ref,
        status=state.shown_status,
        step_id=flow.steps[state.step_index].step_id,
        step_index=steps.index(state.step_index),
        steps_total=len(steps),
        patient_online=patient is not None and patient.online,
        patient_idle=state.idle,
        patient_locked=state.locked,
        help_requested=state.help_requested,
        help=help_view(state),
        ready_since=state.ready_since,
        host=state.host,
        opened_at=state.opened_at,
        updated_at=state.updated_at,
        test=state.test or None,
        patient_device=state.patient,
        patient_since=patient.since if patient else None,
        idle_since=state.idle_since,
        step_since=state.shown_steps.get(flow.steps[state.step_index].step_id),
        to_review=len(received) or None,
        to_review_since=min(received, default=None),
        signing=True if state.signing else None,
    )


def _to_review(state: SessionState) -> list[datetime]:
    """Return when each document was received that no one has reviewed."""
    return [
        document.received_at or state.updated_at
        for document in state.documents.values()
        if document.status is DocumentStatus.RECEIVED
    ]
