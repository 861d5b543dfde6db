"""What was changed: each entry that another one replaced, by whom and when (21 CFR 11.10(e)).

    field_changes(flow, events) -> every change of an answer or a document, in the log's order
    earlier_values(changes) -> those that replaced something a person may have meant

Field ids are those of the last event: removing an instance of a group renumbers the ones after it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schemas.questionnaire.model import Flow, Json
from session_controller.engine import events as f
from session_controller.engine.answering import BrokenLogError
from session_controller.engine.events import Event
from session_controller.engine.evolve import evolve
from session_controller.engine.history import before_the_first
from session_controller.engine.state import SessionState
from session_controller.forms.answers import Place, resolve, shifted

BEING_TYPED = timedelta(seconds=10)
"""A screen sends what is typed at each pause: what the same screen replaces sooner is no answer."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A change of one field's answer, or of its document's SHA-256; None: it had, or has, none."""

    field_id: str
    link_id: str
    revision: int
    """Of the session, after the change."""
    at: datetime
    device: str | None
    before: Json
    after: Json
    entered_at: datetime
    """When `before` was entered, or the session opened with it."""
    entered_on: str | None
    """The device that `before` was entered on."""
    removed: bool = False
    """Whether the field's instance of a repeating group has been removed."""


def field_changes(flow: Flow, events: Iterable[Event]) -> tuple[FieldChange, ...]:
    """Return each change of a field's content. Raises `BrokenLogError`."""
    walk: _Walk | None = None
    for event in events:
        if walk is None:
            walk = _Walk(flow, event)
        walk.follow(event)
    return walk.changes() if walk else ()


def earlier_values(changes: Iterable[FieldChange]) -> tuple[FieldChange, ...]:
    """Return the changes that replaced something, but what the same screen was still typing."""
    return tuple(one for one in changes if one.before is not None and not _was_typing(one))


def _was_typing(change: FieldChange) -> bool:
    same = change.entered_on is not None and change.entered_on == change.device
    return same and change.at - change.entered_at < BEING_TYPED


class _Walk:
    """A position in the log, and the changes so far by the field ids as they are there."""

    def __init__(self, flow: Flow, first: Event) -> None:
        if not isinstance(first.fact, f.SessionOpened):
            raise BrokenLogError("the log does not begin with SessionOpened")
        self.flow = flow
        self.session = before_the_first(flow, first.session, first.fact, first.at)
        self.opened_at = first.at
        self.found: dict[str, list[FieldChange]] = {}
        self.removed: list[FieldChange] = []

    def follow(self, event: Event) -> None:
        """Advance past an event."""
        before = self.session.state
        place = self._removal(event)
        self.session = evolve(self.session, event)
        after = self.session.state
        if after.answers is before.answers and after.documents is before.documents:
            return
        then, now = _content(before), _content(after)
        if place is not None:
            gone = {one: then[one] for one in _inside(then, place)}
            self._note(event, gone, {})
            self._remove(place)
            then = shifted(then, place)
        self._note(event, then, now)

    def changes(self) -> tuple[FieldChange, ...]:
        """Return all changes, in the log's order."""
        found = [*self.removed, *(one for several in self.found.values() for one in several)]
        return tuple(sorted(found, key=lambda one: one.revision))

    def _removal(self, event: Event) -> Place | None:
        if not isinstance(event.fact, f.FieldCleared):
            return None
        place = resolve(self.flow, event.fact.field_id)
        return place if place is not None and place.is_instance else None

    def _note(self, event: Event, then: Mapping[str, Json], now: Mapping[str, Json]) -> None:
        for field_id in dict.fromkeys((*then, *now)):
            if then.get(field_id) != now.get(field_id):
                self._change(event, field_id, then.get(field_id), now.get(field_id))

    def _change(self, event: Event, field_id: str, before: Json, after: Json) -> None:
        known = self.found.setdefault(field_id, [])
        last = known[-1] if known else None
        place = resolve(self.flow, field_id)
        known.append(
            FieldChange(
                field_id=field_id,
                link_id=place.item.link_id if place else field_id,
                revision=event.revision,
                at=event.at,
                device=event.device,
                before=before,
                after=after,
                entered_at=last.at if last else self.opened_at,
                entered_on=last.device if last else None,
            )
        )

    def _remove(self, place: Place) -> None:
        """Renumber what is known of later instances; keep what is known of the removed one."""
        for field_id in _inside(self.found, place):
            self.removed += (replace(one, removed=True) for one in self.found[field_id])
        moved = shifted(self.found, place)
        self.found = {
            field_id: [replace(one, field_id=field_id) for one in several]
            for field_id, several in moved.items()
        }


def _inside(found: Mapping[str, object], place: Place) -> list[str]:
    """Return the field ids in a group instance."""
    key, number = place.containers[-1]
    return [field_id for field_id in found if field_id.startswith(f"{key}[{number}].")]


def _content(state: SessionState) -> dict[str, Json]:
    stored = ((k, one.stored) for k, one in state.documents.items())
    documents = {k: {"sha256": one.sha256} for k, one in stored if one is not None}
    return {**state.answers, **documents}
