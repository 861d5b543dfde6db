"""A record as JSON and as CSV: whole, and as a table of what was entered.

    as_json(record) -> bytes
    as_csv(record) -> bytes

Both hold only what is on and keeps its question's rules, in the flow's order; docs/fhir.md names
the keys and columns. The same record gives the same bytes.
"""

import csv
import io
import json
from collections.abc import Mapping

from schemas.base import rfc3339
from schemas.questionnaire import Json
from session_controller.entered import Entered, EnteredField, entered, text_of
from session_controller.record import Reading, Record, RecordDocument, SignatureEvidence

FORMAT = "handrail-record"
VERSION = 1

COLUMNS = ("step", "step_title", "field_id", "label", "type", "value", "code", "system")

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes a cell for a formula by, full-width forms among it."""

_NUMBERS = frozenset({"valueInteger", "valueDecimal"})


def as_json(record: Record) -> bytes:
    """Write the whole record, documents by their hashes instead of their bytes."""
    text = json.dumps(_record(record), ensure_ascii=False, indent=2, allow_nan=False)
    return (text + "\n").encode()


def as_csv(record: Record) -> bytes:
    """Write a line for each field that holds anything (RFC 4180, UTF-8, with a header line).

    A cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for field in entered(record).filled.values():
        writer.writerow(_cells(record, field))
    return file.getvalue().encode()


# -- JSON --------------------------------------------------------------------------------------


def _record(record: Record) -> dict[str, Json]:
    state, flow, fields = record.state, record.flow, entered(record)
    return {
        "format": FORMAT,
        "version": VERSION,
        "site": record.site,
        "session": state.session,
        "label": state.label,
        "status": state.status.value,
        "revision": state.revision,
        "opened_at": rfc3339(state.opened_at),
        "updated_at": rfc3339(state.updated_at),
        "language": record.language,
        "flow": {
            "flow_ref": flow.flow_ref,
            "title": flow.title_in(record.language),
            "url": flow.url,
            "version": flow.version,
        },
        "devices": [
            {"device": one.device, "name": one.name, "role": one.role.value}
            for one in record.devices
        ],
        "answers": [_field(record, one) for one in fields.filled.values() if one.answers],
        "documents": [_document(record, fields, one) for one in fields.documents.values()],
        "signatures": [_signature(record, fields, one) for one in record.signatures],
        "reading": dict(sorted(state.reading.items())),
        "head": {"entry": record.head.entry, "chain": record.head.chain},
        "exported_at": rfc3339(record.exported_at),
        "exported_by": record.exported_by,
        "software": record.software,
    }


def _field(record: Record, field: EnteredField) -> dict[str, Json]:
    return _named(record, field) | {
        "value": field.value,
        "text": "; ".join(map(text_of, field.answers)),
        "answers": [dict(one) for one in field.answers],
    }


def _named(record: Record, field: EnteredField) -> dict[str, Json]:
    item = field.item
    return {
        "step": item.step_id,
        "step_title": record.flow.step_of[item.step_id].title_in(record.language),
        "field_id": field.field_id,
        "link_id": item.link_id,
        "label": item.text_in(record.language) or item.label,
        "type": item.kind.value,
    }


def _document(record: Record, fields: Entered, document: RecordDocument) -> dict[str, Json]:
    field = fields.filled[document.field_id]
    return _named(record, field) | {
        "media_type": document.media_type,
        "size": len(document.data),
        "sha256": document.sha256,
        "original_size": document.original_size,
        "original_sha256": document.original_sha256,
        "received_at": rfc3339(document.received_at),
        "accepted": document.accepted,
    }


def _signature(record: Record, fields: Entered, evidence: SignatureEvidence) -> dict[str, Json]:
    item = fields.item(evidence.field_id)
    return {
        "field_id": evidence.field_id,
        "label": evidence.field_id if item is None else item.text_in(record.language),
        "outcome": evidence.outcome,
        "meaning": evidence.meaning,
        "text": evidence.text,
        "document_sha256": evidence.document_sha256,
        "language": evidence.language,
        "flow_ref": evidence.flow_ref,
        "flow_version": evidence.flow_version,
        "requested_at": rfc3339(evidence.requested_at),
        "requested_by": evidence.requested_by,
        "staff_name": evidence.staff_name,
        "decided_at": rfc3339(evidence.decided_at),
        "decided_on": evidence.decided_on,
        "printed_name": evidence.printed_name,
        "relationship": evidence.relationship,
        "reason": evidence.reason,
        "reading": [_reading(one) for one in evidence.reading],
        "strokes": [[list(point) for point in stroke] for stroke in evidence.strokes],
        "revision": evidence.revision,
        "chain": evidence.chain,
    }


def _reading(reading: Reading) -> dict[str, Json]:
    return {
        "field_id": reading.field_id,
        "fraction": reading.fraction,
        "seconds": reading.seconds,
        "first_at": rfc3339(reading.first_at),
        "last_at": rfc3339(reading.last_at),
    }


# -- CSV ---------------------------------------------------------------------------------------


def _cells(record: Record, field: EnteredField) -> list[str]:
    named = _named(record, field)
    value, code, system = _value(field)
    words = (named["step"], named["step_title"], named["field_id"], named["label"], named["type"])
    is_number = bool(field.answers) and all(not _NUMBERS.isdisjoint(a) for a in field.answers)
    cells = [_harmless(str(one)) for one in words]
    return [*cells, value if is_number else _harmless(value), _harmless(code), _harmless(system)]


def _value(field: EnteredField) -> tuple[str, str, str]:
    """Give value, code and system; several answers in one cell, a document by its hash."""
    if field.document is not None:
        size = len(field.document.data)
        return f"{field.document.media_type}, {size} bytes", field.document.sha256, "sha256"
    if field.signature is not None:
        at = rfc3339(field.signature.decided_at)
        return f"{field.signature.outcome} {at}", field.signature.document_sha256, "sha256"
    codings = [_coded(one) for one in field.answers]
    return (
        "; ".join(map(text_of, field.answers)),
        "; ".join(str(one["code"]) for one in codings if one.get("code")),
        "; ".join(dict.fromkeys(str(one["system"]) for one in codings if one.get("system"))),
    )


def _coded(answer: Mapping[str, Json]) -> Mapping[str, Json]:
    found: Mapping[str, Json] = answer.get("valueCoding") or answer.get("valueQuantity") or {}
    return found


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
