"""Resources under construction: elements are added path by path and output as JSON.

draft = Draft(Patient)
draft.put(path, value) -> bool     False if another value is already there
draft.json() -> dict
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from schemas.questionnaire.model import Json
from session_controller.export.fhir.building import fits
from session_controller.export.fhir.elements import ElementType, Path, PathStep, elements_of
from session_controller.export.fhir.resources import Element

_Tree = dict[str, Any]
"""Elements by name: a value, a list of values, a tree, or trees by slice if it repeats."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A resource, or a part of one."""

    model: type[Element]
    tree: _Tree = field(default_factory=dict)

    def put(self, path: Path, value: Json) -> bool:
        """Put a value at a path; a list accepts any number of them."""
        first, rest = path[0], path[1:]
        element = elements_of(self.model)[first.name]
        if not rest:
            return self._put_last(element, first, value)
        below = self.tree.setdefault(first.name, {})
        if element.repeats:
            below = below.setdefault(first.slice, {})
        return _draft(element, below).put(rest, value)

    def put_around(self, path: Path, value: Json) -> None:
        """Add a value to existing elements: to each entry of a repeating one with the slice."""
        first, rest = path[0], path[1:]
        element = elements_of(self.model)[first.name]
        if not rest:
            self._put_last(element, first, value)
            return
        below = self.tree.get(first.name, {})
        trees = [below] if not element.repeats else list(_of_slice(below, first.slice))
        for tree in trees:
            if tree:
                _draft(element, tree).put_around(rest, value)

    def json(self) -> dict[str, Json]:
        """Return the JSON, omitting parts without the elements that their type requires."""
        written = ((name, self._written(name, value)) for name, value in self.tree.items())
        return {name: value for name, value in written if value not in (None, [])}

    def _put_last(self, element: ElementType, step: PathStep, value: Json) -> bool:
        if not element.repeats:
            return _set(self.tree, step.name, value)
        if element.model is None:
            self.tree.setdefault(step.name, []).append(value)
            return True
        slots = self.tree.setdefault(step.name, {})
        key = step.slice if step.slice not in slots else f"{step.slice}[+{len(slots)}]"
        slots[key] = dict(value)
        return True

    def _written(self, name: str, value: Any) -> Json:
        element = elements_of(self.model)[name]
        if element.model is None or not isinstance(value, dict):
            return value
        trees = list(value.values()) if element.repeats else [value]
        parts = (_draft(element, tree).json() for tree in trees)
        whole = [part for part in parts if part and fits(element.model, part)]
        return whole if element.repeats else next(iter(whole), None)


def _draft(element: ElementType, tree: _Tree) -> Draft:
    if element.model is None:
        raise TypeError(f"{element.name} has no elements")
    return Draft(element.model, tree)


def _of_slice(slots: dict[str, _Tree], name: str) -> Iterator[_Tree]:
    return (tree for key, tree in slots.items() if key == name or key.startswith(f"{name}["))


def _set(tree: _Tree, name: str, value: Json) -> bool:
    if name not in tree:
        tree[name] = dict(value) if isinstance(value, dict) else value
        return True
    known = tree[name]
    if not isinstance(known, dict) or not isinstance(value, dict) or known.keys() & value.keys():
        return False
    known.update(value)
    return True
