"""What a signature is given for: its text, who the patient is, and answers; and the hash of that.

A signature covers the fields that say who the patient is and the answers of its own step; of a form
that does not say which fields those are, all answers up to its step. It covers all answers of the
form where the form marks it so. What is covered is hashed as canonical JSON (RFC 8785), so that a
later change shows.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import rfc8785

from schemas.questionnaire.model import Flow, Json
from schemas.wire.views import CoversScope
from session_controller.engine.state import Covers, SessionState
from session_controller.forms.answers import resolve
from session_controller.forms.enablement import Held, evaluate
from session_controller.forms.layout import Layout, Node, layout_of


@dataclass(frozen=True, slots=True)
class Covered:
    """The fields that a signature covers, in the flow's order, and the hash of their content."""

    patient: tuple[str, ...]
    """The fields that say who the patient is."""
    fields: tuple[str, ...]
    """The other fields: answers and documents."""
    sha256: str
    """In hex."""


_STEPS: Mapping[CoversScope, Callable[[int], range | None]] = {
    CoversScope.STEP: lambda step: range(step, step + 1),
    CoversScope.UP_TO_STEP: lambda step: range(step + 1),
    CoversScope.FORM: lambda _: None,
}


def covers(flow: Flow, field_id: str, identity: tuple[str, ...]) -> Covers:
    """Return what a signature field covers; `identity`: linkIds that say who the patient is."""
    place = resolve(flow, field_id)
    if place is not None and place.item.signs_all:
        return Covers(CoversScope.FORM, identity)
    return Covers(CoversScope.STEP if identity else CoversScope.UP_TO_STEP, identity)


def covered(
    flow: Flow,
    state: SessionState,
    field_id: str,
    text_sha256: str,
    wanted: Covers,
    *,
    declined: bool = False,
) -> Covered:
    """Return what a signature of a text covers, as the session stands.

    A refusal is about the text and who the patient is: answers that follow leave it valid, unless
    the form does not say who the patient is.
    """
    layout = layout_of(flow, state.instances)
    nodes = [node for node in _enabled(layout, state) if _content(state, node.field_id) is not None]
    step = layout.nodes[layout.index[field_id]].step
    who = [node.field_id for node in nodes if node.item.link_id in wanted.patient]
    steps = range(0) if declined and wanted.patient else _STEPS[wanted.scope](step)
    rest = [
        node.field_id
        for node in nodes
        if node.field_id not in who and (steps is None or node.step in steps)
    ]
    content: Mapping[str, Json] = {
        "flow_ref": flow.flow_ref,
        "field_id": field_id,
        "document_sha256": text_sha256,
        "patient": {one: _content(state, one) for one in who},
        "fields": {one: _content(state, one) for one in rest},
    }
    digest = hashlib.sha256(rfc8785.dumps(content)).hexdigest()
    return Covered(tuple(who), tuple(rest), digest)


def changed_fields(flow: Flow, before: SessionState, after: SessionState) -> tuple[str, ...]:
    """Return the fields that are enabled in either state with different content, in order."""
    then, now = (_filled(flow, state) for state in (before, after))
    order = [*now, *(field_id for field_id in then if field_id not in now)]
    return tuple(field_id for field_id in order if then.get(field_id) != now.get(field_id))


def _filled(flow: Flow, state: SessionState) -> Mapping[str, Json]:
    found = ((n.field_id, _content(state, n.field_id)) for n in _enabled_in(flow, state))
    return {field_id: content for field_id, content in found if content is not None}


def _enabled_in(flow: Flow, state: SessionState) -> Iterator[Node]:
    return _enabled(layout_of(flow, state.instances), state)


def _enabled(layout: Layout, state: SessionState) -> Iterator[Node]:
    documents = {field_id: document.status.value for field_id, document in state.documents.items()}
    entered = (state.answers, state.instances, documents)
    on = evaluate(layout, Held(*entered, reading=state.reading, computed=state.computed))
    return (node for node in layout.nodes if on[node.index] and node.item.is_field)


def _content(state: SessionState, field_id: str) -> Json:
    """Return a field's answer, or its document's hash; None if it has neither."""
    document = state.documents.get(field_id)
    if document is not None and document.stored is not None:
        return {"sha256": document.stored.sha256}
    return state.answers.get(field_id)
