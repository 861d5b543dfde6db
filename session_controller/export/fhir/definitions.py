"""The mapping defined in a form: `item.definition` and SDC's extraction extensions.

    mapping_of(flow) -> Mapping

A definition is `{profile}#{element id}`. It belongs to the nearest enclosing context with its
resource's type (`itemExtractionContext`, `definitionExtract`); without one, to a resource of the
whole form. A group whose definition is a repeating element collects one entry of it; so does an
item with values of its own (`definitionExtractValue`).
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace

from schemas.questionnaire.model import (
    STRUCTURE,
    ExtractedValue,
    Extraction,
    FieldKind,
    Flow,
    Item,
    Note,
)
from session_controller.export.fhir.conversion import fixed_value
from session_controller.export.fhir.elements import MAPPED, Path, PathStep, find, parse_path
from session_controller.export.fhir.mapping import FieldRule, FixedRule, Mapping, Target


def mapping_of(flow: Flow) -> Mapping:
    """Return the mapping of a flow; cached on the flow."""
    known: Mapping | None = flow.cache.get("fhir-mapping")
    if known is None:
        known = flow.cache["fhir-mapping"] = _read(flow)
    return known


def _read(flow: Flow) -> Mapping:
    reader = _Reader(flow)
    around = reader.enter(flow.extraction, None, _Around())
    reader.give(flow.extraction.values, around, "Questionnaire")
    for step in flow.steps:
        for link_id in step.item_ids:
            reader.read(flow.items[link_id], around)
    return Mapping(
        targets=tuple(reader.targets.values()),
        documents={
            item.link_id: item.codes[0]
            for item in flow.items.values()
            if item.codes and item.type is FieldKind.ATTACHMENT
        },
        signers=reader.signers,
        notes=tuple(reader.notes),
    )


@dataclass(frozen=True, slots=True)
class _Around:
    """The surroundings of an item: contexts by type, innermost last, and elements of groups."""

    contexts: MappingOf[str, str] = field(default_factory=dict)
    slices: MappingOf[tuple[str, ...], str] = field(default_factory=dict)


@dataclass(slots=True)
class _Reader:
    flow: Flow
    targets: dict[str, Target] = field(default_factory=dict)
    signers: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def read(self, item: Item, around: _Around) -> None:
        """Read an item and its descendants."""
        around = self.enter(item.extraction, item, around)
        found = self._definition(item, item.definition) if item.definition else None
        if found is not None:
            around = self._place(item, found, around)
        elif item.extraction.values:
            self.give(item.extraction.values, around, item.link_id)
        for child in item.children:
            self.read(self.flow.items[child], around)

    def enter(self, extraction: Extraction, item: Item | None, around: _Around) -> _Around:
        """Open the context that an item defines, if any."""
        kind = extraction.context
        if kind is None:
            return around
        role = (
            kind.lower() if item is None or kind == "Patient" else f"{kind.lower()}:{item.link_id}"
        )
        self.targets.setdefault(role, Target(role, kind, groups=_groups(item)))
        coverage = around.contexts.get("Coverage")
        if kind == "RelatedPerson" and coverage is not None:
            self.targets[coverage] = replace(self.targets[coverage], subscriber=role)
        elif kind == "RelatedPerson" and item is not None and self._is_signed(item):
            self.signers.setdefault(item.step_id, role)
        return _Around({**around.contexts, kind: role})

    def _is_signed(self, item: Item) -> bool:
        """Return whether a group contains a signature: a person entered there signs it."""
        below = (self.flow.items[child] for child in item.children)
        return any(one.kind is FieldKind.SIGNATURE or self._is_signed(one) for one in below)

    def give(self, values: tuple[ExtractedValue, ...], around: _Around, place: str) -> None:
        """Add the values that a form sets itself."""
        for one in values:
            found = self._parsed(one.definition, place)
            if found is None:
                continue
            kind, path = found
            value = fixed_value(find(kind, path), one.value)
            if value is None:
                self.notes.append(
                    Note(place, f'the value of "{one.definition}" does not have its type')
                )
            else:
                self._add(kind, around, FixedRule(_sliced(kind, path, around), value))

    def _place(self, item: Item, found: tuple[str, Path], around: _Around) -> _Around:
        kind, path = found
        if item.type in STRUCTURE or item.extraction.values:
            around = _holding(item, kind, path, around)
        self.give(item.extraction.values, around, item.link_id)
        if item.type not in STRUCTURE:
            self._add(kind, around, FieldRule(_sliced(kind, path, around), item.link_id))
        return around

    def _add(self, kind: str, around: _Around, rule: FieldRule | FixedRule) -> None:
        role = around.contexts.get(kind, kind.lower())
        target = self.targets.get(role) or Target(role, kind)
        if isinstance(rule, FieldRule):
            self.targets[role] = replace(target, fields=(*target.fields, rule))
        else:
            self.targets[role] = replace(target, fixed=(*target.fixed, rule))

    def _definition(self, item: Item, definition: str) -> tuple[str, Path] | None:
        if not item.takes_value and item.type not in STRUCTURE:
            return None
        return self._parsed(definition, item.link_id)

    def _parsed(self, definition: str, place: str) -> tuple[str, Path] | None:
        kind, _, rest = definition.rpartition("#")[2].partition(".")
        path = parse_path(rest) if kind in MAPPED else None
        if path is not None and find(kind, path) is not None:
            return kind, path
        self.notes.append(
            Note(
                place, f'definition "{definition}" is not supported; its answers are not extracted'
            )
        )
        return None


def _groups(item: Item | None) -> tuple[str, ...]:
    """Return the repeating groups whose instances each get a resource."""
    if item is None:
        return ()
    own = (item.link_id,) if item.repeats and item.type in STRUCTURE else ()
    return (*item.repeating_ancestors, *own)


def _key(kind: str, path: Path) -> tuple[str, ...]:
    return (kind, *(step.name for step in path))


def _holding(item: Item, kind: str, path: Path, around: _Around) -> _Around:
    """Collect one entry of a repeating element, unless an enclosing item already does."""
    for depth in range(1, len(path) + 1):
        element = find(kind, path[:depth])
        key = _key(kind, path[:depth])
        if element and element.repeats and element.model and key not in around.slices:
            return _Around(around.contexts, {**around.slices, key: item.link_id})
    return around


def _sliced(kind: str, path: Path, around: _Around) -> Path:
    return tuple(
        PathStep(step.name, step.slice or around.slices.get(_key(kind, path[: depth + 1]), ""))
        for depth, step in enumerate(path)
    )
