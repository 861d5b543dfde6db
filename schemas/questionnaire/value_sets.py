"""Value sets that a form refers to: expanded from files, and put into the form.

    with_value_sets(questionnaire, resources) -> (copy, what is missing)

A box asks no terminology server. The value sets and code systems that IT has are expanded here
(FHIR R4, 4.9: compose with includes, filters, value sets and excludes), so that the published form
holds all that its questions need.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from schemas.questionnaire.model import Json

MAX_CONCEPTS = 5_000
"""Of one expansion: more than a person looks through."""
_MAX_NESTED = 10

_Key = tuple[str, str]
"""System and code."""
_Concepts = dict[_Key, dict[str, Json]]


class ExpansionError(ValueError):
    """A value set cannot be expanded; the message is the end of a sentence about it."""


@dataclass(frozen=True, slots=True)
class _Concept:
    """A concept of a code system, with the codes above it."""

    entry: Mapping[str, Json]
    above: tuple[str, ...]


def with_value_sets(
    questionnaire: dict[str, Json], resources: Iterable[Mapping[str, Json]]
) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Return the form with the value sets that it refers to, and what could not be expanded.

    `resources` are ValueSets and CodeSystems; others are left out. Each is known by its url, with
    or without its version.
    """
    library = _Library((*resources, *questionnaire.get("contained", ())))
    contained = list(questionnaire.get("contained", ()))
    missing = []
    for url in dict.fromkeys(_references(questionnaire)):
        if url.startswith("#") or not library.knows(url):
            continue
        try:
            concepts = library.expand(url)
        except ExpansionError as error:
            missing.append(f"{url} {error}")
            continue
        bare = url.partition("|")[0]
        contained = [one for one in contained if one.get("url") != bare]
        contained.append(_expansion(bare, concepts))
    if not contained:
        return questionnaire, tuple(missing)
    return {**questionnaire, "contained": contained}, tuple(missing)


def _references(above: Mapping[str, Json]) -> Iterator[str]:
    for item in above.get("item", ()):
        if isinstance(item, dict):
            url = item.get("answerValueSet")
            if isinstance(url, str):
                yield url
            yield from _references(item)


def _expansion(url: str, concepts: _Concepts) -> dict[str, Json]:
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", url.rpartition("/")[2])[:64] or "valueset"
    return {
        "resourceType": "ValueSet",
        "id": name,
        "url": url,
        "status": "active",
        "expansion": {"contains": list(concepts.values())},
    }


class _Library:
    """The value sets and code systems at hand, by url."""

    def __init__(self, resources: Iterable[Mapping[str, Json]]) -> None:
        self.value_sets: dict[str, Mapping[str, Json]] = {}
        self.code_systems: dict[str, Mapping[str, Json]] = {}
        for resource in resources:
            url = resource.get("url")
            kind = resource.get("resourceType")
            if kind == "ValueSet":
                known = self.value_sets
            elif kind == "CodeSystem":
                known = self.code_systems
            else:
                continue
            for name in (url, f"{url}|{resource.get('version')}"):
                if isinstance(url, str):
                    known.setdefault(str(name), resource)

    def knows(self, url: str) -> bool:
        """Return whether there is a value set of that url."""
        return self._value_set(url) is not None

    def _value_set(self, url: str) -> Mapping[str, Json] | None:
        return self.value_sets.get(url) or self.value_sets.get(url.partition("|")[0])

    def expand(self, url: str, depth: int = 0) -> _Concepts:
        """Return the concepts of a value set. Raises `ExpansionError`."""
        found = self._value_set(url)
        if found is None:
            raise ExpansionError(f'needs the value set "{url}", which is in no file')
        if depth > _MAX_NESTED:
            raise ExpansionError("refers to itself")
        expansion = found.get("expansion") or {}
        if expansion.get("contains"):
            return _limited(_listed(expansion["contains"]))
        compose = found.get("compose") or {}
        included = [self._part(part, depth) for part in compose.get("include", ())]
        excluded = set(
            chain.from_iterable(self._part(part, depth) for part in compose.get("exclude", ()))
        )
        merged: _Concepts = {}
        for part in included:
            merged |= {key: one for key, one in part.items() if key not in merged}
        return _limited({key: one for key, one in merged.items() if key not in excluded})

    def _part(self, part: Mapping[str, Json], depth: int) -> _Concepts:
        """Return what one include or exclude selects: what all of its criteria do."""
        sets = [self.expand(str(url), depth + 1) for url in part.get("valueSet", ())]
        system = part.get("system")
        if isinstance(system, str):
            sets.insert(0, self._of_system(system, part))
        if not sets:
            raise ExpansionError("has an include that names neither a system nor a value set")
        first, *others = sets
        return {key: one for key, one in first.items() if all(key in other for other in others)}

    def _of_system(self, system: str, part: Mapping[str, Json]) -> _Concepts:
        if part.get("concept"):
            return {
                (system, str(one.get("code"))): _entry(system, one)
                for one in part["concept"]
                if isinstance(one, dict)
            }
        code_system = self.code_systems.get(system)
        if code_system is None or code_system.get("content") not in {"complete", None}:
            raise ExpansionError(f'needs the code system "{system}", which is in no file')
        concepts = list(_concepts(code_system.get("concept", ()), ()))
        for written in part.get("filter", ()):
            concepts = list(filter(_filter(written), concepts))
        return {(system, str(one.entry.get("code"))): _entry(system, one.entry) for one in concepts}


