"""A patient and a member of staff for any flow: the next action of each, given a view.

Pure: a view in, an action out; the random generator is an argument. The same seed and
flow give the same answers.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from clients.simulator.answers import (
    NoPlausibleValue,
    plausible_document,
    plausible_name,
    plausible_strokes,
    plausible_value,
)
from schemas.questionnaire.field_ids import Place, resolve
from schemas.questionnaire.model import FieldKind, Flow, Item, Json, Option
from schemas.wire.views import (
    DocumentStatus,
    FacilityView,
    PatientView,
    SessionStatus,
    SignatureStatus,
)

_TRIES = 6
"""Values that a patient tries for one field before giving up on it."""
_HALF_READ_S = 30.0
"""Seconds of reading for half of a text."""
_FILLS_OPTIONAL = 0.7
_ADDS_INSTANCE = 0.2


@dataclass(frozen=True, slots=True)
class Enter:
    """Fill in a field."""

    field_id: str
    value: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Read:
    """Scroll down a consent text."""

    field_id: str
    fraction: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Attach:
    """Photograph a document."""

    field_id: str
    data: bytes = field(repr=False)
    media_type: str


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign the requested field."""

    field_id: str
    strokes: list[list[list[float]]] = field(repr=False)
    printed_name: str = field(repr=False)
    relationship: str | None = None


@dataclass(frozen=True, slots=True)
class Review:
    """Accept a document."""

    field_id: str


@dataclass(frozen=True, slots=True)
class AskToSign:
    """Request a signature."""

    field_id: str


@dataclass(frozen=True, slots=True)
class GoTo:
    """Move everyone to a step."""

    step_id: str


@dataclass(frozen=True, slots=True)
class Submit:
    """Complete the session."""


PatientAction = Enter | Read | Attach | Sign
StaffAction = Review | AskToSign | GoTo | Submit


def _offering(item: Item, values: Sequence[Json]) -> Item:
    """Return the item with the options that a view offers (`FieldView.options`)."""
    known = [(option.to_json(), option) for option in item.options or ()]
    options = (
        next((option for one, option in known if one == value), None) or Option.from_json(value)
        for value in values
    )
    return replace(item, options=tuple(options))


