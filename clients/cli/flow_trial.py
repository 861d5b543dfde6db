"""Whether a form can be completed, proven by trying: no screens, no box, the rules alone."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random

from clients.simulator.answers import NoPlausibleValue, plausible_value
from schemas.questionnaire.field_ids import Place, resolve
from schemas.questionnaire.model import FieldKind, Flow, Json
from session_controller.forms.answers import Entry, assess, enter, initial_answers
from session_controller.forms.assessment import Assessment
from session_controller.forms.field_status import Fault, as_computed

_SEEDS = 4
"""How often it is tried: half of the tries answer what is required alone."""
_SECONDS = 0.5
"""Of processor time, for all expressions after each answer; a box gives them less."""
_ROUNDS = 60
"""Answers can ask for further ones so many times after each other."""


@dataclass(frozen=True, slots=True)
class _Filled:
    """What was entered so far."""

    answers: Mapping[str, Json]
    instances: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    signatures: Mapping[str, str] = field(default_factory=dict)
    reading: Mapping[str, float] = field(default_factory=dict)
    computed: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)

    def assessed(self, flow: Flow) -> Assessment:
        return assess(
            flow,
            self.answers,
            self.instances,
            documents=self.documents,
            signatures=self.signatures,
            reading=self.reading,
            computed=self.computed,
        )

    def calculated(self, flow: Flow, *, opening: bool = False) -> "_Filled":
        """Return it with the results of the form's expressions."""
        if not flow.has_expressions:
            return self
        from session_controller.forms.calculation import calculate

        filled, changed = self, None if opening else flow.items
        for _ in range(_ROUNDS):
            found = calculate(filled.assessed(flow), filled.computed, changed, is_over=_clock())
            if not found:
                break
            answers = {**filled.answers, **found.answers}
            filled = replace(
                filled,
                answers={k: v for k, v in answers.items() if v is not None},
                computed={**filled.computed, **found.computed},
            )
            changed = flow.items
        return filled

    def late(self) -> tuple[str, ...]:
        """Return the fields whose expressions had no time to be evaluated."""
        return tuple(name for name, results in self.computed.items() if results.get("late"))


def _clock() -> Callable[[], bool]:
    """Start the time of one calculation; return a function that says whether it is over."""
    until = time.thread_time() + _SECONDS
    return lambda: time.thread_time() > until


def too_slow(flow: Flow) -> tuple[str, ...]:
    """Return the fields whose expressions take too long with all questions answered."""
    if not flow.has_expressions:
        return ()
    from session_controller.forms.calculation import calculate
    from session_controller.forms.formulas import prepare

    prepare(flow)
    rng = Random(0)  # noqa: S311 - the same answers each time
    filled = _Filled(initial_answers(flow))
    for field_id in filled.assessed(flow).fields:
        filled = _answered(flow, filled, field_id, rng)
    found = calculate(filled.assessed(flow), {}, flow.items, is_over=_clock())
    return replace(filled, computed=found.computed).late()


def dead_ends(flow: Flow) -> tuple[Fault, ...]:
    """Return what kept a try from being completed, or nothing if every try was completed."""
    if flow.has_expressions:
        from session_controller.forms.formulas import prepare

        prepare(flow)
    for seed in range(_SEEDS):
        rng = Random(seed)  # noqa: S311 - the same answers each time
        faults = _tried(flow, rng, required_only=seed % 2 == 0)
        if faults:
            return faults
    return ()


def _tried(flow: Flow, rng: Random, *, required_only: bool) -> tuple[Fault, ...]:
    """Return what is missing once further answers change nothing.

    What answers that are not required would have made possible is tried before.
    """
    filled = _Filled(initial_answers(flow)).calculated(flow, opening=True)
    for _ in range(_ROUNDS):
        assessed = filled.assessed(flow)
        before = filled
        for field_id in _wanted(assessed, filled, required_only=required_only):
            filled = _answered(flow, filled, field_id, rng)
        filled = filled.calculated(flow)
        if filled == before and not (required_only and assessed.faults):
            break
        required_only = required_only and filled != before
    return assessed.faults


def _wanted(assessed: Assessment, filled: _Filled, *, required_only: bool) -> Iterator[str]:
    """Yield what is to be answered: what is missing or wrong, and else all that is empty."""
    faulty = dict.fromkeys(fault.field_id for fault in assessed.faults)
    yield from faulty
    if required_only:
        return
    for field_id in assessed.fields:
        if field_id not in faulty and _is_open(assessed, filled, field_id):
            yield field_id


def _is_open(assessed: Assessment, filled: _Filled, field_id: str) -> bool:
    item = assessed.item(field_id)
    if item.kind is FieldKind.SIGNATURE:
        return field_id not in filled.signatures
    if item.kind is FieldKind.ATTACHMENT:
        return field_id not in filled.documents
    if item.read_only or item.hidden or not item.takes_value:
        return False
    return field_id not in filled.answers


def _answered(flow: Flow, filled: _Filled, field_id: str, rng: Random) -> _Filled:
    place = resolve(flow, field_id)
    kind = None if place is None else place.item.kind
    if kind is FieldKind.SIGNATURE:
        return replace(filled, signatures={**filled.signatures, field_id: "signed"})
    if kind is FieldKind.ATTACHMENT:
        return replace(filled, documents={**filled.documents, field_id: "accepted"})
    if kind is FieldKind.CONSENT:
        filled = replace(filled, reading={**filled.reading, field_id: 1.0})
    return filled if place is None else _entered(flow, filled, place, rng)


def _entered(flow: Flow, filled: _Filled, place: Place, rng: Random) -> _Filled:
    """Enter a value that fits; without one, what is there stays."""
    if not place.item.takes_value:
        return filled
    try:
        value = plausible_value(as_computed(place.item, filled.computed.get(place.field_id)), rng)
    except (NoPlausibleValue, ValueError, OverflowError):
        return filled
    entry = enter(flow, filled.answers, filled.instances, place, value)
    if not isinstance(entry, Entry):
        return filled
    return replace(filled, answers=entry.answers, instances=entry.instances)
