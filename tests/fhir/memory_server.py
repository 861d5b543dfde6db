"""A small strict FHIR server in memory: transactions, conditional creates, updates as create."""

import copy
from dataclasses import dataclass, field
from typing import Any

from fhir.resources.R4B import get_fhir_model_class

from tests.fhir.checks import URN


class RefusedError(Exception):
    """The server takes no such request."""


@dataclass
class MemoryServer:
    """What it holds, by `Type/id`, and how often each was written."""

    held: dict[str, dict] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    made: int = 0
    """Of the ids that it gave itself."""

    def transaction(self, bundle: dict) -> None:
        """Store a whole bundle, or nothing of it (R4, 3.1.0.11.2)."""
        bundle = copy.deepcopy(bundle)
        found = {}
        for entry in bundle["entry"]:
            request, resource = entry["request"], entry["resource"]
            known = self._match(request.get("ifNoneExist"), resource["resourceType"])
            found[entry["fullUrl"]] = known or self._place(request, resource)
        writes = [
            (found[entry["fullUrl"]], _renamed(entry["resource"], found))
            for entry in bundle["entry"]
            if not self._is_known(entry["request"], found[entry["fullUrl"]])
        ]
        for _, resource in writes:
            self._check(resource, pending={one for one, _ in writes})
        for name, resource in writes:
            self._write(name, resource)

    def single(self, method: str, url: str, if_none_exist: str | None, resource: dict) -> str:
        """Handle one request; return the name of the resulting resource."""
        request = {"method": method, "url": url}
        known = self._match(if_none_exist, resource["resourceType"])
        if known is not None:
            return known
        name = self._place(request, resource)
        self._check(resource, pending={name})
        self._write(name, copy.deepcopy(resource))
        return name

    def _is_known(self, request: dict, name: str) -> bool:
        return request["method"] == "POST" and name in self.held

    def _match(self, query: str | None, kind: str) -> str | None:
        if query is None:
            return None
        system, _, value = query.removeprefix("identifier=").partition("|")
        wanted = {"system": system, "value": value}
        names = [
            name
            for name, resource in self.held.items()
            if resource["resourceType"] == kind and wanted in _identifiers(resource)
        ]
        if len(names) > 1:
            raise RefusedError("412: more than one")
        return names[0] if names else None

    def _place(self, request: dict, resource: dict) -> str:
        kind = resource["resourceType"]
        if request["method"] == "PUT":
            if request["url"] != f"{kind}/{resource['id']}":
                raise RefusedError("400: id and url differ")
            return request["url"]
        if request["url"] != kind:
            raise RefusedError("400: wrong type")
        self.made += 1
        return f"{kind}/{self.made}"

    def _check(self, resource: dict, pending: set[str]) -> None:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        for reference in _strings(resource, "reference"):
            if reference not in self.held and reference not in pending:
                raise RefusedError("409: refers to nothing")

    def _write(self, name: str, resource: dict) -> None:
        stored = resource | {"id": name.partition("/")[2]}
        if self.held.get(name) != stored:
            self.held[name] = stored
            self.versions[name] = self.versions.get(name, 0) + 1


def _identifiers(resource: dict) -> list[dict]:
    found = resource.get("identifier", [])
    listed = found if isinstance(found, list) else [found]
    return [{key: one.get(key) for key in ("system", "value")} for one in listed]


def _renamed(value: Any, names: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: names.get(one, one)
        if key in {"reference", "url"} and isinstance(one, str)
        else _renamed(one, names)
        for key, one in value.items()
    }


def _strings(value: Any, wanted: str) -> list[str]:
    if isinstance(value, list):
        return [found for one in value for found in _strings(one, wanted)]
    if not isinstance(value, dict):
        return []
    own = [one for key, one in value.items() if key == wanted and isinstance(one, str)]
    return own + [found for one in value.values() for found in _strings(one, wanted)]


def has_urns(server: MemoryServer) -> bool:
    """Return whether any reference or url is left as the client spelled it."""
    texts = [
        t for one in server.held.values() for k in ("reference", "url") for t in _strings(one, k)
    ]
    return any(text.startswith(URN) for text in texts)
