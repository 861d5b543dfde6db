"""Which items are enabled: `enableWhen` evaluated over a layout (FHIR R4, 4.9.5).

    evaluate(layout, held) -> list of bool, one for each node

A disabled question counts as unanswered, except inside a cycle of conditions (`Condition.raw`),
so an exported response is consistent with its own conditions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.questionnaire.dates import Span
from schemas.questionnaire.model import FieldKind, Item, Json
from session_controller.forms.layout import Check, Layout, Node
from session_controller.forms.validation import is_empty

_NONE: Mapping[str, Json] = {}
_READ_TOLERANCE = 0.01
"""A browser's scroll position seldom reaches the end exactly."""


@dataclass(frozen=True, slots=True)
class Held:
    """Everything entered in a session, by field id; `instances` by the group's field id.

    `documents`: missing, receiving, received, accepted or rejected. `signatures`: requested,
    signed, declined or withdrawn. `reading`: the fraction read. `corrections`: staff's messages.
    `today`: the days that may be today, or None to leave bounds of today's date unchecked.
    `computed`: the results of the expressions (`calculation.Computed`).
    """

    answers: Mapping[str, Json] = field(default_factory=dict)
    instances: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    signatures: Mapping[str, str] = field(default_factory=dict)
    reading: Mapping[str, float] = field(default_factory=dict)
    corrections: Mapping[str, str] = field(default_factory=dict)
    today: Span | None = None
    computed: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)


def evaluate(layout: Layout, held: Held) -> list[bool]:
    """Return for each node whether it is enabled."""
    on = [False] * len(layout.nodes)
    for index in layout.order:
        on[index] = is_on(layout, layout.nodes[index], on, held)
    return on


def is_on(layout: Layout, node: Node, on: Sequence[bool], held: Held) -> bool:
    """Return whether one node is enabled, once everything it depends on has been evaluated."""
    if node.parent >= 0:
        if not on[node.parent]:
            return False
        if node.hangs and answer_of(layout.nodes[node.parent], held) is None:
            return False
    expression = node.item.expressions.enable_when
    if expression is not None and not held.computed.get(node.field_id, _NONE).get("on"):
        return False
    if not node.checks:
        return True
    results = (_holds(layout, check, on, held) for check in node.checks)
    return all(results) if node.item.enable_behavior == "all" else any(results)


def _holds(layout: Layout, check: Check, on: Sequence[bool], held: Held) -> bool:
    """Evaluate as FHIR R4's questionnaire-enable-operator: `!=` holds if no answer equals."""
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
    """Return what a condition sees: the value, or True for a document, signature or read text."""
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
    """Return whether enough of a consent text was read."""
    return fraction >= item.minimum_fraction - _READ_TOLERANCE
