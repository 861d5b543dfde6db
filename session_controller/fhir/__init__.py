"""A record as FHIR R4: pure, from a `Record` to JSON.

transaction(record) -> a transaction Bundle
singles(bundle) -> the same as requests of their own, in order
with_references(resource, known) -> a resource with the server's names for ours
load_mapping(raw, flow) -> Mapping; raises MappingError
"""

from session_controller.fhir.building import ExportError
from session_controller.fhir.mapping import Mapping
from session_controller.fhir.mapping_file import MappingError, load_mapping
from session_controller.fhir.singles import Single, singles, with_references
from session_controller.fhir.transaction import mapping_of, transaction

__all__ = [
    "ExportError",
    "Mapping",
    "MappingError",
    "Single",
    "load_mapping",
    "mapping_of",
    "singles",
    "transaction",
    "with_references",
]
