"""The assessment of a whole flow: each step's fields, what is missing, and incremental updates."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heappop, heappush

from schemas.questionnaire.dates import Span
from schemas.questionnaire.model import FieldKind, Flow, Item, Json
from session_controller.forms.enablement import Held, evaluate, is_on
from session_controller.forms.field_status import Fault, State, fault_of, judge
from session_controller.forms.layout import Layout, Node, layout_of

_NONE: Mapping[str, Json] = {}
_NOTHING = Held()
"""The start of every session; its assessment is cached on the flow."""


@dataclass(frozen=True, slots=True)
class StepAssessment:
    """The assessment of one step.

    `enabled`: all enabled items that are not hidden, in order, with groups and texts. `fields`:
    those of them that can be filled. `filled` counts fields with an entry, `required` the required
    fields, `required_filled` the required fields with a valid entry.
    """

    step_id: str
    enabled: tuple[str, ...]
    fields: tuple[str, ...]
    filled: int
    required: int
    required_filled: int
    faults: tuple[Fault, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing or invalid."""
        return not self.faults


_OF_WHAT_IS_ON = ("enabled_ids", "fields", "attachments", "steps_on")


@dataclass(frozen=True, eq=False)
class Assessment:
    """The assessment of a flow and all entries. Immutable; `after` returns the next one."""

    flow: Flow
    held: Held
    layout: Layout
    on: list[bool]
    states: list[State]
    steps: tuple[StepAssessment, ...]

    @cached_property
    def step(self) -> Mapping[str, StepAssessment]:
        """Each step's assessment by step id."""
        return {step.step_id: step for step in self.steps}

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """Everything that keeps the flow from being complete, in order."""
        return tuple(fault for step in self.steps for fault in step.faults)

    @cached_property
    def enabled_ids(self) -> Mapping[str, None]:
        """Everything enabled and shown, in the flow's order, including groups and texts."""
        return dict.fromkeys(field_id for step in self.steps for field_id in step.enabled)

    @cached_property
    def steps_on(self) -> tuple[int, ...]:
        """The indices of the steps that show anything, in order."""
        return tuple(index for index, step in enumerate(self.steps) if step.enabled)

    @cached_property
    def errors(self) -> Mapping[str, str]:
        """Messages for values that break a rule, including those of disabled fields."""
        return {
            node.field_id: state.error
            for node, state in zip(self.layout.nodes, self.states, strict=True)
            if state.error is not None
        }

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The enabled and shown fields of all steps, in the flow's order."""
        return tuple(field_id for step in self.steps for field_id in step.fields)

    @cached_property
    def attachments(self) -> frozenset[str]:
        """The fields that hold a document."""
        return frozenset(f for f in self.fields if self.item(f).kind is FieldKind.ATTACHMENT)

    def item(self, field_id: str) -> Item:
        """Return the item of an existing field."""
        return self.layout.nodes[self.layout.index[field_id]].item

    def take_over(self, before: "Assessment") -> None:
        """Reuse cached properties from an assessment with the same enabled fields."""
        for name in _OF_WHAT_IS_ON:
            if name in before.__dict__:
                self.__dict__[name] = before.__dict__[name]

    @property
    def complete(self) -> bool:
        """Whether everything required is present and valid."""
        return all(step.complete for step in self.steps)

    def is_enabled(self, field_id: str) -> bool:
        """Return whether `enableWhen` enables a field, shown or hidden; False if it is absent."""
        index = self.layout.index.get(field_id)
        return index is not None and self.on[index]

    def after(
        self,
        changed: Iterable[str],
        answers: Mapping[str, Json],
        instances: Mapping[str, int] = _NONE,
        *,
        documents: Mapping[str, str] = _NONE,
        signatures: Mapping[str, str] = _NONE,
        reading: Mapping[str, float] = _NONE,
        corrections: Mapping[str, str] = _NONE,
        today: Span | None = None,
        computed: Mapping[str, Mapping[str, Json]] = _NONE,
    ) -> "Assessment":
        """Return the assessment after a change of only the `changed` fields.

        The result equals that of `assess` for the same arguments. A changed number of instances, or
        a field that the flow does not have, causes a full assessment.
        """
        held = Held(
            answers, instances, documents, signatures, reading, corrections, today, computed
        )
        indices = [self.layout.index.get(field_id, -1) for field_id in changed]
        if instances != self.held.instances or -1 in indices:
            return _assess(self.flow, held)
        return _assess_again(self, held, indices)


def assess(
    flow: Flow,
    answers: Mapping[str, Json],
    instances: Mapping[str, int] = _NONE,
    *,
    documents: Mapping[str, str] = _NONE,
    signatures: Mapping[str, str] = _NONE,
    reading: Mapping[str, float] = _NONE,
    corrections: Mapping[str, str] = _NONE,
    today: Span | None = None,
    computed: Mapping[str, Mapping[str, Json]] = _NONE,
) -> Assessment:
    """Assess everything that was entered. The mappings are by field id, see `Held`."""
    held = Held(answers, instances, documents, signatures, reading, corrections, today, computed)
    return _assess(flow, held)


