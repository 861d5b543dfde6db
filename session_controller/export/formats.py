"""A record in each export format.

Loads all writers, including FHIR and PDF: import it only when a record is to be written.
"""

import json

from schemas.wire.seals import ExportFormat
from session_controller.export.fhir import ExportError as NotWrittenError
from session_controller.export.fhir import (
    MappingError,
    missing_of,
    response,
    singles,
    transaction,
)
from session_controller.export.order import ExportOrder
from session_controller.export.printing import TypesettingError, render_apart
from session_controller.export.record import Record
from session_controller.export.tabular import as_csv, as_json
from session_controller.export.writers import (
    MEDIA_TYPES,
    Formats,
    HeldError,
    Resource,
    UnwritableError,
    encoded,
)

__all__ = ["FORMATS", "NotWrittenError", "written"]


def _transaction(record: Record) -> Resource:
    """Return a transaction to be delivered: no record system gets a patient without a name."""
    try:
        bundle = transaction(record)
    except (MappingError, NotWrittenError) as error:
        raise UnwritableError(str(error)) from None
    missing = missing_of(bundle["entry"][0]["resource"])  # the Patient is always the first
    if missing:
        raise HeldError(missing)
    return bundle


def _pdf(record: Record) -> bytes:
    try:
        return render_apart(record)
    except TypesettingError as error:
        raise UnwritableError(str(error)) from None


FORMATS = Formats(
    transaction=_transaction,
    singles=singles,
    files={
        "fhir": lambda record: encoded(_transaction(record)),
        "json": as_json,
        "csv": as_csv,
        "pdf": _pdf,
    },
)
"""The formats for delivery."""


def written(record: Record, order: ExportOrder) -> tuple[bytes, str]:
    """Return a record in the ordered format, and its media type.

    Raises `NotWrittenError`, whose message is for a person.
    """
    try:
        if order.delivered:
            return _as_delivered(record, order.format)
        return _as_ordered(record, order)
    except (MappingError, UnwritableError) as error:
        raise NotWrittenError(str(error)) from None


def _as_delivered(record: Record, form: ExportFormat) -> tuple[bytes, str]:
    if form not in ("fhir", "json", "csv", "pdf"):
        raise NotWrittenError("Nothing is delivered in this format.")
    return FORMATS.files[form](record), MEDIA_TYPES[form]


def _as_ordered(record: Record, order: ExportOrder) -> tuple[bytes, str]:
    match order.format:
        case "fhir":
            return _json(transaction(record)), MEDIA_TYPES["fhir"]
        case "questionnaire-response":
            return _json(response(record)), MEDIA_TYPES["fhir"]
        case "pdf":
            return render_apart(record, paper=order.paper), MEDIA_TYPES["pdf"]
        case "json":
            return as_json(record), MEDIA_TYPES["json"]
        case "csv":
            return as_csv(record), MEDIA_TYPES["csv"]
        case _:
            return _document(record, order.field_id)


def _document(record: Record, field_id: str | None) -> tuple[bytes, str]:
    found = next((d for d in record.documents if d.field_id == field_id), None)
    if found is None:
        raise NotWrittenError("This session has no such document.")
    return found.data, found.media_type


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, indent=2).encode() + b"\n"
