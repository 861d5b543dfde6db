"""The rules of answers across a flow: what is enabled, what is missing, what was entered.

    resolve(flow, field_id) -> Place | None                    (schemas.questionnaire.field_ids)
    check_value(item, value, today) -> WrongKind | TooLarge | Problem | None        (validation)
    canonical_value(item, value) -> the value to store                              (validation)
    assess(flow, answers, instances, *, documents, signatures, reading, corrections, today)
    Assessment.after(changed_field_ids, same arguments) -> Assessment      only what changed
    enabled_fields(flow, answers, instances) -> {step_id: field ids}
    enter(flow, answers, instances, place, value) -> Entry | Refused
    remove_instance(answers, instances, place) -> Entry | Refused
    shifted(mapping, place) -> the same renumbering for any other mapping by field id
    initial_answers(flow) -> the answers of a new session
    consent_document(flow, field_id, answers, instances, language) -> bytes

Answers are a flat mapping from field id to JSON value; `instances` counts the instances of each
repeating group, by the group's field id (`meds`, or `visits[0].meds` if nested). All functions are
pure, and none raises on anything a patient can send.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from schemas.questionnaire.field_ids import Place, is_repeating_group, place_of, resolve
from schemas.questionnaire.model import FieldKind, Flow, Item, Json
from session_controller.forms.assessment import Assessment, StepAssessment, assess, enabled_fields
from session_controller.forms.enablement import Held, evaluate
from session_controller.forms.field_status import Fault
from session_controller.forms.layout import Layout, Node, layout_of
from session_controller.forms.validation import (
    Problem,
    TooLarge,
    WrongKind,
    canonical_value,
    check_value,
    is_empty,
)

__all__ = [
    "MAX_FIELDS",
    "MAX_INSTANCES",
    "Assessment",
    "Entry",
    "Fault",
    "Held",
    "Place",
    "Problem",
    "Refused",
    "StepAssessment",
    "TooLarge",
    "WrongKind",
    "assess",
    "canonical_value",
    "check_value",
    "consent_document",
    "enabled_fields",
    "enter",
    "grow",
    "initial_answers",
    "is_empty",
    "most_instances",
    "place_of",
    "remove_instance",
    "resolve",
    "shifted",
]

MAX_INSTANCES = 100
"""Of one repeating group, unless the questionnaire sets maxOccurs: more than a person types."""

MAX_FIELDS = 3_000
"""Of a flow including all instances: keeps one assessment within a few milliseconds."""

_NONE: Mapping[str, Json] = {}
_Value = TypeVar("_Value")


# -- entering ----------------------------------------------------------------------------------


class Refused(StrEnum):
    """Why a field cannot be entered."""

    NO_SUCH_INSTANCE = "no_such_instance"
    TOO_MANY = "too_many"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Entry:
    """Answers and instances after a change, and the field ids whose answers changed."""

    answers: Mapping[str, Json]
    instances: Mapping[str, int]
    changed: tuple[str, ...]


def enter(
    flow: Flow,
    answers: Mapping[str, Json],
    instances: Mapping[str, int],
    place: Place,
    value: Json,
) -> Entry | Refused:
    """Store a value at `place`; instance n of n existing ones is added with its initial answers.

    Stores the value unchanged: call `check_value` first, and `canonical_value` if needed.
    """
    if place.item.fixed:
        return Refused.FIXED
    grown = grow(flow, instances, place)
    if isinstance(grown, Refused):
        return grown
    added = _initial_in_new(flow, instances, grown, place)
    entered = {**answers, **added, place.field_id: value}
    return Entry(entered, grown, tuple(added.keys() | {place.field_id}))


def grow(flow: Flow, instances: Mapping[str, int], place: Place) -> Mapping[str, int] | Refused:
    """Return the instance counts after a value or document is stored at `place`."""
    grown = dict(instances)
    groups = (*place.item.repeating_ancestors, place.item.link_id)
    for (key, number), group in zip(place.containers, groups, strict=False):
        count = grown.get(key, 0)
        if number > count:
            return Refused.NO_SUCH_INSTANCE
        if number == count:
            if number >= (flow.items[group].max_occurs or MAX_INSTANCES):
                return Refused.TOO_MANY
            grown[key] = count + 1
    if grown == instances:
        return instances
    if _count_fields(flow, grown) > MAX_FIELDS:
        return Refused.TOO_MANY
    return grown


def most_instances(flow: Flow, place: Place) -> int:
    """Return the limit that `grow` found exceeded: a number of instances, or of fields."""
    groups = (*place.item.repeating_ancestors, place.item.link_id)
    for (_, number), group in zip(place.containers, groups, strict=False):
        most = flow.items[group].max_occurs or MAX_INSTANCES
        if number >= most:
            return most
    return MAX_FIELDS


def _count_fields(flow: Flow, instances: Mapping[str, int]) -> int:
    """Count the fields of all instances, before a layout is built for them."""
    total = len(flow.items)
    for key, count in instances.items():
        place = resolve(flow, key)
        if place is not None:
            total += (count - 1) * _size(flow, place.item)
    return total


def _size(flow: Flow, item: Item) -> int:
    return 1 + sum(_size(flow, flow.items[child]) for child in item.children)


def _initial_in_new(
    flow: Flow, before: Mapping[str, int], after: Mapping[str, int], place: Place
) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for depth, (key, _) in enumerate(place.containers):
        if before.get(key, 0) == after.get(key, 0):
            continue
        group = (*place.item.repeating_ancestors, place.item.link_id)[depth]
        indices = place.indices[: depth + 1]
        for item in _inside(flow, flow.items[group]):
            if item.initial:
                found[place_of(item, indices).field_id] = _initial(item)
    return found


def _inside(flow: Flow, group: Item) -> Iterable[Item]:
    """Walk the items of a group that are not inside another repeating group."""
    for child in group.children:
        item = flow.items[child]
        if not is_repeating_group(item):
            yield item
            yield from _inside(flow, item)


def _initial(item: Item) -> Json:
    return list(item.initial) if item.repeats else item.initial[0]


def initial_answers(flow: Flow) -> dict[str, Json]:
    """Return the answers of a new session (`initial`, `initialSelected`).

    Initial answers inside a repeating group are added with each instance.
    """
    return {
        item.link_id: _initial(item)
        for item in flow.items.values()
        if item.initial and item.takes_value and not item.repeating_ancestors
    }


def remove_instance(
    answers: Mapping[str, Json], instances: Mapping[str, int], place: Place
) -> Entry | Refused:
    """Remove an instance of a repeating group and renumber the later ones."""
    if not place.is_instance or not place.containers:
        return Refused.NO_SUCH_INSTANCE
    key, number = place.containers[-1]
    count = instances.get(key, 0)
    if number >= count:
        return Refused.NO_SUCH_INSTANCE
    left = shifted(instances, place)
    left[key] = count - 1
    if count == 1:
        del left[key]
    kept = shifted(answers, place)
    changed = [one for one in {**answers, **kept} if answers.get(one) != kept.get(one)]
    return Entry(kept, left, tuple(changed))


def shifted(mapping: Mapping[str, _Value], place: Place) -> dict[str, _Value]:
    """Rename the keys of a mapping by field id as `remove_instance` does for that place."""
    key, number = place.containers[-1]
    moved: dict[str, _Value] = {}
    for field_id, value in mapping.items():
        renamed = _renamed(field_id, key + "[", number)
        if renamed is not None:
            moved[renamed] = value
    return moved


def _renamed(field_id: str, opening: str, removed: int) -> str | None:
    if not field_id.startswith(opening):
        return field_id
    digits, closing, rest = field_id[len(opening) :].partition("]")
    if not closing or not digits.isdecimal():
        return field_id
    number = int(digits)
    if number == removed:
        return None
    return f"{opening}{number - 1}]{rest}" if number > removed else field_id


# -- consent -----------------------------------------------------------------------------------


def consent_document(
    flow: Flow,
    field_id: str,
    answers: Mapping[str, Json],
    instances: Mapping[str, int] = _NONE,
    language: str | None = None,
    *,
    documents: Mapping[str, str] = _NONE,
    reading: Mapping[str, float] = _NONE,
    computed: Mapping[str, Mapping[str, Json]] = _NONE,
) -> bytes:
    """Return the exact text that a signature binds, in UTF-8.

    It consists of the enabled consent texts of the signature's step, in order, then the
    signature's own text, separated by blank lines. Its SHA-256 is `document_sha256` on the wire.
    Raises KeyError if there is no such field.
    """
    layout = layout_of(flow, instances)
    signature = layout.nodes[layout.index[field_id]]
    nodes = [layout.nodes[index] for index in layout.by_step[signature.step]]
    consents = [node for node in nodes if node.item.kind is FieldKind.CONSENT and not node.hidden]
    if not all(_is_always_on(layout, node) for node in consents):
        held = Held(answers, instances, documents, reading=reading, computed=computed)
        on = evaluate(layout, held)
        consents = [node for node in consents if on[node.index]]
    texts = [node.item.text_in(language) for node in (*consents, signature)]
    return "\n\n".join(texts).encode()


def _is_always_on(layout: Layout, node: Node) -> bool:
    """Return whether no answer can disable a node: the usual case, and the fast one."""
    while not (node.checks or node.hangs or node.item.expressions.enable_when):
        if node.parent < 0:
            return True
        node = layout.nodes[node.parent]
    return False
