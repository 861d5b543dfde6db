"""Resolve a field id to its item, or to the reason why it cannot be used now.

Staff point at fields of the current step. The patient's entries are taken for every step that this
session has shown: what was typed while a screen was away, or in the moment before a step changed,
must not be lost because the staff moved on.
"""

from collections.abc import Mapping

from schemas.wire.rejections import RejectionCode
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session
from session_controller.forms import answers as rules
from session_controller.forms.answers import Place, resolve
from session_controller.forms.enablement import evaluate
from session_controller.forms.layout import layout_of


def refuse_kind(message: str) -> Refusal:
    """Refuse a command or value meant for another kind of field."""
    return Refusal(RejectionCode.WRONG_FIELD_KIND, message)


def field_at(session: Session, field_id: str) -> Place | Refusal:
    """Find an enabled field of the flow, on any step."""
    place = _find(session, field_id)
    if place is None:
        return _unknown()
    return place if session.shows(field_id) else _off(place)


def field_on_step(session: Session, field_id: str) -> Place | Refusal:
    """Find an enabled field of the current step."""
    place = _find(session, field_id)
    if place is not None and place.step_id != session.step.step_id:
        return _elsewhere(f"{place.item.label}: this question is on another step.")
    return field_shown(session, field_id)


def field_shown(session: Session, field_id: str) -> Place | Refusal:
    """Find an enabled field of a step that has been current in this session."""
    place = _find(session, field_id)
    if place is None:
        return _unknown()
    if not _was_current(session, place):
        return _elsewhere(f"{place.item.label}: this question has not been shown yet.")
    if session.shows(field_id):
        return place
    known = rules.grow(session.flow, session.state.instances, place)
    return _unknown() if known is rules.Refused.NO_SUCH_INSTANCE else _off(place)


def field_to_fill(session: Session, field_id: str) -> Place | Refusal:
    """Find a field as `field_shown` does, or one in an instance that an entry would add."""
    found = field_shown(session, field_id)
    place = _find(session, field_id)
    if place is None or not _was_current(session, place):
        return found
    grown = rules.grow(session.flow, session.state.instances, place)
    if grown is rules.Refused.TOO_MANY:
        return Refusal(
            RejectionCode.TOO_MANY,
            f"{place.item.label}: no more can be added.",
            {"limit": rules.most_instances(session.flow, place)},
        )
    if not isinstance(found, Refusal) or isinstance(grown, rules.Refused):
        return found
    return place if field_id in _shown_with(session, grown, place) else found


def next_instances(session: Session) -> Mapping[str, tuple[str, ...]]:
    """Return what one more instance of each repeating group on this step would show, by group.

    A group that may have no more is left out, and so is one that has none: its first instance is
    among what the step shows.
    """
    layout, counts = session.assessment.layout, session.state.instances
    nodes = (layout.nodes[index] for index in layout.by_step[session.state.step_index])
    groups = [node.count_key for node in nodes if node.count_key is not None]
    shown = {
        group: _shown_in(session, f"{group}[{counts[group]}]")
        for group in groups
        if group in counts
    }
    return {group: ids for group, ids in shown.items() if ids}


def _shown_in(session: Session, instance: str) -> tuple[str, ...]:
    """Return what an instance that an entry would add would show; nothing where none may."""
    place = resolve(session.flow, instance)
    grown = rules.grow(session.flow, session.state.instances, place) if place else None
    if place is None or grown is None or isinstance(grown, rules.Refused):
        return ()
    shown = _shown_with(session, grown, place)
    return tuple(one for one in shown if one == instance or one.startswith(f"{instance}."))


def _shown_with(session: Session, instances: Mapping[str, int], place: Place) -> Mapping[str, None]:
    """Return what a field's step would show if there were these instances, in order."""
    layout = layout_of(session.flow, instances)
    on = evaluate(layout, session.assessment.held)
    step = session.flow.step_of[place.step_id]
    nodes = (layout.nodes[index] for index in layout.by_step[step.index])
    return dict.fromkeys(node.field_id for node in nodes if on[node.index] and not node.hidden)


def is_instance(session: Session, field_id: str) -> bool:
    """Return whether this is an existing instance `{group}[{n}]` of a step that was current."""
    place = resolve(session.flow, field_id)
    if place is None or not place.is_instance or not _was_current(session, place):
        return False
    key, number = place.containers[-1]
    return number < session.state.instances.get(key, 0)


def _find(session: Session, field_id: str) -> Place | None:
    place = resolve(session.flow, field_id)
    return place if place and not place.is_instance and place.item.is_field else None


def _was_current(session: Session, place: Place) -> bool:
    return place.step_id in session.state.shown_steps


def _elsewhere(message: str) -> Refusal:
    return Refusal(RejectionCode.FIELD_NOT_ON_THIS_STEP, message)


def _unknown() -> Refusal:
    return Refusal(RejectionCode.UNKNOWN_FIELD, "This form has no such field.")


def _off(place: Place) -> Refusal:
    return _elsewhere(f"{place.item.label}: this question does not apply now.")
