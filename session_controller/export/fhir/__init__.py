"""A record as FHIR R4: pure functions from a `Record` to JSON.

transaction(record) -> a transaction Bundle
response(record) -> its QuestionnaireResponse alone
singles(bundle) -> its entries as separate requests, in order
with_references(resource, known) -> a resource with the server's references instead of ours
load_mapping(raw, flow) -> Mapping; raises MappingError
mapping_for(flow, raw) -> the mapping of a flow; raises MappingError
new_mapping(flow, raw) -> the same for a flow that is added; raises MappingError
yields(mapping) -> the questions that say who the patient is
"""

from typing import TYPE_CHECKING, Any

from session_controller.export.fhir.building import ExportError
from session_controller.export.fhir.flow_mapping import mapping_for, mapping_of, new_mapping
from session_controller.export.fhir.identification import missing_of, yields
from session_controller.export.fhir.mapping import Mapping
from session_controller.export.fhir.mapping_file import MappingError, load_mapping
from session_controller.export.fhir.singles import Single, singles, with_references

if TYPE_CHECKING:
    from session_controller.export.fhir.bundle import response, transaction

__all__ = [
    "ExportError",
    "Mapping",
    "MappingError",
    "Single",
    "load_mapping",
    "mapping_for",
    "mapping_of",
    "missing_of",
    "new_mapping",
    "response",
    "singles",
    "transaction",
    "with_references",
    "yields",
]


def __getattr__(name: str) -> Any:
    """Import what writes a record on first access (PEP 562): to check a mapping takes a third."""
    if name not in ("response", "transaction"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from session_controller.export.fhir import bundle  # noqa: PLC0415 - most of it

    return getattr(bundle, name)
