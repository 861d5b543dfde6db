"""The lobby: a line for each open session."""

from schemas.questionnaire.model import Flow
from schemas.wire.devices import LobbyLine
from session_controller.engine.state import SessionState
from session_controller.engine.view_parts import help_view


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
        patient_idle=state.idle,
        patient_locked=state.locked,
        help_requested=state.help_requested,
        help=help_view(state),
        ready_since=state.ready_since,
        host=state.host,
        opened_at=state.opened_at,
        updated_at=state.updated_at,
        test=state.test or None,
    )
