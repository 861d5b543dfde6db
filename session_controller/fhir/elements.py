"""Which elements a resource has, told by our own models of it: what a path may name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from session_controller.fhir.resources import Element
from session_controller.fhir.resources_people import Coverage, Patient, RelatedPerson

MAPPED: Mapping[str, type[Element]] = {
    "Patient": Patient,
    "RelatedPerson": RelatedPerson,
    "Coverage": Coverage,
}
"""The resources that answers are mapped to."""

_OURS = frozenset(
    ("resourceType", "id", "meta", "language", "patient", "beneficiary", "subscriber", "status")
)
"""What the export itself gives to a resource: no answer may."""


@dataclass(frozen=True, slots=True)
class ElementType:
    """One element: whether it repeats, and what it holds: a model, or a primitive's annotation."""

    name: str
    repeats: bool
    holds: Any

    @property
    def model(self) -> type[Element] | None:
        """Its model, where it has elements itself."""
        made = self.holds
        return made if isinstance(made, type) and issubclass(made, Element) else None


@dataclass(frozen=True, slots=True)
class PathStep:
    """One element of a path. Equal slices of a repeating element are one and the same of it."""

    name: str
    slice: str = ""


Path = tuple[PathStep, ...]

_STEP = re.compile(r"(?P<name>[A-Za-z]+)(?::(?P<slice>[\w-]+))?")


def parse_path(text: str) -> Path | None:
    """Read `telecom:mobile.value` as FHIR spells an element's id; None where it is none."""
    found = [_STEP.fullmatch(part) for part in text.split(".")]
    if None in found:
        return None
    return tuple(PathStep(one["name"], one["slice"] or "") for one in found if one)


@cache
def elements_of(model: type[Element]) -> Mapping[str, ElementType]:
    """Give the elements of a resource or data type, as FHIR spells them."""
    found = {}
    hints = get_type_hints(model, include_extras=True)
    for name, field in model.model_fields.items():
        spelled = field.alias or name
        kind = _bare(hints[name])
        repeats = get_origin(kind) is tuple
        found[spelled] = ElementType(spelled, repeats, get_args(kind)[0] if repeats else kind)
    return found


def find(resource: str, path: Sequence[PathStep]) -> ElementType | None:
    """Find what a path names below a resource that is mapped to; None where there is none."""
    model: type[Element] | None = MAPPED[resource]
    element = None
    for depth, step in enumerate(path):
        element = None if model is None else elements_of(model).get(step.name)
        if element is None or (depth == 0 and step.name in _OURS):
            return None
        model = element.model
    return element


def _bare(annotation: Any) -> Any:
    """Take `| None` off, and what stands around a list of at least one."""
    if get_origin(annotation) in {Union, UnionType}:
        (annotation,) = (one for one in get_args(annotation) if one is not NoneType)
    if get_origin(annotation) is Annotated and get_origin(get_args(annotation)[0]) is tuple:
        return get_args(annotation)[0]
    return annotation
