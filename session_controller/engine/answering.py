"""Enter and clear fields in a session's state: answers and everything else keyed by field id."""

from pydantic import JsonValue

from schemas.questionnaire.model import Flow
from session_controller.engine.state import SessionState
from session_controller.forms import answers as rules


class BrokenLogError(Exception):
    """The log contradicts the flow: it belongs to another flow, or was changed."""


def enter(flow: Flow, state: SessionState, field_id: str, value: JsonValue) -> SessionState:
    """Store a value, adding an instance of its group if the field id asks for a new one."""
    place = _place(flow, field_id)
    entry = rules.enter(flow, state.answers, state.instances, place, value)
    if isinstance(entry, rules.Refused):
        raise BrokenLogError(f"the log contains an entry that the flow does not allow: {entry}")
    # One that comes late, for a step that the staff has left, says nothing of where the patient is.
    here = flow.steps[state.step_index].step_id == place.step_id
    focus = field_id if here else state.patient_focus
    return state.but(answers=entry.answers, instances=entry.instances, patient_focus=focus)


def add_instance(flow: Flow, state: SessionState, field_id: str) -> SessionState:
    """Add the group instance that a document's field id names, if it is new."""
    grown = rules.grow(flow, state.instances, _place(flow, field_id))
    if isinstance(grown, rules.Refused):
        raise BrokenLogError(f"the log contains an upload that the flow does not allow: {grown}")
    return state.but(instances=grown)


def clear(flow: Flow, state: SessionState, field_id: str) -> SessionState:
    """Clear a field, or remove an instance of a repeating group and renumber the later ones."""
    place = _place(flow, field_id)
    if place.is_instance:
        return _without_instance(state, place)
    return state.but(
        answers={k: v for k, v in state.answers.items() if k != field_id},
        documents={k: v for k, v in state.documents.items() if k != field_id},
        corrections={k: v for k, v in state.corrections.items() if k != field_id},
        not_taken={k: v for k, v in state.not_taken.items() if k != field_id},
    )


def _without_instance(state: SessionState, place: rules.Place) -> SessionState:
    entry = rules.remove_instance(state.answers, state.instances, place)
    if isinstance(entry, rules.Refused):
        raise BrokenLogError(f"the log removes an instance that does not exist: {entry}")
    return state.but(
        answers=entry.answers,
        instances=entry.instances,
        documents=rules.shifted(state.documents, place),
        corrections=rules.shifted(state.corrections, place),
        not_taken=rules.shifted(state.not_taken, place),
        reading=rules.shifted(state.reading, place),
        reading_seconds=rules.shifted(state.reading_seconds, place),
        signatures=rules.shifted(state.signatures, place),
        computed=rules.shifted(state.computed, place),
        highlight=None,
        patient_focus=None,
    )


def _place(flow: Flow, field_id: str) -> rules.Place:
    place = rules.resolve(flow, field_id)
    if place is None:
        raise BrokenLogError("the log names a field that the flow does not have")
    return place
