"""A transaction's entries as single requests, for servers without transactions.

for single in singles(bundle):
    resource = with_references(single.resource, known)
    … send it; then known[single.full_url] = "Patient/123", as the server answered
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas.questionnaire.model import Json


class Single(NamedTuple):
    """A single request. `if_none_exist` is the header `If-None-Exist` (3.1.0.8.1)."""

    method: str
    url: str
    if_none_exist: str | None
    resource: dict[str, Json]
    full_url: str
    """The others refer to it by this until the server has assigned an id."""


def singles(bundle: Mapping[str, Json]) -> list[Single]:
    """Return the bundle's entries, each after all entries it refers to.

    Raises ValueError if entries refer to each other in a cycle.
    """
    waiting = {entry["fullUrl"]: entry for entry in bundle["entry"]}
    ordered: list[Single] = []
    while waiting:
        ready = [one for one in waiting if not _needs(waiting[one]["resource"], waiting, one)]
        if not ready:
            raise ValueError("entries of the bundle refer to each other in a cycle")
        ordered += [_single(waiting.pop(one)) for one in ready]
    return ordered


def with_references(resource: Json, known: Mapping[str, str]) -> Json:
    """Replace our URNs with the server's references: `known` maps `urn:uuid:…` to `Type/id`.

    Only references and urls are replaced, not identifiers.
    """
    if isinstance(resource, list):
        return [with_references(one, known) for one in resource]
    if not isinstance(resource, dict):
        return resource
    return {
        key: known.get(value, value)
        if key in _LINKS and isinstance(value, str)
        else with_references(value, known)
        for key, value in resource.items()
    }


_LINKS = ("reference", "url")


def _single(entry: Mapping[str, Json]) -> Single:
    request = entry["request"]
    return Single(
        request["method"],
        request["url"],
        request.get("ifNoneExist"),
        entry["resource"],
        entry["fullUrl"],
    )


def _needs(resource: Json, waiting: Mapping[str, Json], itself: str) -> bool:
    return any(one in waiting and one != itself for one in _links(resource))


def _links(value: Json) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _links(one)
    if isinstance(value, dict):
        for key, one in value.items():
            if key in _LINKS and isinstance(one, str):
                yield one
            else:
                yield from _links(one)
