"""What follows from a change of answers by the form's expressions."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from pydantic import JsonValue

from session_controller.engine.events import Calculated, SessionOpened
from session_controller.engine.session import Session
from session_controller.engine.state import SessionState

if TYPE_CHECKING:
    from session_controller.forms.calculation import Calculation, Computed

_PASSES = 50
"""Results can lead to further ones so many times after each other."""


def calculated(
    before: Session, after: Session, cause: object, clock: Callable[[], Callable[[], bool]]
) -> Calculated | None:
    """Return the new results of expressions after a fact, or None if there are none.

    Results change answers and what is on, on which others depend: it is calculated until nothing
    changes. `clock` starts the time that it has, and returns whether it is over:
    what is not reached keeps its result, and is calculated with the next change.
    """
    if not after.flow.has_expressions or after.state.status.ended:
        return None
    from session_controller.forms.calculation import calculate  # noqa: PLC0415 - of few flows
    from session_controller.forms.formulas import prepare  # noqa: PLC0415 - the same

    opening = isinstance(cause, SessionOpened)
    if not opening and _entered(before.state) == _entered(after.state):
        return None
    prepare(after.flow)
    is_over = clock()
    answers: dict[str, JsonValue] = {}
    computed: dict[str, Computed] = {}
    session, changed = after, None if opening else set(_changed(before, after))
    for _ in range(_PASSES):
        found = calculate(session.assessment, session.state.computed, changed, is_over=is_over)
        if not found:
            break
        answers |= found.answers
        computed |= found.computed
        following = session.moved_to(_with(session.state, found))
        session, changed = following, set(_changed(session, following))
    if not answers and not computed:
        return None
    return Calculated(answers=answers, computed=computed, opening=opening)


def _entered(state: SessionState) -> tuple[object, ...]:
    return state.answers, state.instances, state.documents, state.signatures, state.reading


def _with(state: SessionState, found: "Calculation") -> SessionState:
    answers = {**state.answers, **found.answers}
    return state.but(
        answers={field_id: value for field_id, value in answers.items() if value is not None},
        computed={**state.computed, **found.computed},
    )


def _changed(before: Session, after: Session) -> Iterable[str]:
    """Yield the linkIds whose answers, or whose being on, differ."""
    nodes, index = after.assessment.layout.nodes, after.assessment.layout.index
    if before.assessment.layout is not after.assessment.layout:
        yield from after.flow.items
        return
    for one, other in zip(_entered(before.state), _entered(after.state), strict=True):
        if one is other or not isinstance(one, dict) or not isinstance(other, dict):
            continue
        for field_id in one.keys() | other.keys():
            if one.get(field_id) != other.get(field_id) and field_id in index:
                yield nodes[index[field_id]].item.link_id
    pairs = zip(nodes, before.assessment.on, after.assessment.on, strict=True)
    yield from (node.item.link_id for node, one, other in pairs if one != other)
