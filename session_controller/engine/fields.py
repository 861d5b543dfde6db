"""From a field id to the item it stands for, or to why it cannot be used now."""

from schemas.rejections import RejectionCode
from session_controller import answers as rules
from session_controller.answers import Place, resolve
from session_controller.engine.refusal import Refusal
from session_controller.engine.session import Session


def refuse_kind(message: str) -> Refusal:
    """Refuse a command or a value that is for another kind of field."""
    return Refusal(RejectionCode.WRONG_FIELD_KIND, message)


def field_at(session: Session, field_id: str) -> Place | Refusal:
    """Find a field of the flow that is on, on whatever step."""
    place = _find(session, field_id)
    if place is None:
        return _unknown()
    return place if session.shows(field_id) else _off(place)


def field_on_step(session: Session, field_id: str) -> Place | Refusal:
    """Find a field of the current step that is on."""
    place = _find(session, field_id)
    if place is None:
        return _unknown()
    if place.step_id != session.step.step_id:
        return Refusal(
            RejectionCode.FIELD_NOT_ON_THIS_STEP, f"{place.item.label}: this is on another step."
        )
    if session.shows(field_id):
        return place
    known = rules.grow(session.flow, session.state.instances, place)
    return _unknown() if known is rules.Refused.NO_SUCH_INSTANCE else _off(place)


def field_to_fill(session: Session, field_id: str) -> Place | Refusal:
    """Find a field of the current step, also in the instance that an entry there would add."""
    found = field_on_step(session, field_id)
    place = _find(session, field_id)
    if place is None or place.step_id != session.step.step_id:
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
    after = rules.assess(session.flow, session.state.answers, grown)
    return place if field_id in after.enabled_ids else found


def is_instance(session: Session, field_id: str) -> bool:
    """Tell whether this names an existing instance `{group}[{n}]` on the current step."""
    place = resolve(session.flow, field_id)
    if place is None or not place.is_instance or place.step_id != session.step.step_id:
        return False
    key, number = place.containers[-1]
    return number < session.state.instances.get(key, 0)


def _find(session: Session, field_id: str) -> Place | None:
    place = resolve(session.flow, field_id)
    return place if place and not place.is_instance and place.item.is_field else None


def _unknown() -> Refusal:
    return Refusal(RejectionCode.UNKNOWN_FIELD, "The flow has no such field.")


def _off(place: Place) -> Refusal:
    return Refusal(
        RejectionCode.FIELD_NOT_ON_THIS_STEP, f"{place.item.label}: this does not apply now."
    )
