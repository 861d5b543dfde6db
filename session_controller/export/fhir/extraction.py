"""Create resources from answers, according to a mapping.

    extract(entered, mapping) -> dict[role, Made]

A resource is created only if an answer fills part of it. A resource inside repeating groups is
created once per instance; its role then includes the instance number.
"""

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace

from schemas.questionnaire.model import Json
from session_controller.export.answered import Entered, EnteredField
from session_controller.export.fhir.conversion import convert
from session_controller.export.fhir.drafts import Draft
from session_controller.export.fhir.elements import MAPPED, Path, elements_of, find
from session_controller.export.fhir.mapping import FieldRule, Mapping, Target


@dataclass(frozen=True, slots=True)
class Made:
    """A resource created from answers, without the elements that the export adds."""

    target: Target
    role: str
    elements: MappingOf[str, Json]
    instance: str = ""
    """The numbers of the enclosing instances, as `[0]`; empty if nothing repeats."""


def extract(entered: Entered, mapping: Mapping) -> dict[str, Made]:
    """Create all resources, in the mapping's order, by role."""
    by_link_id: dict[str, list[EnteredField]] = {}
    for field in entered.fields:
        by_link_id.setdefault(field.item.link_id, []).append(field)
    made = [one for target in mapping.targets for one in _made(target, by_link_id)]
    found = {one.role: one for one in made}
    return {role: _with_copies(one, found, entered) for role, one in found.items()}


def _made(target: Target, fields: MappingOf[str, list[EnteredField]]) -> Iterator[Made]:
    drafts: dict[str, Draft] = {}
    for rule in target.fields:
        for field in fields.get(rule.link_id, ()):
            if field.answers:
                instance = _instance(target, field)
                draft = drafts.setdefault(instance, Draft(MAPPED[target.type]))
                _fill(draft, target, rule, field)
    for instance, draft in sorted(drafts.items()):
        if not draft.tree:
            continue
        for fixed in target.fixed:
            draft.put_around(fixed.path, fixed.value)
        yield Made(target, target.role + instance, draft.json(), instance)


def _fill(draft: Draft, target: Target, rule: FieldRule, field: EnteredField) -> None:
    element = find(target.type, rule.path)
    if element is None:
        return
    path = _within_instance(target, rule.path, field)
    for answer in field.answers:
        value = convert(element, answer, rule.values)
        if value is not None and not draft.put(path, value):
            # The element is taken: if it repeats, add another entry.
            draft.put(_another(target.type, path, field.item.link_id), value)


def _instance(target: Target, field: EnteredField) -> str:
    return "".join(f"[{field.scope[g]}]" for g in target.groups if g in field.scope)


def _within_instance(target: Target, path: Path, field: EnteredField) -> Path:
    """Keep instances of repeating groups inside the resource's own apart."""
    suffix = "".join(f"[{n}]" for group, n in field.scope.items() if group not in target.groups)
    return _another(target.type, path, suffix) if suffix else path


def _another(kind: str, path: Path, suffix: str) -> Path:
    model = MAPPED[kind]
    for depth, step in enumerate(path):
        element = elements_of(model)[step.name]
        if element.model is None:
            break
        if element.repeats:
            suffix = suffix if suffix.startswith("[") else f"[{suffix}]"
            renamed = replace(step, slice=step.slice + suffix)
            return (*path[:depth], renamed, *path[depth + 1 :])
        model = element.model
    return path


def _with_copies(made: Made, found: MappingOf[str, Made], entered: Entered) -> Made:
    elements = dict(made.elements)
    for copy in made.target.copies:
        name = copy.path[0].name
        source = found.get(copy.role)
        if source is not None and name in source.elements and entered.is_yes(copy.when):
            elements.setdefault(name, source.elements[name])
    return replace(made, elements=elements)
