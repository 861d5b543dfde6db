"""What one field holds, judged alone: filled or not, and what is wrong with it."""

from dataclasses import dataclass
from functools import lru_cache

from schemas.questionnaire import STRUCTURE, FieldKind, Json
from session_controller.enablement import Held, was_read
from session_controller.layout import Node
from session_controller.values import Problem, check_value, is_empty

_LABEL_LENGTH = 120


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a field keeps its step from being complete. No part holds the value.

    `code` is stable: missing, unread, unsigned, document_missing, document_rejected, correction,
    group_empty, too_few_instances, or the code of a `Problem`.
    """

    field_id: str
    code: str
    label: str
    message: str

    def __str__(self) -> str:
        return f"{self.label}: {self.message}"


@dataclass(frozen=True, slots=True)
class State:
    """What one node holds, whether or not it is on."""

    filled: bool
    fault: Fault | None = None
    error: str | None = None


_SKIPPED = State(filled=False)
_FILLED = State(filled=True)
_SHARED = 4_096
"""What is missing is missing in every session at its start: one object for all of them."""


@lru_cache(_SHARED)
def _unfilled(fault: Fault | None) -> State:
    return State(filled=False, fault=fault)


@lru_cache(_SHARED)
def _shared(fault: Fault) -> Fault:
    return fault


def judge(node: Node, held: Held) -> State:
    """Tell what a node holds and what is wrong with it, whether or not it is on."""
    kind = node.item.kind
    if kind in STRUCTURE:
        return _SKIPPED
    correction = held.corrections.get(node.field_id)
    state = _filled_state(node, held)
    if correction is not None and not node.hidden:
        return State(state.filled, fault_of(node, "correction", correction), state.error)
    return state


def _filled_state(node: Node, held: Held) -> State:
    kind, field_id = node.item.kind, node.field_id
    if kind is FieldKind.ATTACHMENT:
        return _document_state(node, held.documents.get(field_id))
    if kind is FieldKind.SIGNATURE:
        signed = held.signatures.get(field_id) == "signed"
        return State(signed, None if signed else _wanted(node, "unsigned", "not signed yet"))
    if kind is FieldKind.CONSENT:
        return _consent_state(node, held)
    return _value_state(node, held.answers.get(field_id))


def _value_state(node: Node, value: Json) -> State:
    if is_empty(value):
        return _unfilled(_wanted(node, "missing", "an answer is needed"))
    if node.item.fixed:
        return _FILLED
    verdict = check_value(node.item, value)
    if verdict is None:
        return _FILLED
    problem = verdict if isinstance(verdict, Problem) else _UNFIT
    blocks = not (node.item.read_only or node.hidden)
    fault = fault_of(node, problem.code, problem.message) if blocks else None
    return State(filled=True, fault=fault, error=problem.message)


_UNFIT = Problem("wrong_kind", "This is no answer to this question.")


def _document_state(node: Node, status: str | None) -> State:
    if status in {"received", "accepted"}:
        return State(filled=True)
    if status == "rejected" and not node.hidden:
        return State(False, fault_of(node, "document_rejected", "the document was sent back"))
    return _unfilled(_wanted(node, "document_missing", "a document is needed"))


def _consent_state(node: Node, held: Held) -> State:
    """Judge a text to be read, and the answer where a question bears the text.

    An answer is agreement to a text only if the text was read, so even a voluntary one needs it.
    """
    item = node.item
    read = was_read(item, held.reading.get(node.field_id, 0.0))
    state = State(filled=read)
    if item.takes_value:
        state = _value_state(node, held.answers.get(node.field_id))
    if read or state.fault is not None or not (node.wanted or state.filled):
        return state
    return State(state.filled, fault_of(node, "unread", "has to be read to its end"), state.error)


def _wanted(node: Node, code: str, message: str) -> Fault | None:
    return _shared(fault_of(node, code, message)) if node.wanted else None


def fault_of(node: Node, code: str, message: str, field_id: str | None = None) -> Fault:
    """Name what is wrong by the field's label and, in a repeating group, its instance.

    `field_id` is the field to go to, where that is another than the node's own.
    """
    label = node.item.label.strip().rstrip(":")[:_LABEL_LENGTH]
    if node.scope:
        label += " ({})".format(", ".join(str(number + 1) for _, number in node.scope))
    return Fault(field_id or node.field_id, code, label, message)
