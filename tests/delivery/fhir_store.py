"""What a small, strict FHIR R4 server knows and takes: no HTTP, all or nothing."""

import copy
import itertools
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

Resource = dict[str, Any]


class Problem(Exception):  # noqa: N818 - an answer, rather than an error of ours
    """A request that the server does not carry out."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.outcome: Resource = {
            "resourceType": "OperationOutcome",
            "issue": [{"severity": "error", "code": code, "diagnostics": text}],
        }


@dataclass
class FhirStore:
    """Resources by reference, and the rules under which they come in."""

    resources: dict[str, Resource] = field(default_factory=dict)
    writes: int = 0
    """How often anything was created or changed."""
    _ids: Any = field(default_factory=lambda: itertools.count(1000))

    def of(self, kind: str) -> list[Resource]:
        """Return all resources of a type."""
        return [each for each in self.resources.values() if each["resourceType"] == kind]

    def search(self, kind: str, criteria: str) -> list[Resource]:
        """Find by `identifier` (system|value), the one parameter that this server knows."""
        found = self.of(kind)
        for name, value in parse_qsl(criteria, strict_parsing=True):
            if name.startswith("_"):
                continue
            if name != "identifier":
                raise Problem(400, "not-supported", f"no search by {name}")
            found = [each for each in found if value in _identifiers(each)]
        return found

    def create(self, resource: Resource, if_none_exist: str | None) -> tuple[int, Resource]:
        """POST a resource (FHIR R4, 3.1.0.8)."""
        kind = resource["resourceType"]
        existing = self.search(kind, if_none_exist) if if_none_exist else []
        if len(existing) > 1:
            raise Problem(412, "multiple-matches", "several match")
        if existing:
            return 200, existing[0]
        return 201, self._put({**resource, "id": str(next(self._ids))})

    def update(self, url: str, resource: Resource) -> tuple[int, Resource]:
        """PUT a resource, by its id or by criteria (FHIR R4, 3.1.0.4)."""
        path, _, criteria = url.partition("?")
        if criteria:
            existing = self.search(path, criteria)
            if len(existing) > 1:
                raise Problem(412, "multiple-matches", "several match")
            chosen = existing[0]["id"] if existing else str(next(self._ids))
        else:
            chosen = path.split("/")[1]
            if resource.get("id") != chosen:
                raise Problem(400, "invalid", "the id is not that of the address")
        known = f"{resource['resourceType']}/{chosen}" in self.resources
        return (200 if known else 201), self._put({**resource, "id": chosen})

    def _put(self, resource: Resource) -> Resource:
        """Store a resource, unless it is unchanged."""
        check(resource)
        if self.resources.get(_reference(resource)) != resource:
            self.resources[_reference(resource)] = resource
            self.writes += 1
        return resource

    def check_references(self) -> None:
        """Refuse what refers to something that is not here."""
        for resource in self.resources.values():
            for reference in references(resource):
                if reference not in self.resources and not reference.startswith("#"):
                    raise Problem(422, "not-found", f"{reference} is not known here")

    def transaction(self, bundle: Resource) -> Resource:
        """Carry out a transaction Bundle whole, or not at all (FHIR R4, 3.1.0.11.2)."""
        before, writes = copy.copy(self.resources), self.writes
        try:
            check(bundle)
            return self._transaction(bundle)
        except BaseException:
            self.resources, self.writes = before, writes
            raise

    def _transaction(self, bundle: Resource) -> Resource:
        if bundle.get("type") != "transaction":
            raise Problem(400, "invalid", "no transaction")
        known: dict[str, str] = {}
        for entry in bundle.get("entry", []):
            known[entry["fullUrl"]] = self._planned(entry)
        responses = []
        for entry in bundle.get("entry", []):
            chosen = known[entry["fullUrl"]].split("/")[1]
            resource = replaced(entry["resource"], known)
            criteria = entry["request"].get("ifNoneExist")
            if entry["request"]["method"] == "POST" and criteria:
                existing = self.search(resource["resourceType"], criteria)
                if existing:
                    responses.append((200, existing[0]))
                    continue
            status = 200 if known[entry["fullUrl"]] in self.resources else 201
            responses.append((status, self._put({**resource, "id": chosen})))
        self.check_references()
        return {
            "resourceType": "Bundle",
            "type": "transaction-response",
            "entry": [
                {"response": {"status": str(s), "location": f"{_reference(r)}/_history/1"}}
                for s, r in responses
            ],
        }

    def _planned(self, entry: Resource) -> str:
        """Return the reference of an entry's resource."""
        request, resource = entry["request"], entry["resource"]
        kind = resource["resourceType"]
        path, _, criteria = request["url"].partition("?")
        if request["method"] == "PUT" and not criteria:
            return path
        criteria = criteria or request.get("ifNoneExist") or ""
        existing = self.search(kind, criteria) if criteria else []
        if len(existing) > 1:
            raise Problem(412, "multiple-matches", "several match")
        return _reference(existing[0]) if existing else f"{kind}/{next(self._ids)}"


def check(resource: Resource) -> None:
    """Refuse what is no valid R4 resource, in the words of `fhir.resources`."""
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except (KeyError, ValidationError, ValueError) as error:
        raise Problem(422, "invalid", str(error)) from None


def replaced(value: Any, known: dict[str, str]) -> Any:
    """Replace each `fullUrl` by the reference that it became."""
    if isinstance(value, dict):
        return {key: replaced(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, known) for each in value]
    return known.get(value, value) if isinstance(value, str) else value


def references(value: Any) -> list[str]:
    """Return all references in a resource."""
    if isinstance(value, list):
        return [found for each in value for found in references(each)]
    if not isinstance(value, dict):
        return []
    own = [value["reference"]] if isinstance(value.get("reference"), str) else []
    return own + [found for each in value.values() for found in references(each)]


def _identifiers(resource: Resource) -> set[str]:
    found = resource.get("identifier") or []
    return {
        f"{each.get('system', '')}|{each['value']}"
        for each in (found if isinstance(found, list) else [found])
    }


def _reference(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