def _limited(concepts: _Concepts) -> _Concepts:
    if len(concepts) > MAX_CONCEPTS:
        raise ExpansionError(f"has {len(concepts)} concepts; at most {MAX_CONCEPTS} are offered")
    if not concepts:
        raise ExpansionError("lists no concepts")
    return concepts


def _listed(contains: Sequence[Json]) -> _Concepts:
    found: _Concepts = {}
    for one in contains:
        if not isinstance(one, dict):
            continue
        system, code = str(one.get("system", "")), one.get("code")
        if code and not one.get("abstract") and not one.get("inactive"):
            found[system, str(code)] = _entry(system, one)
        found |= _listed(one.get("contains", ()))
    return found


def _concepts(entries: Sequence[Json], above: tuple[str, ...]) -> Iterator[_Concept]:
    for entry in entries:
        if isinstance(entry, dict):
            yield _Concept(entry, above)
            yield from _concepts(entry.get("concept", ()), (*above, str(entry.get("code"))))


def _entry(system: str, one: Mapping[str, Json]) -> dict[str, Json]:
    """Return a concept as an expansion has it, with its names and its scores."""
    kept = ("code", "display", "designation", "extension", "_display")
    return {"system": system} | {key: one[key] for key in kept if one.get(key)}


def _filter(written: Mapping[str, Json]) -> Callable[[_Concept], bool]:
    """Return a test of concepts (FHIR R4, filter-operator). Raises `ExpansionError`."""
    name, op, value = (str(written.get(key)) for key in ("property", "op", "value"))
    if name in {"concept", "code"} and op == "is-a":
        return lambda one: one.entry.get("code") == value or value in one.above
    if name in {"concept", "code"} and op == "descendent-of":
        return lambda one: value in one.above
    if name in {"concept", "code"} and op == "is-not-a":
        return lambda one: one.entry.get("code") != value and value not in one.above
    if op == "=":
        return lambda one: value in _values(one, name)
    if op == "in":
        wanted = {part.strip() for part in value.split(",")}
        return lambda one: bool(wanted & set(_values(one, name)))
    if op == "exists":
        return lambda one: bool(_values(one, name)) == (value == "true")
    raise ExpansionError(f'has a filter "{name} {op}", which needs a terminology server')


def _values(concept: _Concept, name: str) -> list[str]:
    if name in {"code", "display"}:
        return [str(concept.entry.get(name))]
    found = []
    for one in concept.entry.get("property", ()):
        if one.get("code") == name:
            value = next((v for k, v in one.items() if k.startswith("value")), None)
            said = value.get("code") if isinstance(value, dict) else value
            found.append(str(said).lower() if isinstance(said, bool) else str(said))
    return found
