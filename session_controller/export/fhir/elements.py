"""The elements a resource has, derived from our models: what a path may name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic.alias_generators import to_camel

from session_controller.export.fhir.resources import Element
from session_controller.export.fhir.resources_people import Coverage, Patient, RelatedPerson

MAPPED: Mapping[str, type[Element]] = {
    "Patient": Patient,
    "RelatedPerson": RelatedPerson,
    "Coverage": Coverage,
}
"""The resources that answers can be mapped to."""

_OURS = frozenset(
    ("resourceType", "id", "meta", "language", "patient", "beneficiary", "subscriber", "status")
)
"""Elements set by the export itself; answers cannot be mapped to them."""


@dataclass(frozen=True, slots=True)
class ElementType:
    """An element: whether it repeats, and its type: a model, or a primitive's annotation."""

    name: str
    repeats: bool
    holds: Any

    @property
    def model(self) -> type[Element] | None:
        """The model, if it has elements itself."""
        made = self.holds
        return made if isinstance(made, type) and issubclass(made, Element) else None


@dataclass(frozen=True, slots=True)
class PathStep:
    """One element of a path. Equal slices of a repeating element mean the same entry."""

    name: str
    slice: str = ""


Path = tuple[PathStep, ...]

_STEP = re.compile(r"(?P<name>[A-Za-z]+)(?::(?P<slice>[\w-]+))?")


def parse_path(text: str) -> Path | None:
    """Parse a path spelled like a FHIR element id (`telecom:mobile.value`); None if invalid."""
    found = [_STEP.fullmatch(part) for part in text.split(".")]
    if None in found:
        return None
    return tuple(PathStep(one["name"], one["slice"] or "") for one in found if one)


@cache
def elements_of(model: type[Element]) -> Mapping[str, ElementType]:
    """Return the elements of a resource or data type, by their FHIR names."""
    found = {}
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        spelled = field.alias or to_camel(name)
        kind = _bare(hints[name])
        repeats = get_origin(kind) is tuple
        found[spelled] = ElementType(spelled, repeats, get_args(kind)[0] if repeats else kind)
    return found


def find(resource: str, path: Sequence[PathStep]) -> ElementType | None:
    """Return the element at a path of a mapped resource, or None if there is none."""
    model: type[Element] | None = MAPPED[resource]
    element = None
    for depth, step in enumerate(path):
        element = None if model is None else elements_of(model).get(step.name)
        if element is None or (depth == 0 and step.name in _OURS):
            return None
        model = element.model
    return element


def _bare(annotation: Any) -> Any:
    """Remove `| None`, and the annotation of a non-empty list."""
    if get_origin(annotation) in {Union, UnionType}:
        (annotation,) = (one for one in get_args(annotation) if one is not NoneType)
    if get_origin(annotation) is Annotated and get_origin(get_args(annotation)[0]) is tuple:
        return get_args(annotation)[0]
    return annotation
