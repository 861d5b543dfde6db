"""The status of a single field: filled or not, and what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from schemas.questionnaire.model import STRUCTURE, FieldKind, Item, Json
from session_controller.forms.choices import offered
from session_controller.forms.enablement import Held, was_read
from session_controller.forms.layout import Node
from session_controller.forms.validation import Problem, check_value, is_empty

_LABEL_LENGTH = 120
DECLINED = "declined"
"""The code of a signature that the patient declined."""
DECLINED_BEFORE = "declined_before"
"""The status of a signature that another patient declined, or for another text."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a field keeps its step from being complete; never contains the value.

    `code` is stable: missing, unread, unsigned, signature_outdated, declined, document_missing,
    document_rejected, correction, group_empty, too_few_instances, or the code of a `Problem`.
    """

    field_id: str
    code: str
    label: str
    message: str

    def __str__(self) -> str:
        return f"{self.label}: {self.message}"


@dataclass(frozen=True, slots=True)
class State:
    """The status of one node, enabled or not."""

    filled: bool
    fault: Fault | None = None
    error: str | None = None


_SKIPPED = State(filled=False)
_FILLED = State(filled=True)
_SHARED = 4_096
"""Every session starts with the same faults: one object each for all of them."""


@lru_cache(_SHARED)
def _unfilled(fault: Fault | None) -> State:
    return State(filled=False, fault=fault)


@lru_cache(_SHARED)
def _shared(fault: Fault) -> Fault:
    return fault


def judge(node: Node, held: Held) -> State:
    """Return the status of a node, enabled or not."""
    kind = node.item.kind
    if kind in STRUCTURE:
        return _SKIPPED
    computed = held.computed.get(node.field_id)
    correction = held.corrections.get(node.field_id)
    state = _filled_state(node, held)
    if computed and state.fault is None:
        state = _constrained(node, state, computed)
    if correction is not None and not node.hidden:
        return State(state.filled, fault_of(node, "correction", correction), state.error)
    return state


def _constrained(node: Node, state: State, computed: Mapping[str, Json]) -> State:
    """Return the state by the form's constraints; a warning is shown and does not block."""
    failed, warned = (list(computed.get(name, {}).values()) for name in ("failed", "warned"))
    if not failed and not warned:
        return state
    said = " ".join([*failed, *warned])
    blocks = failed and not node.hidden
    fault = fault_of(node, "constraint", " ".join(failed)) if blocks else None
    return State(state.filled, fault, said)


def _filled_state(node: Node, held: Held) -> State:
    kind, field_id = node.item.kind, node.field_id
    if kind is FieldKind.ATTACHMENT:
        return _document_state(node, held.documents.get(field_id))
    if kind is FieldKind.SIGNATURE:
        return _signature_state(node, held.signatures.get(field_id))
    if kind is FieldKind.CONSENT:
        return _consent_state(node, held)
    return _value_state(node, held)


def _value_state(node: Node, held: Held) -> State:
    value = held.answers.get(node.field_id)
    if is_empty(value):
        return _unfilled(_wanted(node, "missing", "an answer is needed"))
    if node.item.fixed:
        return _FILLED
    verdict = check_value(
        as_computed(node.item, held.computed.get(node.field_id)), value, held.today
    )
    if verdict is None:
        return _FILLED
    problem = verdict if isinstance(verdict, Problem) else _UNFIT
    blocks = not (node.item.read_only or node.hidden)
    fault = fault_of(node, problem.code, problem.message) if blocks else None
    return State(filled=True, fault=fault, error=problem.message)


def as_computed(item: Item, computed: Mapping[str, Json] | None) -> Item:
    """Return the item with the bounds and the options that its expressions gave."""
    if computed is None or not _OF_AN_ITEM & computed.keys():
        return item
    least, most = computed.get("minimum"), computed.get("maximum")
    options = offered(item, computed)
    return replace(
        item,
        min_value=item.min_value if least is None else least,
        max_value=item.max_value if most is None else most,
        options=item.options if options is None else options,
    )


_OF_AN_ITEM = {"minimum", "maximum", "options", "toggled"}
_UNFIT = Problem("wrong_kind", "This is not a valid answer.")


def _document_state(node: Node, status: str | None) -> State:
    if status in {"received", "accepted"}:
        return State(filled=True)
    if status == "rejected" and not node.hidden:
        return State(False, fault_of(node, "document_rejected", "the document was not accepted"))
    return _unfilled(_wanted(node, "document_missing", "a document is needed"))


def _signature_state(node: Node, status: str | None) -> State:
    if status == "signed":
        return State(filled=True)
    if status == "stale":
        again = "what was signed has changed since; please sign again"
        return _unfilled(_wanted(node, "signature_outdated", again))
    if status == DECLINED_BEFORE:
        again = "it was declined before the text or the patient's details changed; please ask again"
        return _unfilled(_wanted(node, "signature_outdated", again))
    if status == "declined":
        return _unfilled(_wanted(node, DECLINED, "the patient declined to sign"))
    return _unfilled(_wanted(node, "unsigned", "not signed yet"))


def _consent_state(node: Node, held: Held) -> State:
    """Check a text to be read, and the answer if the text belongs to a question.

    Answering means agreeing only if the text was read, so a voluntary answer needs reading too.
    """
    item = node.item
    read = was_read(item, held.reading.get(node.field_id, 0.0))
    state = State(filled=read)
    if item.takes_value:
        state = _value_state(node, held)
    if read or state.fault is not None or not (node.wanted or state.filled):
        return state
    return State(
        state.filled, fault_of(node, "unread", "please read this text to the end"), state.error
    )


def _wanted(node: Node, code: str, message: str) -> Fault | None:
    return _shared(fault_of(node, code, message)) if node.wanted else None


def fault_of(node: Node, code: str, message: str, field_id: str | None = None) -> Fault:
    """Create a fault with the field's label and, in a repeating group, its instance number.

    `field_id` is the field to go to, if it is not the node's own.
    """
    label = node.item.label.strip().rstrip(":")[:_LABEL_LENGTH]
    if node.scope:
        label += " ({})".format(", ".join(str(number + 1) for _, number in node.scope))
    return Fault(field_id or node.field_id, code, label, message)
