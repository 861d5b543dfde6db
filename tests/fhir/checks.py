"""What must be true of any bundle: told in sentences, none where all is well."""

from collections.abc import Iterator
from typing import Any

from fhir.resources.R4B.bundle import Bundle

URN = "urn:uuid:"


def problems(bundle: dict) -> list[str]:
    """List what is wrong with a bundle; what fhir.resources finds is raised."""
    Bundle.model_validate(bundle)
    names = [entry["fullUrl"] for entry in bundle["entry"]]
    found = ["two entries share a name"] if len(set(names)) < len(names) else []
    known = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in bundle["entry"]}
    for entry in bundle["entry"]:
        found += _entry_problems(entry, known)
    return found


def _entry_problems(entry: dict, known: dict[str, str]) -> Iterator[str]:
    resource, request = entry["resource"], entry["request"]
    kind = resource["resourceType"]
    for place, reference in references(resource):
        if reference["reference"] not in known:
            yield f"{kind}.{place} refers to nothing"
        elif reference["type"] != known[reference["reference"]]:
            yield f"{kind}.{place} refers to another type"
    if request["method"] == "PUT":
        if request["url"] != f"{kind}/{resource['id']}" or "identifier" in resource:
            yield f"{kind} is put elsewhere than where it is"
    elif request["url"] != kind or not _found_by(request["ifNoneExist"], resource):
        yield f"{kind} would be created twice"


def _found_by(query: str, resource: dict) -> bool:
    name, _, token = query.partition("=")
    assert name == "identifier"
    system, _, value = token.partition("|")
    identifiers = resource["identifier"]
    listed = identifiers if isinstance(identifiers, list) else [identifiers]
    return {"system": system, "value": value} in listed


def references(value: Any, place: str = "") -> Iterator[tuple[str, dict]]:
    """List every literal reference in a resource, with where it stands."""
    if isinstance(value, list):
        for index, one in enumerate(value):
            yield from references(one, f"{place}[{index}]")
    if isinstance(value, dict):
        if str(value.get("reference", "")).startswith(URN):
            yield place, value
        for key, one in value.items():
            yield from references(one, f"{place}.{key}" if place else key)


def of_type(bundle: dict, kind: str) -> list[dict]:
    """Return the bundle's resources of a type, in order."""
    resources = (entry["resource"] for entry in bundle["entry"])
    return [one for one in resources if one["resourceType"] == kind]


def the(bundle: dict, kind: str) -> dict:
    """Return the bundle's only resource of a type."""
    (found,) = of_type(bundle, kind)
    return found


def named(bundle: dict, reference: dict) -> dict:
    """Follow a reference."""
    (found,) = (e["resource"] for e in bundle["entry"] if e["fullUrl"] == reference["reference"])
    return found


def answers_by_place(items: list[dict], around: str = "") -> Iterator[tuple[str, dict]]:
    """List a response's answers with their place: linkIds from the top, instances counted."""
    counts: dict[str, int] = {}
    for item in items:
        number = counts[item["linkId"]] = counts.get(item["linkId"], -1) + 1
        place = f"{around}/{item['linkId']}[{number}]"
        for answer in item.get("answer", ()):
            yield place, {key: v for key, v in answer.items() if key != "item"}
            yield from answers_by_place(answer.get("item", []), place)
        yield from answers_by_place(item.get("item", []), place)
