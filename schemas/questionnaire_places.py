"""Field ids: how the wire names a field, also inside repeating groups.

    resolve(flow, field_id) -> Place | None
    place_of(item, indices) -> Place

`{group}[{n}].{linkId}`, nested `{outer}[{n}].{inner}[{m}].{linkId}`. A linkId may hold dots and
brackets itself; `schemas.questionnaire_assembly` refuses linkIds that end in `[n]` or hold `[n].`
where a flow has repeating groups, so that a field id can be read in one way only.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.questionnaire import FieldKind, Flow, Item

_INSTANCE = re.compile(r"\[(0|[1-9][0-9]{0,4})\](?:\.|$)", re.ASCII)

LOOKS_LIKE_INSTANCE = re.compile(r"\[[0-9]+\](?:\.|$)", re.ASCII)


class Place(NamedTuple):
    """Where a field id points.

    `containers` are the repeating groups' instances around it, outermost first, each as the key
    that `instances` counts it under and its number. With `is_instance`, the field id names the
    last of them as a whole: `{group}[{n}]`.
    """

    item: Item
    field_id: str
    containers: tuple[tuple[str, int], ...] = ()
    is_instance: bool = False

    @property
    def step_id(self) -> str:
        """The step that it belongs to."""
        return self.item.step_id

    @property
    def indices(self) -> tuple[int, ...]:
        """The number of the instance of each repeating group around it, outermost first."""
        return tuple(number for _, number in self.containers)


def is_repeating_group(item: Item) -> bool:
    """Tell whether field ids below this item bear an instance number."""
    return item.repeats and item.type is FieldKind.GROUP


def place_of(item: Item, indices: Sequence[int]) -> Place:
    """Name an item by the instances around it; one number more names an instance of a group."""
    containers: list[tuple[str, int]] = []
    prefix = ""
    groups = (*item.repeating_ancestors, item.link_id)[: len(indices)]
    for group, number in zip(groups, indices, strict=True):
        containers.append((prefix + group, number))
        prefix = f"{prefix}{group}[{number}]."
    is_instance = len(indices) > len(item.repeating_ancestors)
    field_id = prefix[:-1] if is_instance else prefix + item.link_id
    return Place(item, field_id, tuple(containers), is_instance)


def resolve(flow: Flow, field_id: str) -> Place | None:
    """Find what a field id names; None where the flow has no such field.

    Whether that instance exists yet is not asked here.
    """
    item = flow.items.get(field_id)
    if item is not None and not item.repeating_ancestors:
        return Place(item, field_id)
    groups, indices, rest = _taken_apart(field_id)
    if not groups:
        return None
    item = flow.items.get(rest or groups[-1])
    if item is None:
        return None
    around = groups if rest else groups[:-1]
    if item.repeating_ancestors != around or not (rest or is_repeating_group(item)):
        return None
    place = place_of(item, indices)
    return place if place.field_id == field_id else None


def _taken_apart(field_id: str) -> tuple[tuple[str, ...], tuple[int, ...], str]:
    groups: list[str] = []
    indices: list[int] = []
    start = 0
    for found in _INSTANCE.finditer(field_id):
        groups.append(field_id[start : found.start()])
        indices.append(int(found[1]))
        start = found.end()
    return tuple(groups), tuple(indices), field_id[start:]


def has_repeating_groups(items: Mapping[str, Item]) -> bool:
    """Tell whether any field id of these items bears an instance number."""
    return any(is_repeating_group(item) for item in items.values())
