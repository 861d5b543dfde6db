"""An attestation holds for the answers that the patient saw: a later change takes it back.

It covers the answers of the steps before its own, which its step can show (`Item.review`).
"""

from collections.abc import Iterator
from operator import attrgetter

from schemas.questionnaire.field_ids import resolve
from schemas.questionnaire.model import Flow
from session_controller.engine.state import SessionState

LAPSED = "The answers have changed since. Please check them again."
"""Shown at the attestation, on both screens."""

_entered = attrgetter("answers", "instances", "documents")


def lapsed(flow: Flow, before: SessionState, after: SessionState, field_id: str) -> SessionState:
    """Return the state without the attestations that covered a field whose entry has changed."""
    if not _attests(flow) or not _differs(before, after, field_id):
        return after
    lost = set(_covering(flow, after, field_id))
    if not lost:
        return after
    return after.but(
        answers={k: v for k, v in after.answers.items() if k not in lost},
        corrections={**after.corrections, **dict.fromkeys(lost, LAPSED)},
    )


def _attests(flow: Flow) -> bool:
    found: bool | None = flow.cache.get("attests")
    if found is None:
        found = flow.cache["attests"] = any(item.attestation for item in flow.items.values())
    return found


def _differs(before: SessionState, after: SessionState, field_id: str) -> bool:
    if _entered(before) == _entered(after):
        return False
    same_answer = before.answers.get(field_id) == after.answers.get(field_id)
    same_document = before.documents.get(field_id) == after.documents.get(field_id)
    return not (same_answer and same_document) or before.instances != after.instances


def _covering(flow: Flow, state: SessionState, field_id: str) -> Iterator[str]:
    changed = _step(flow, field_id)
    for name in state.answers:
        place = resolve(flow, name)
        if place is not None and place.item.attestation and _step(flow, name) > changed:
            yield name


def _step(flow: Flow, field_id: str) -> int:
    place = resolve(flow, field_id)
    return len(flow.steps) if place is None else flow.step_of[place.step_id].index
