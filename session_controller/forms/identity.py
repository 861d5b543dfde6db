"""Which fields of a form say who the patient is: what becomes name, birth date and identifiers."""

from collections.abc import Iterator, Mapping

from schemas.questionnaire.model import Flow, Json

_ELEMENTS = ("name", "birthDate", "identifier")
"""Of FHIR's Patient (8.1)."""


def identity_items(flow: Flow, mapping: Mapping[str, Json] | None) -> tuple[str, ...]:
    """Return the linkIds of those fields, in the flow's order; none if the form does not say.

    `mapping` is the flow's mapping file, if it has one, which then counts alone.
    """
    found = set(_defined(flow) if mapping is None else _mapped(mapping))
    return tuple(link_id for link_id in flow.items if link_id in found)


def _defined(flow: Flow) -> Iterator[str]:
    for item in flow.items.values():
        kind, _, path = (item.definition or "").rpartition("#")[2].partition(".")
        if kind == "Patient" and item.takes_value and _identifies(path):
            yield item.link_id


def _mapped(mapping: Mapping[str, Json]) -> Iterator[str]:
    resources = mapping.get("resources")
    for resource in resources.values() if isinstance(resources, dict) else ():
        if not isinstance(resource, dict) or resource.get("type") != "Patient":
            continue
        elements = resource.get("elements")
        for path, rules in elements.items() if isinstance(elements, dict) else ():
            for rule in rules if isinstance(rules, list) else [rules]:
                field = rule.get("field") if isinstance(rule, dict) else rule
                if isinstance(field, str) and _identifies(path):
                    yield field


def _identifies(path: str) -> bool:
    return path.partition(".")[0].partition(":")[0].partition("[")[0] in _ELEMENTS
