"""Entering and clearing in a state: the answers, and all else that is kept by field id."""

from pydantic import JsonValue

from schemas.questionnaire import Flow
from session_controller import answers as rules
from session_controller.engine.state import SessionState


class BrokenLogError(Exception):
    """The log holds what the flow does not allow: it is of another flow, or was changed."""


def enter(flow: Flow, state: SessionState, field_id: str, value: JsonValue) -> SessionState:
    """Put a value in its place, adding an instance of its group where the place asks for one."""
    place = _place(flow, field_id)
    entry = rules.enter(flow, state.answers, state.instances, place, value)
    if isinstance(entry, rules.Refused):
        raise BrokenLogError(f"the log holds an entry that the flow refuses: {entry}")
    return state.but(answers=entry.answers, instances=entry.instances)


def add_instance(flow: Flow, state: SessionState, field_id: str) -> SessionState:
    """Make room for a document in the instance that its field id names."""
    grown = rules.grow(flow, state.instances, _place(flow, field_id))
    if isinstance(grown, rules.Refused):
        raise BrokenLogError(f"the log holds an upload that the flow refuses: {grown}")
    return state.but(instances=grown)


def clear(flow: Flow, state: SessionState, field_id: str) -> SessionState:
    """Empty a field, or take an instance of a repeating group out; the later ones move up."""
    place = _place(flow, field_id)
    if place.is_instance:
        return _without_instance(state, place)
    return state.but(
        answers={k: v for k, v in state.answers.items() if k != field_id},
        documents={k: v for k, v in state.documents.items() if k != field_id},
        corrections={k: v for k, v in state.corrections.items() if k != field_id},
    )


def _without_instance(state: SessionState, place: rules.Place) -> SessionState:
    entry = rules.remove_instance(state.answers, state.instances, place)
    if isinstance(entry, rules.Refused):
        raise BrokenLogError(f"the log removes an instance that is not there: {entry}")
    return state.but(
        answers=entry.answers,
        instances=entry.instances,
        documents=rules.shifted(state.documents, place),
        corrections=rules.shifted(state.corrections, place),
        reading=rules.shifted(state.reading, place),
        reading_seconds=rules.shifted(state.reading_seconds, place),
        signatures=rules.shifted(state.signatures, place),
        highlight=None,
        patient_focus=None,
    )


def _place(flow: Flow, field_id: str) -> rules.Place:
    place = rules.resolve(flow, field_id)
    if place is None:
        raise BrokenLogError("the log names a field that the flow does not have")
    return place
