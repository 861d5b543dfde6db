"""A record in each of the formats in which it leaves the box.

Loads all that writes them, FHIR and paper: import it where a record is about to be written.
"""

import json

from session_controller.delivery.sender import Formats, Resource, UnwritableError
from session_controller.engine.session import Session
from session_controller.exports import as_questionnaire_response
from session_controller.fhir import ExportError as NotWrittenError
from session_controller.fhir import MappingError, singles, transaction
from session_controller.formats import as_csv, as_json
from session_controller.printing import TypesettingError, render_apart
from session_controller.record import Record
from session_controller.work import ExportOrder

__all__ = ["FORMATS", "NotWrittenError", "written"]


def _transaction(record: Record) -> Resource:
    try:
        return transaction(record)
    except (MappingError, NotWrittenError) as error:
        raise UnwritableError(str(error)) from None


def _pdf(record: Record) -> bytes:
    try:
        return render_apart(record)
    except TypesettingError as error:
        raise UnwritableError(str(error)) from None


FORMATS = Formats(
    transaction=_transaction,
    singles=singles,
    files={
        "fhir": lambda record: json.dumps(_transaction(record), ensure_ascii=False).encode(),
        "json": as_json,
        "csv": as_csv,
        "pdf": _pdf,
    },
)
"""What is delivered."""


def written(record: Record, order: ExportOrder) -> tuple[bytes, str]:
    """Write a record as it was ordered; gives its bytes and their media type.

    Raises `NotWrittenError`, whose message is for a person.
    """
    match order.format:
        case "fhir":
            return _json(transaction(record)), "application/fhir+json"
        case "questionnaire-response":
            session = Session.of(record.flow, record.state)
            return _json(as_questionnaire_response(session)), "application/fhir+json"
        case "pdf":
            return render_apart(record, paper=order.paper), "application/pdf"
        case "json":
            return as_json(record), "application/json"
        case "csv":
            return as_csv(record), "text/csv; charset=utf-8"
        case _:
            return _document(record, order.field_id)


def _document(record: Record, field_id: str | None) -> tuple[bytes, str]:
    found = next((d for d in record.documents if d.field_id == field_id), None)
    if found is None:
        raise NotWrittenError("This session holds no such document.")
    return found.data, found.media_type


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, indent=2).encode() + b"\n"
