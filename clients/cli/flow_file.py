"""Questionnaire files, in JSON and YAML, and what belongs to them: bundles and value sets."""

import tarfile
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from schemas.questionnaire.model import Flow

_PACKAGED = (".tgz", ".tar.gz")
_MAX_MEMBER = 32 * 1024 * 1024
"""Bytes of one resource in a package."""
_TERMINOLOGY = frozenset({"ValueSet", "CodeSystem"})


@dataclass(frozen=True, slots=True)
class Source:
    """A questionnaire with the value sets that it needs, and those that could not be expanded."""

    questionnaire: dict[str, Any]
    missing: tuple[str, ...] = ()


def read_flow(path: Path, value_sets: Iterable[Path] = ()) -> "Flow":
    """Read a questionnaire file as a flow, and try out its patterns. Raises FlowError, OSError."""
    from schemas.questionnaire.load import load_flow
    from schemas.questionnaire.patterns import check_patterns

    questionnaire = read_source(path, value_sets).questionnaire
    check_patterns(questionnaire, time.process_time)
    return load_flow(questionnaire, fallback_id=path.stem)


def read_source(path: Path, value_sets: Iterable[Path] = ()) -> Source:
    """Read a questionnaire, alone or from a Bundle or package, with value sets of further files.

    Raises FlowError, OSError.
    """
    from schemas.questionnaire.model import FlowError, Note
    from schemas.questionnaire.value_sets import with_value_sets

    resources = [resource for file in value_sets for resource in _resources(file)]
    own = list(_resources(path))
    questionnaire = _questionnaire(path, own)
    others = [one for one in (*own, *resources) if str(one.get("resourceType")) in _TERMINOLOGY]
    if not others:
        return Source(questionnaire)
    try:
        return Source(*with_value_sets(questionnaire, others))
    except (TypeError, AttributeError, ValueError) as error:
        why = f"a ValueSet or CodeSystem is not as FHIR has it ({type(error).__name__})"
        raise FlowError((Note(path.name, why),)) from None


def _questionnaire(path: Path, resources: list[dict[str, Any]]) -> dict[str, Any]:
    from schemas.questionnaire.model import FlowError, Note

    found = [one for one in resources if one.get("resourceType") == "Questionnaire"]
    if len(found) == 1:
        return found[0]
    if len(resources) == 1 and not found:
        return resources[0]  # loading it says what it is not
    names = ", ".join(str(one.get("id") or one.get("url")) for one in found[:10])
    why = f"holds {len(found)} Questionnaires ({names}); one is needed" if found else "has none"
    raise FlowError((Note(path.name, why),))


def _resources(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the resources of a file: its own, those of a Bundle, or those of a FHIR package."""
    if path.name.lower().endswith(_PACKAGED):
        yield from _packaged(path)
        return
    resource = _read(path)
    if resource.get("resourceType") != "Bundle":
        yield resource
        return
    entries = resource.get("entry")
    for entry in entries if isinstance(entries, list) else ():
        inner = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(inner, dict):
            yield inner


def _packaged(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the resources of a FHIR package (npm): each JSON file of its folder `package`."""
    from schemas.questionnaire.load import parse_json
    from schemas.questionnaire.model import FlowError, Note

    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = Path(member.name)
                if not member.isfile() or name.suffix != ".json" or name.parent.name != "package":
                    continue
                file = archive.extractfile(member)
                if file is None or member.size > _MAX_MEMBER or name.name == "package.json":
                    continue
                try:
                    yield dict(parse_json(file.read(), name.name))
                except FlowError:
                    continue  # examples of a package may be broken; what is needed is asked for
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise FlowError((Note(path.name, f"is no FHIR package (.tgz): {error}"),)) from None


def _read(path: Path) -> dict[str, Any]:
    source = path.read_bytes()
    if path.suffix.lower() in (".yaml", ".yml"):
        from schemas.questionnaire.yaml import parse_yaml

        return dict(parse_yaml(source))
    from schemas.questionnaire.load import parse_json

    return dict(parse_json(source))