def _assess(flow: Flow, held: Held) -> Assessment:
    # Of what is not answered, no date is compared with today's.
    if replace(held, today=None) != _NOTHING:
        return _assess_all(flow, held)
    blank: Assessment | None = flow.cache.get("blank")
    if blank is None:
        blank = flow.cache["blank"] = _assess_all(flow, held)
    return blank


def _assess_all(flow: Flow, held: Held) -> Assessment:
    layout = layout_of(flow, held.instances)
    on = evaluate(layout, held)
    states = [judge(node, held) for node in layout.nodes]
    now = _Now(held, on, states)
    steps = tuple(_summary(flow, layout, step, now) for step in range(len(layout.by_step)))
    return Assessment(flow, held, layout, on, states, steps)


def _assess_again(before: Assessment, held: Held, changed: list[int]) -> Assessment:
    layout, on, states = before.layout, list(before.on), list(before.states)
    touched: set[int] = set()
    waiting: list[int] = []
    for index in changed:
        states[index] = judge(layout.nodes[index], held)
        touched.add(layout.nodes[index].step)
        _push(layout, index, waiting)
        if layout.nodes[index].item.expressions.enable_when is not None:
            heappush(waiting, layout.rank[index])
    while waiting:
        index = layout.order[heappop(waiting)]
        turned = is_on(layout, layout.nodes[index], on, held)
        if turned != on[index]:
            on[index] = turned
            touched.add(layout.nodes[index].step)
            _push(layout, index, waiting)
    steps = list(before.steps)
    now = _Now(held, on, states)
    for number in touched:
        steps[number] = _summary(before.flow, layout, number, now)
    made = Assessment(before.flow, held, layout, on, states, tuple(steps))
    if all(steps[number].enabled == before.steps[number].enabled for number in touched):
        made.take_over(before)
    return made


def _push(layout: Layout, index: int, waiting: list[int]) -> None:
    for dependent in layout.dependents[index]:
        heappush(waiting, layout.rank[dependent])


@dataclass(frozen=True, slots=True)
class _Now:
    """The input of a step's summary."""

    held: Held
    on: list[bool]
    states: list[State]


def _summary(flow: Flow, layout: Layout, number: int, now: _Now) -> StepAssessment:
    shown = _shown(layout, number, now.on)
    fields: list[str] = []
    faults: list[Fault] = []
    filled = required = required_filled = 0
    for node in shown:
        state = now.states[node.index]
        if state.fault is not None:
            faults.append(state.fault)
        if not node.item.is_field:
            group_fault = _group_fault(layout, node, now)
            if group_fault is not None:
                faults.append(group_fault)
            continue
        fields.append(node.field_id)
        filled += state.filled
        if node.wanted:
            required += 1
            required_filled += state.filled and state.fault is None
    return StepAssessment(
        flow.steps[number].step_id,
        tuple(node.field_id for node in shown),
        tuple(fields),
        filled,
        required,
        required_filled,
        tuple(faults),
    )


def _shown(layout: Layout, number: int, on: list[bool]) -> list[Node]:
    """Return what a step shows, in order. A group in which nothing is to be seen is not shown."""
    shown = []
    following = len(layout.nodes)
    for index in reversed(layout.by_step[number]):
        node = layout.nodes[index]
        if node.hidden or not on[index]:
            continue
        if node.item.kind is not FieldKind.GROUP or node.item.review:
            following = index
        elif following >= node.end:
            continue
        shown.append(node)
    shown.reverse()
    return shown


def _group_fault(layout: Layout, group: Node, now: _Now) -> Fault | None:
    """Check a group: enough instances, and an answer in each required one.

    The fault names a field to go to: a group has no field id of its own on the wire.
    """
    least = group.item.min_occurs or 0
    key = group.count_key
    if key is not None and group.demanded and now.held.instances.get(key, 0) < least:
        field_id = _first_of_next(layout, group, key, now.held.instances.get(key, 0))
        message = f"at least {least} are needed"
        return fault_of(group, "too_few_instances", message, field_id)
    if not group.wanted:
        return None
    below = [index for index in range(group.index + 1, group.end) if now.on[index]]
    fields = [index for index in below if layout.nodes[index].item.is_field]
    if not fields or any(now.states[one].filled or now.states[one].fault for one in below):
        return None
    nodes = [layout.nodes[index] for index in fields]
    first = next((n for n in nodes if not (n.hidden or n.item.read_only)), nodes[0])
    return fault_of(group, "group_empty", "at least one answer is needed", first.field_id)


def _first_of_next(layout: Layout, group: Node, key: str, count: int) -> str:
    """Return the id of the first field of the next instance."""
    for index in range(group.index + 1, group.end):
        node = layout.nodes[index]
        if node.item.is_field and not node.hidden:
            return f"{key}[{count}]" + node.field_id.removeprefix(group.field_id)
    return f"{key}[{count}]"


def enabled_fields(
    flow: Flow, answers: Mapping[str, Json], instances: Mapping[str, int] = _NONE
) -> dict[str, tuple[str, ...]]:
    """Return the enabled and shown fields of each step, in order."""
    return {step.step_id: step.fields for step in assess(flow, answers, instances).steps}
