"""Mapping files: how answers map to elements, for forms that do not define it.

    load_mapping(raw, flow) -> Mapping

docs/reference/fhir-mapping.md describes the file. Everything is checked against the flow on
loading: fields, paths, values, roles. `MappingError.problems` lists every fault with its location.
"""

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from typing import Any, get_args

from schemas.questionnaire.model import Coding, FieldKind, Flow, Item, Json, Note
from session_controller.export.answer import Answer
from session_controller.export.fhir import resources as fhir
from session_controller.export.fhir.building import fits
from session_controller.export.fhir.conversion import convert, fixed_value
from session_controller.export.fhir.elements import MAPPED, ElementType, Path, find, parse_path
from session_controller.export.fhir.mapping import (
    CopyRule,
    FieldRule,
    FixedRule,
    Mapping,
    Scope,
    Target,
)
from session_controller.forms.response import answer_of


class MappingError(ValueError):
    """The mapping does not fit the flow; `problems` lists all reasons."""

    def __init__(self, problems: tuple[Note, ...]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


_KEYS = {"questionnaire", "resources", "documents", "consents", "signer"}
_RESOURCE_KEYS = {"type", "each", "elements", "subscriber", "order"}
_RULES: tuple[set[str], ...] = (
    {"field"},
    {"field", "values"},
    {"field", "of"},
    {"field", "values", "of"},
    {"fixed"},
    {"copy", "when"},
)

_SCOPES: MappingOf[str, Scope] = {scope: scope for scope in get_args(Scope)}


def load_mapping(raw: MappingOf[str, Json], flow: Flow) -> Mapping:
    """Read a mapping for a flow. Raises `MappingError`."""
    reader = _Reader(flow)
    mapping = reader.read(raw)
    if reader.problems:
        raise MappingError(tuple(reader.problems))
    return mapping


@dataclass(slots=True)
class _Reader:
    flow: Flow
    problems: list[Note] = field(default_factory=list)

    def refuse(self, place: str, reason: str) -> None:
        """Add a reason why the mapping does not fit the flow."""
        self.problems.append(Note(place, reason))

    def read(self, raw: MappingOf[str, Json]) -> Mapping:
        """Read the whole file."""
        self._known("mapping", raw, _KEYS)
        named = raw.get("questionnaire")
        if named is not None and named != self.flow.url:
            self.refuse("questionnaire", "is not the url of this flow")
        resources = self._object(raw, "resources", "resources")
        targets = {role: self._target(role, one) for role, one in resources.items()}
        self._check_roles({role: one for role, one in targets.items() if one})
        return Mapping(
            targets=tuple(one for one in targets.values() if one),
            documents=dict(self._documents(self._object(raw, "documents", "documents"))),
            consents=dict(self._consents(self._object(raw, "consents", "consents"))),
            signers=self._signers(raw.get("signer"), targets),
        )

    def _target(self, role: str, raw: Json) -> Target | None:
        place = f"resources.{role}"
        kind = raw.get("type") if isinstance(raw, dict) else None
        if not isinstance(kind, str) or kind not in MAPPED:
            self.refuse(f"{place}.type", f"must be one of {', '.join(MAPPED)}")
            return None
        self._known(place, raw, _RESOURCE_KEYS)
        rules = list(self._rules(kind, place, self._object(raw, "elements", place)))
        order, subscriber = raw.get("order"), raw.get("subscriber")
        if order is not None and (type(order) is not int or order < 1):
            self.refuse(f"{place}.order", "must be a whole number, 1 or more")
        if subscriber is not None and not isinstance(subscriber, str):
            self.refuse(f"{place}.subscriber", "must be the role of a RelatedPerson")
        return Target(
            role,
            kind,
            fields=tuple(one for one in rules if isinstance(one, FieldRule)),
            fixed=tuple(one for one in rules if isinstance(one, FixedRule)),
            copies=tuple(one for one in rules if isinstance(one, CopyRule)),
            groups=self._groups(place, raw.get("each")),
            subscriber=subscriber if isinstance(subscriber, str) else None,
            relationship_of=_relationship_of(raw),
            order=order if type(order) is int else None,
        )

    def _groups(self, place: str, link_id: Json) -> tuple[str, ...]:
        if link_id is None:
            return ()
        item = self._item(f"{place}.each", link_id)
        if item is None:
            return ()
        if not (item.repeats and item.type is FieldKind.GROUP):
            self.refuse(f"{place}.each", f'"{link_id}" is not a repeating group')
        return (*item.repeating_ancestors, item.link_id)

    # -- elements ------------------------------------------------------------------------------

    def _rules(
        self, kind: str, place: str, elements: MappingOf[str, Json]
    ) -> Iterator[FieldRule | FixedRule | CopyRule]:
        for text, written in elements.items():
            path = parse_path(text)
            element = find(kind, path) if path else None
            if path is None or element is None:
                self.refuse(f"{place}.elements.{text}", f"{kind} has no such element to map to")
                continue
            for one in written if isinstance(written, list) else [written]:
                rule = {"field": one} if isinstance(one, str) else one
                yield from self._rule(f"{place}.elements.{text}", element, path, rule)

    def _rule(
        self, place: str, element: ElementType, path: Path, rule: Json
    ) -> Iterator[FieldRule | FixedRule | CopyRule]:
        if not isinstance(rule, dict) or set(rule) not in _RULES:
            self.refuse(place, "must be a linkId, or an object with field, fixed, or copy and when")
        elif "field" in rule:
            yield from self._field_rule(place, element, path, rule)
        elif "fixed" in rule:
            value = fixed_value(element, rule["fixed"])
            if value is None:
                self.refuse(f"{place}.fixed", "is not a valid value of that element")
            yield FixedRule(path, value)
        elif len(path) > 1:
            self.refuse(place, "only a top-level element of a resource can be copied")
        elif self._is_boolean(f"{place}.when", rule["when"]):
            yield CopyRule(path, str(rule["copy"]), rule["when"])

    def _field_rule(
        self, place: str, element: ElementType, path: Path, rule: dict[str, Json]
    ) -> Iterator[FieldRule]:
        values = rule.get("values", {})
        item = self._item(place, rule["field"])
        if item is None:
            return
        if not isinstance(values, dict):
            self.refuse(f"{place}.values", "must be an object")
            return
        if not item.takes_value:
            self.refuse(place, f'"{item.link_id}" does not take an answer')
            return
        if rule.get("of", "patient") not in ("patient", "subscriber"):
            self.refuse(f"{place}.of", "must be patient or subscriber")
        self._check_values(place, element, item, values)
        yield FieldRule(path, item.link_id, values)

    def _check_values(
        self, place: str, element: ElementType, item: Item, values: dict[str, Json]
    ) -> None:
        """Check that every possible answer fits the element, before any is given."""
        for name, answer in _possible(item):
            nothing = name in values and values[name] is None
            if not nothing and convert(element, answer, values) is None:
                self.refuse(place, f'"{name}", an answer of "{item.link_id}", does not fit')
        known = {name for name, _ in _possible(item)}
        if item.options is not None and not item.open:
            for name in values.keys() - known:
                self.refuse(f"{place}.values", f'"{name}" is not an answer of "{item.link_id}"')

    # -- the rest ------------------------------------------------------------------------------

    def _documents(self, raw: MappingOf[str, Json]) -> Iterator[tuple[str, Coding]]:
        for link_id, coding in raw.items():
            place = f"documents.{link_id}"
            item = self._item(place, link_id)
            if item is not None and item.type is not FieldKind.ATTACHMENT:
                self.refuse(place, "is not an attachment")
            if not isinstance(coding, dict) or not fits(fhir.Coding, coding):
                self.refuse(place, "must be an object with system, code, display")
                continue
            yield link_id, Coding(coding.get("code"), coding.get("system"), coding.get("display"))

    def _consents(self, raw: MappingOf[str, Json]) -> Iterator[tuple[str, Scope]]:
        for link_id, scope in raw.items():
            place = f"consents.{link_id}"
            item = self._item(place, link_id)
            kinds = {FieldKind.SIGNATURE, FieldKind.BOOLEAN, FieldKind.CONSENT}
            if item is not None and item.kind not in kinds:
                self.refuse(place, "is neither a signature nor a boolean question")
            known = _SCOPES.get(scope) if isinstance(scope, str) else None
            if known is None:
                self.refuse(place, f"must be one of {', '.join(_SCOPES)}")
                continue
            yield link_id, known

    def _signers(self, role: Json, targets: MappingOf[str, Target | None]) -> dict[str, str]:
        if role is None:
            return {}
        target = targets.get(role) if isinstance(role, str) else None
        if target is None or target.type != "RelatedPerson":
            self.refuse("signer", "must be the role of a RelatedPerson")
            return {}
        return {step.step_id: target.role for step in self.flow.steps}

    def _check_roles(self, targets: MappingOf[str, Target]) -> None:
        patients = [one.role for one in targets.values() if one.type == "Patient"]
        if patients not in ([], ["patient"]):
            self.refuse("resources", 'there must be one Patient, and its role must be "patient"')
        for role, target in targets.items():
            subscriber = target.subscriber
            if subscriber is None:
                pass
            elif target.type != "Coverage":
                self.refuse(f"resources.{role}.subscriber", "only a Coverage can have a subscriber")
            elif subscriber not in targets or targets[subscriber].type != "RelatedPerson":
                self.refuse(f"resources.{role}.subscriber", "must be the role of a RelatedPerson")
            for copy in target.copies:
                if copy.role not in targets:
                    self.refuse(
                        f"resources.{role}",
                        f'copies from "{copy.role}", which is not a role of this mapping',
                    )

    def _is_boolean(self, place: str, link_id: Json) -> bool:
        item = self._item(place, link_id)
        if item is not None and item.type is not FieldKind.BOOLEAN:
            self.refuse(place, "is not a boolean question")
        return item is not None

    def _item(self, place: str, link_id: Json) -> Item | None:
        item = self.flow.items.get(link_id) if isinstance(link_id, str) else None
        if item is None:
            self.refuse(place, f'"{link_id}" is not a linkId of this flow')
        return item

    def _object(self, raw: MappingOf[str, Json], key: str, place: str) -> dict[str, Any]:
        value = raw.get(key, {})
        if isinstance(value, dict):
            return value
        self.refuse(place, f"{key} must be an object")
        return {}

    def _known(self, place: str, raw: MappingOf[str, Json], keys: set[str]) -> None:
        for key in raw.keys() - keys:
            self.refuse(f"{place}.{key}", "is not a known key")


def _relationship_of(raw: dict[str, Json]) -> Any:
    elements = raw.get("elements")
    rule = elements.get("relationship") if isinstance(elements, dict) else None
    return rule.get("of", "patient") if isinstance(rule, dict) else "patient"


def _possible(item: Item) -> Iterator[tuple[str, Answer]]:
    """Yield a question's possible answers, with the names they have in `values`."""
    if item.type is FieldKind.BOOLEAN:
        yield from (("true", {"valueBoolean": True}), ("false", {"valueBoolean": False}))
    for option in item.options or ():
        value = option.value
        name = (value.code or value.display or "") if isinstance(value, Coding) else str(value)
        yield name, answer_of(item, option.to_json())
