"""The layout of a flow: one node for each item, repeated for each instance of its groups."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from schemas.questionnaire.field_ids import is_repeating_group
from schemas.questionnaire.model import FieldKind, Flow, Item
from session_controller.forms.comparisons import Test, comparison

_CACHED_LAYOUTS = 16
"""For full assessments; an assessment keeps its own. A large layout takes some megabytes."""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition, bound to the nodes whose answers it reads."""

    targets: tuple[int, ...]
    operator: str
    test: Test
    raw: bool


@dataclass(slots=True, eq=False)
class Node:
    """One occurrence of an item. `parent` is an index, -1 at the top.

    `hangs`: enabled only while its parent, a question, is answered. `hidden`: it or an ancestor
    is never shown. `demanded`: not inside an optional instance that does not exist yet. `wanted`:
    an answer is required if the node is enabled. `count_key`: the key of a repeating group in
    `instances`, on the first of its nodes.
    """

    index: int
    field_id: str
    item: Item
    parent: int
    step: int
    scope: tuple[tuple[str, int], ...]
    hangs: bool
    hidden: bool
    wanted: bool
    demanded: bool
    count_key: str | None = None
    end: int = 0
    """Index after the last descendant."""
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """All nodes in document order, with lookup tables and their order of evaluation."""

    nodes: tuple[Node, ...]
    index: Mapping[str, int]
    order: tuple[int, ...]
    rank: tuple[int, ...]
    dependents: tuple[tuple[int, ...], ...]
    by_step: tuple[range, ...]


# -- building ----------------------------------------------------------------------------------


def layout_of(flow: Flow, instances: Mapping[str, int]) -> Layout:
    """Return the layout for these instance counts; cached on the flow."""
    known: dict[frozenset[tuple[str, int]], Layout] = flow.cache.setdefault("layouts", {})
    key = frozenset(instances.items()) if instances else frozenset()
    layout = known.get(key)
    if layout is None:
        layout = _lay_out(flow, instances)
        while len(known) >= _CACHED_LAYOUTS:
            known.pop(next(iter(known)), None)
        known[key] = layout
    return layout


def _lay_out(flow: Flow, instances: Mapping[str, int]) -> Layout:
    nodes: list[Node] = []
    builder = _Builder(flow, instances, nodes)
    for item in flow.items.values():
        if item.parent is None:
            builder.place(item, _Around())
    return _connect(flow, nodes, tuple(_bounds(flow, nodes)))


def _bounds(flow: Flow, nodes: Sequence[Node]) -> Iterator[range]:
    """Yield the nodes of each step: they follow each other, also in a group of several steps."""
    start = 0
    for step in flow.steps:
        end = start
        while end < len(nodes) and nodes[end].step == step.index:
            end += 1
        yield range(start, end)
        start = end


@dataclass(frozen=True, slots=True)
class _Around:
    parent: Node | None = None
    scope: tuple[tuple[str, int], ...] = ()
    prefix: str = ""
    demanded: bool = True


@dataclass(frozen=True, slots=True)
class _Builder:
    flow: Flow
    instances: Mapping[str, int]
    nodes: list[Node]

    def place(self, item: Item, around: _Around) -> None:
        """Add the nodes of an item and its descendants."""
        if not is_repeating_group(item):
            self._add(item, around, around.prefix + item.link_id, None)
            return
        key = around.prefix + item.link_id
        count = self.instances.get(key, 0)
        # An instance that does not exist yet is shown, but nothing in it is required.
        demanded = around.demanded and (count > 0 or item.required or bool(item.min_occurs))
        for number in range(max(count, 1)):
            field_id = f"{key}[{number}]"
            scope = (*around.scope, (item.link_id, number))
            inside = _Around(around.parent, scope, f"{field_id}.", demanded)
            self._add(item, inside, field_id, key if number == 0 else None)

    def _add(self, item: Item, around: _Around, field_id: str, count_key: str | None) -> None:
        parent = around.parent
        node = Node(
            index=len(self.nodes),
            field_id=field_id,
            item=item,
            parent=-1 if parent is None else parent.index,
            step=self.flow.step_of[item.step_id].index,
            scope=around.scope,
            hangs=_hangs(item, parent),
            hidden=item.hidden or (parent is not None and parent.hidden),
            wanted=around.demanded and item.required,
            demanded=around.demanded,
            count_key=count_key,
        )
        node.wanted = node.wanted and not (item.read_only or node.hidden)
        self.nodes.append(node)
        inside = _Around(node, around.scope, around.prefix, around.demanded)
        for child in item.children:
            self.place(self.flow.items[child], inside)
        node.end = len(self.nodes)


def _hangs(item: Item, parent: Node | None) -> bool:
    """Return whether an item depends on its parent's answer; a display item never does."""
    if parent is None or item.type is FieldKind.DISPLAY:
        return False
    return parent.item.type not in {FieldKind.GROUP, FieldKind.DISPLAY}


def _connect(flow: Flow, nodes: list[Node], bounds: tuple[range, ...]) -> Layout:
    by_item: dict[str, list[Node]] = {}
    for node in nodes:
        by_item.setdefault(node.item.link_id, []).append(node)
    dependents: list[set[int]] = [set() for _ in nodes]
    for node in nodes:
        node.checks = tuple(_checks(node, by_item))
        for check in node.checks:
            for target in check.targets:
                dependents[target].add(node.index)
        if node.parent >= 0:
            dependents[node.parent].add(node.index)
    place = {link_id: number for number, link_id in enumerate(flow.evaluation_order)}
    order = sorted(range(len(nodes)), key=lambda one: (place[nodes[one].item.link_id], one))
    rank = [0] * len(nodes)
    for number, one in enumerate(order):
        rank[one] = number
    return Layout(
        tuple(nodes),
        {node.field_id: node.index for node in nodes},
        tuple(order),
        tuple(rank),
        tuple(tuple(found) for found in dependents),
        bounds,
    )


def _checks(node: Node, by_item: Mapping[str, Sequence[Node]]) -> Iterator[Check]:
    for condition in node.item.enable_when:
        asked = by_item.get(condition.question or "", ())
        targets = tuple(one.index for one in asked if _same_instances(node.scope, one.scope))
        yield Check(targets, condition.operator, comparison(condition), condition.raw)


def _same_instances(mine: tuple[tuple[str, int], ...], other: tuple[tuple[str, int], ...]) -> bool:
    """Return whether two nodes share the instance of each repeating group around both."""
    for (group, number), (other_group, other_number) in zip(mine, other, strict=False):
        if group != other_group:
            return True
        if number != other_number:
            return False
    return True
