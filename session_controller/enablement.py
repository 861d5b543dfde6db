"""Which fields are on: `enableWhen` over a flow that is laid out (FHIR R4, 4.9.5).

    evaluate(layout, held) -> list of bool, one for each node

A switched-off question counts as unanswered, except inside a circle of conditions
(`Condition.raw`), so what is exported is consistent with its own conditions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.questionnaire import FieldKind, Item, Json
from session_controller.layout import Check, Layout, Node
from session_controller.values import is_empty

_READ_TOLERANCE = 0.01
"""A browser's scroll position seldom reaches its end exactly."""


@dataclass(frozen=True, slots=True)
class Held:
    """All that was entered in a session, by field id; `instances` by the group's field id.

    `documents`: missing, receiving, received, accepted or rejected. `signatures`: requested,
    signed, declined or withdrawn. `reading`: the fraction read. `corrections`: what staff asks to
    correct.
    """

    answers: Mapping[str, Json] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    signatures: Mapping[str, str] = field(default_factory=dict)
    reading: Mapping[str, float] = field(default_factory=dict)
    corrections: Mapping[str, str] = field(default_factory=dict)


def evaluate(layout: Layout, held: Held) -> list[bool]:
    """Tell for each node whether it is on."""
    on = [False] * len(layout.nodes)
    for index in layout.order:
        on[index] = is_on(layout, layout.nodes[index], on, held)
    return on


def is_on(layout: Layout, node: Node, on: Sequence[bool], held: Held) -> bool:
    """Tell whether one node is on, where all that it depends on has been told already."""
    if node.parent >= 0:
        if not on[node.parent]:
            return False
        if node.hangs and answer_of(layout.nodes[node.parent], held) is None:
            return False
    if not node.checks:
        return True
    results = (_holds(layout, check, on, held) for check in node.checks)
    return all(results) if node.item.enable_behavior == "all" else any(results)


def _holds(layout: Layout, check: Check, on: Sequence[bool], held: Held) -> bool:
    """Evaluate by FHIR R4's questionnaire-enable-operator: `!=` holds where no answer equals."""
    met = False
    for target in check.targets:
        if not (check.raw or on[target]):
            continue
        answer = answer_of(layout.nodes[target], held)
        if answer is None:
            continue
        if check.operator == "exists":
            met = True
        elif isinstance(answer, list):
            met = any(check.test(one) for one in answer)
        else:
            met = check.test(answer)
        if met:
            break
    if check.operator == "exists":
        return check.test(met)
    return not met if check.operator == "!=" else met


def answer_of(node: Node, held: Held) -> Json:
    """Give what a condition sees: the value, or True for a document, signature or text read."""
    item, field_id = node.item, node.field_id
    if item.takes_value:
        value = held.answers.get(field_id)
        return None if is_empty(value) else value
    if item.kind is FieldKind.SIGNATURE:
        return True if held.signatures.get(field_id) == "signed" else None
    if item.kind is FieldKind.ATTACHMENT:
        return True if held.documents.get(field_id) in {"received", "accepted"} else None
    if item.kind is FieldKind.CONSENT:
        return True if was_read(item, held.reading.get(field_id, 0.0)) else None
    return None


def was_read(item: Item, fraction: float) -> bool:
    """Tell whether enough of a consent text was read."""
    return fraction >= item.minimum_fraction - _READ_TOLERANCE
