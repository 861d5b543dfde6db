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

from session_controller.export.fhir.building import ExportError
from session_controller.export.fhir.identification import missing_of, yields
from session_controller.export.fhir.mapping import Mapping
from session_controller.export.fhir.mapping_file import MappingError, load_mapping
from session_controller.export.fhir.singles import Single, singles, with_references
from session_controller.export.fhir.transaction import (
    mapping_for,
    mapping_of,
    new_mapping,
    response,
    transaction,
)

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
