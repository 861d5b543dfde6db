"""Who the patient is: which questions say it, what a record lacks, and what staff added.

A patient is identified by a name and a birth date. No record system can file what lacks one of
them, and matching a person takes at least two identifiers (The Joint Commission, NPSG.01.01.01). A
name is a family name, a given name or a name as one text; US Core asks for a family or a given name
(us-core-6). The sex may stay unknown, as in FHIR.
"""

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from typing import TYPE_CHECKING

from schemas.questionnaire.model import Flow, Json
from session_controller.export.fhir.elements import Path
from session_controller.export.fhir.identity import PATIENT
from session_controller.export.fhir.mapping import Mapping, Target

if TYPE_CHECKING:
    from session_controller.engine.state import Identification, SessionState

ELEMENTS = ("name", "birthDate", "gender")
"""The elements of Patient that say who it is."""

_NAMED_BY = ("family", "given", "text")


def yields(mapping: Mapping) -> dict[str, tuple[str, ...]]:
    """Return for each of `ELEMENTS` the linkIds of the questions whose answers fill it."""
    targets = [one for one in mapping.targets if one.role == PATIENT and not one.groups]
    found = [pair for target in targets for pair in _filled(target)]
    return {
        element: tuple(dict.fromkeys(link_id for name, link_id in found if name == element))
        for element in ELEMENTS
    }


def _filled(target: Target) -> Iterator[tuple[str, str]]:
    for rule in target.fields:
        if _says_who(rule.path):
            yield rule.path[0].name, rule.link_id
    for copy in target.copies:
        yield copy.path[0].name, copy.when


def _says_who(path: Path) -> bool:
    return path[0].name != "name" or path[-1].name in _NAMED_BY


def missing_of(patient: MappingOf[str, Json]) -> tuple[str, ...]:
    """Return what a Patient lacks to be identified: `name`, `birthDate`, or nothing."""
    here = {"name": _is_named(patient), "birthDate": bool(patient.get("birthDate"))}
    return tuple(element for element, is_here in here.items() if not is_here)


def _is_named(patient: MappingOf[str, Json]) -> bool:
    return any(one.get(part) for one in patient.get("name") or () for part in _NAMED_BY)


def answered(flow: Flow, mapping: Mapping, state: "SessionState") -> MappingOf[str, Json]:
    """Return the elements of the Patient that the answers of a session fill."""
    from session_controller.export.answered import unsigned  # noqa: PLC0415 - needs the engine
    from session_controller.export.fhir.extraction import extract  # noqa: PLC0415 - as above

    made = extract(unsigned(flow, state), mapping).get(PATIENT)
    return made.elements if made else {}


def with_staffs(
    patient: MappingOf[str, Json], identified: "Identification | None"
) -> dict[str, Json]:
    """Add what staff stated of the patient, where the answers do not say it."""
    elements = dict(patient)
    if identified is None:
        return elements
    name = {"family": identified.family, "given": list(identified.given)}
    if not _is_named(patient) and any(name.values()):
        elements["name"] = [{part: value for part, value in name.items() if value}]
    for element, value in (("birthDate", identified.birth_date), ("gender", identified.gender)):
        if value and not elements.get(element):
            elements[element] = value
    return elements
