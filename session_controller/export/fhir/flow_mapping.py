"""The mapping of a flow: of its mapping file, or of its own definitions."""

from collections.abc import Mapping as MappingOf
from typing import TYPE_CHECKING

from schemas.questionnaire.consents import unreadable
from schemas.questionnaire.model import Flow, Json, Note
from session_controller.export.fhir import definitions
from session_controller.export.fhir.mapping import Mapping
from session_controller.export.fhir.mapping_file import MappingError, load_mapping

if TYPE_CHECKING:
    from session_controller.export.record import Record


def mapping_of(record: "Record") -> Mapping:
    """Return the mapping of a record's flow."""
    return mapping_for(record.flow, record.mapping)


def mapping_for(flow: Flow, raw: MappingOf[str, Json] | None) -> Mapping:
    """Return the mapping: the flow's mapping file if it has one, else the flow's definitions.

    Raises `MappingError` if the mapping file does not fit the flow.
    """
    return definitions.mapping_of(flow) if raw is None else load_mapping(raw, flow)


def new_mapping(flow: Flow, raw: MappingOf[str, Json] | None) -> Mapping:
    """Return the mapping of a flow that is added, as `mapping_for` does.

    Raises `MappingError` also if it makes a consent of a question whose text nobody can read.
    """
    mapping = mapping_for(flow, raw)
    problems = tuple(
        Note(f"consents.{link_id}", reason)
        for link_id in mapping.consents
        for reason in unreadable(flow.items[link_id])
    )
    if problems:
        raise MappingError(problems)
    return mapping
