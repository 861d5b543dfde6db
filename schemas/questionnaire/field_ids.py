"""Field ids: the protocol's names of fields, including those in repeating groups.

    resolve(flow, field_id) -> Place | None
    place_of(item, indices) -> Place

`{group}[{n}].{linkId}`, nested `{outer}[{n}].{inner}[{m}].{linkId}`. A linkId may itself contain
dots and brackets; in flows with repeating groups, `schemas.questionnaire.assemble` rejects linkIds
that end in `[n]` or contain `[n].`, so that every field id is unambiguous.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from schemas.questionnaire.model import FieldKind, Flow, Item

_INSTANCE = re.compile(r"\[(0|[1-9][0-9]{0,4})\](?:\.|$)", re.ASCII)

LOOKS_LIKE_INSTANCE = re.compile(r"\[[0-9]+\](?:\.|$)", re.ASCII)


class Place(NamedTuple):
    """The target of a field id.

    `containers` are the enclosing instances of repeating groups, outermost first, each as its key
    in `instances` and its number. With `is_instance`, the field id names the whole last instance:
    `{group}[{n}]`.
    """

    item: Item
    field_id: str
    containers: tuple[tuple[str, int], ...] = ()
    is_instance: bool = False

    @property
    def step_id(self) -> str:
        """The id of its step."""
        return self.item.step_id

    @property
    def indices(self) -> tuple[int, ...]:
        """The instance number of each enclosing repeating group, outermost first."""
        return tuple(number for _, number in self.containers)


def is_repeating_group(item: Item) -> bool:
    """Return whether field ids below this item have an instance number."""
    return item.repeats and item.type is FieldKind.GROUP


def place_of(item: Item, indices: Sequence[int]) -> Place:
    """Return an item's place by its enclosing instances; one more index names an instance."""
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
    """Return the place that a field id names, or None if the flow has no such field.

    Does not check whether the instance exists.
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
    """Return whether any field id of these items has an instance number."""
    return any(is_repeating_group(item) for item in items.values())
