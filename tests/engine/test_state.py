"""A session's state is replaced, never changed."""

from dataclasses import fields, replace
from typing import get_type_hints

import pytest

from session_controller.engine.state import SessionState, StateChanges

from .play import START

STATE = SessionState("s", "flow", None, START, START, ("acorn", "boat"))


def test_the_changes_are_the_fields_of_a_state():
    """By name, in order and by type, so that mypy checks each call of `but` by them."""
    names = [field.name for field in fields(SessionState)]
    assert list(StateChanges.__annotations__) == names
    held, changes = get_type_hints(SessionState), get_type_hints(StateChanges)
    assert {name: held[name] for name in names} == changes
    assert StateChanges.__required_keys__ == frozenset()


def test_a_changed_state_is_what_replace_makes():
    """It equals it, and the state before stays as it was."""
    changes: StateChanges = {"revision": 3, "answers": {"name": "Okafor"}}
    changed = STATE.but(**changes)
    assert changed == replace(STATE, **changes)
    assert (STATE.revision, STATE.answers) == (0, {})


def test_what_is_no_field_is_an_error():
    """At run time too, for callers that nobody type-checks."""
    with pytest.raises(TypeError, match="no_field"):
        STATE.but(no_field=1)