class PatientPlayer:
    """Fills in the enabled fields that are not valid yet, in order."""

    def __init__(self, flow: Flow, rng: Random) -> None:
        self._flow = flow
        self._rng = rng
        self._fills: dict[str, bool] = {}
        self._needed: set[str] = set()
        self._tries: Counter[str] = Counter()
        self._instances: dict[str, int] = {}

    def next(self, view: PatientView) -> PatientAction | None:
        """Return the next action, or None to wait for staff."""
        signature = view.signature
        if signature is not None and signature.status is SignatureStatus.REQUESTED:
            return self._sign(signature.field_id)
        if view.status is not SessionStatus.ACTIVE or view.covered:
            return None
        for place in self._fields(view):
            action = self._fill(view, place)
            if action is not None:
                return action
        return self._another_instance(view)

    def _sign(self, field_id: str) -> Sign:
        """Sign as the patient, or occasionally as a representative."""
        relationship = self._rng.choice((None, None, None, "parent", "guardian"))
        name = plausible_name(self._rng)
        return Sign(field_id, plausible_strokes(self._rng), name, relationship)

    def fill_after_all(self, field_ids: list[str]) -> None:
        """Treat these fields, or any in these groups, as required."""
        for field_id in field_ids:
            place = resolve(self._flow, field_id)
            if place is None:
                continue
            self._needed.add(place.item.link_id)
            if place.item.read_only and place.item.parent is not None:
                # It cannot be filled: another field of its group is meant.
                self._needed.add(place.item.parent)

    def _fields(self, view: PatientView) -> Iterator[Place]:
        for field_id in view.enabled:
            place = resolve(self._flow, field_id)
            if place is not None and place.item.is_field and not place.item.read_only:
                yield place

    def _fill(self, view: PatientView, place: Place) -> PatientAction | None:
        match place.item.kind:
            case FieldKind.ATTACHMENT:
                return self._attach(view, place)
            case FieldKind.CONSENT if view.reading.get(place.field_id, 0.0) < 1:
                return self._read(view, place)
        return self._enter(view, place) if place.item.takes_value else None

    def _read(self, view: PatientView, place: Place) -> Read:
        half_way = view.reading.get(place.field_id, 0.0) < 0.5  # noqa: PLR2004
        return Read(place.field_id, *((0.5, _HALF_READ_S) if half_way else (1.0, 2 * _HALF_READ_S)))

    def _attach(self, view: PatientView, place: Place) -> Attach | None:
        shown = view.documents.get(place.field_id)
        if shown is not None and shown.status in (
            DocumentStatus.RECEIVED,
            DocumentStatus.ACCEPTED,
            DocumentStatus.RECEIVING,
        ):
            return None
        if not self._bothers_with(place):
            return None
        data, media_type = plausible_document(place.item, self._rng)
        return Attach(place.field_id, data, media_type)

    def _enter(self, view: PatientView, place: Place) -> Enter | None:
        shown = view.fields.get(place.field_id)
        done = shown is not None and shown.value is not None
        if shown is not None and done and shown.error is None and shown.correction is None:
            return None
        if not done and not self._bothers_with(place):
            return None
        return self._made_up(place, None if shown is None else shown.options)

    def _bothers_with(self, place: Place) -> bool:
        """Return whether to fill a field: if required, or by chance; at most `_TRIES` times."""
        if self._tries[place.field_id] >= _TRIES:
            return False
        if place.item.required or place.item.min_occurs or self._is_needed(place.item):
            return True
        # Drawn once per field: the number of views must not affect the result.
        if place.field_id not in self._fills:
            self._fills[place.field_id] = self._rng.random() < _FILLS_OPTIONAL
        return self._fills[place.field_id]

    def _is_needed(self, item: Item) -> bool:
        around = self._flow.items.get(item.parent) if item.parent is not None else None
        return item.link_id in self._needed or (around is not None and self._is_needed(around))

    def _made_up(self, place: Place, offered: Sequence[Json] | None = None) -> Enter | None:
        if self._tries[place.field_id] >= _TRIES:
            return None
        self._tries[place.field_id] += 1
        item = place.item if offered is None else _offering(place.item, offered)
        try:
            return Enter(place.field_id, plausible_value(item, self._rng))
        except NoPlausibleValue:
            self._tries[place.field_id] = _TRIES
            return None

    def _another_instance(self, view: PatientView) -> Enter | None:
        """Start another instance of a repeating group, if this patient needs more of them."""
        shown: dict[str, int] = {}
        for field_id in view.enabled:
            place = resolve(self._flow, field_id)
            if place is not None and place.is_instance:
                group = place.containers[-1][0]
                shown[group] = place.containers[-1][1] + 1
        for group, count in shown.items():
            action = self._begin_instance(view, group, count)
            if action is not None:
                return action
        return None

    def _begin_instance(self, view: PatientView, group: str, count: int) -> Enter | None:
        last = f"{group}[{count - 1}]."
        filled = any(field_id.startswith(last) for field_id in view.fields)
        if not filled or count >= self._wanted_instances(group, f"{group}[0]"):
            return None
        for field_id in view.enabled:
            place = resolve(self._flow, field_id)
            if field_id.startswith(last) and place is not None and place.item.takes_value:
                new = resolve(self._flow, f"{group}[{count}].{field_id.removeprefix(last)}")
                return self._made_up(new) if new is not None else None
        return None

    def _wanted_instances(self, group: str, instance: str) -> int:
        if group not in self._instances:
            place = resolve(self._flow, instance)
            least = (place.item.min_occurs or 1) if place is not None else 1
            most = (place.item.max_occurs or least + 1) if place is not None else 1
            more = self._rng.random() < _ADDS_INSTANCE
            self._instances[group] = min(least + more, most)
        return self._instances[group]


class StaffPlayer:
    """Accepts documents, requests signatures, and moves on once the patient is done."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow

    def next(self, view: FacilityView, *, patient_done: bool) -> StaffAction | None:
        """Return the next action, or None to wait for the patient."""
        if view.status is not SessionStatus.ACTIVE:
            return None
        if view.signature is not None and view.signature.status is SignatureStatus.REQUESTED:
            return None
        for field_id, document in view.documents.items():
            if document.status is DocumentStatus.RECEIVED:
                return Review(field_id)
        if not patient_done:
            return None
        return self._signature(view) or self._onward(view)

    def _signature(self, view: FacilityView) -> AskToSign | None:
        for field_id in view.enabled:
            place = resolve(self._flow, field_id)
            if place is None or place.item.kind is not FieldKind.SIGNATURE:
                continue
            signed = view.signatures.get(field_id)
            if place.step_id == view.step_id and (
                signed is None or signed.changed or signed.status is not SignatureStatus.SIGNED
            ):
                return AskToSign(field_id)
        return None

    def _onward(self, view: FacilityView) -> GoTo | Submit:
        steps, following = list(view.steps), view.step_index + 1
        return GoTo(steps[following]) if following < len(steps) else Submit()
