"""Differences between two views of a screen, as lines for people."""

from collections.abc import Iterator

from clients.cli.session_page import said
from schemas.questionnaire.field_ids import resolve
from schemas.questionnaire.load import Flow
from schemas.wire.views import FacilityView, FieldView, PatientView, SessionStatus

View = PatientView | FacilityView
_LONGEST = 48


def label_of(flow: Flow, field_id: str) -> str:
    """Return a field's label, shortened to one line."""
    place = resolve(flow, field_id)
    text = place.item.label.split("\n", 1)[0] if place else field_id
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def step_name(view: View, flow: Flow) -> str:
    """Return the title of a view's current step."""
    title = flow.step_of[view.step_id].title_in(shown=view.enabled)
    return f"step {view.step_index + 1}/{view.steps_total} “{title}”"


def changes(before: View | None, after: View, flow: Flow) -> Iterator[str]:
    """Return lines that describe what changed in a view."""
    if before is None or before.step_id != after.step_id:
        yield step_name(after, flow)
    if before is None:
        yield f"check words: {' '.join(after.check_words)}"
        return
    same_step = before.step_id == after.step_id
    if same_step or isinstance(after, FacilityView):
        yield from _fields(before, after, flow)
    yield from _documents(before, after, flow)
    yield from _attention(before, after, flow)
    if isinstance(before, FacilityView) and isinstance(after, FacilityView):
        yield from _people(before, after)


def _fields(before: View, after: View, flow: Flow) -> Iterator[str]:
    for field_id, shown in after.fields.items():
        if shown != before.fields.get(field_id):
            yield f"{label_of(flow, field_id)}: {_state(shown)}"
    for field_id in before.fields.keys() - after.fields.keys():
        yield f"{label_of(flow, field_id)}: cleared"


def _state(shown: FieldView) -> str:
    text = said(shown) if shown.value is not None else "(empty)"
    if shown.error:
        return f"{text}   ✗ {shown.error}"
    return f"{text}   ✎ {shown.correction}" if shown.correction else text


def _documents(before: View, after: View, flow: Flow) -> Iterator[str]:
    for field_id, document in after.documents.items():
        known = before.documents.get(field_id)
        if known is None or known.status != document.status:
            why = f": {document.reason}" if document.reason else ""
            yield f"{label_of(flow, field_id)}: document {document.status}{why}"


def _attention(before: View, after: View, flow: Flow) -> Iterator[str]:
    if after.highlight != before.highlight:
        what = label_of(flow, after.highlight) if after.highlight else "nothing"
        yield f"highlighted: {what}"
    if after.signature != before.signature and after.signature is not None:
        yield f"signature {after.signature.status}"
    for field_id, fraction in after.reading.items():
        if fraction != before.reading.get(field_id):
            yield f"read {fraction:.0%} of “{label_of(flow, field_id)}”"
    if after.help_requested != before.help_requested:
        yield (
            "the patient asks for help"
            if after.help_requested
            else "the request for help was answered"
        )
    if after.covered != before.covered:
        yield "the screen is covered" if after.covered else "the screen is shown again"
    ended = after.status.ended or SessionStatus.PAUSED in (after.status, before.status)
    if after.status != before.status and ended:
        yield f"session {after.status}"


def _people(before: FacilityView, after: FacilityView) -> Iterator[str]:
    for device, who in after.participants.items():
        known = before.participants.get(device)
        if known is None or known.online != who.online:
            yield f"{device} is {'there' if who.online else 'away'}"
