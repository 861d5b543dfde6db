"""A record as JSON, complete, and as CSV, a table of its answers.

    as_json(record) -> bytes
    as_csv(record) -> bytes

Both contain only enabled fields and valid answers, in the flow's order. docs/reference/
export-formats.md lists keys and columns. The same record gives the same bytes.
"""

import csv
import io
import json
from collections.abc import Mapping

from schemas.base import rfc3339
from schemas.questionnaire.model import Json
from session_controller.engine.coverage import Covered
from session_controller.engine.evidence import Reading, SignatureEvidence
from session_controller.engine.field_history import FieldChange
from session_controller.engine.state import Identification
from session_controller.export.answer import text_of
from session_controller.export.answered import Entered, EnteredField, entered
from session_controller.export.record import Record, RecordDocument
from session_controller.media.text import FORMULA

FORMAT = "handrail-record"
VERSION = 1

COLUMNS = ("step", "step_title", "field_id", "label", "type", "value", "code", "system")

_NUMBERS = frozenset({"valueInteger", "valueDecimal"})


def as_json(record: Record) -> bytes:
    """Return the whole record, with documents' hashes instead of their bytes."""
    text = json.dumps(_record(record), ensure_ascii=False, indent=2, allow_nan=False)
    return (text + "\n").encode()


def as_csv(record: Record) -> bytes:
    """Return a line for each field with content (RFC 4180, UTF-8, with a header line).

    What a spreadsheet would read as a formula, also after a separator within a cell, is prefixed
    with an apostrophe.
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
        "test": state.test,
        "revision": state.revision,
        "opened_at": rfc3339(state.opened_at),
        "updated_at": rfc3339(state.updated_at),
        "language": record.language,
        "identified": _identified(state.identified),
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
        "persons": [
            {"person": person, "name": name} for person, name in sorted(record.persons.items())
        ],
        "answers": [_field(record, one) for one in fields.filled.values() if one.answers],
        "documents": [_document(record, fields, one) for one in fields.documents.values()],
        "signatures": [_signature(record, fields, one) for one in record.signatures],
        "history": [_change(record, one) for one in record.history],
        "reading": dict(sorted(state.reading.items())),
        "head": {"entry": record.head.entry, "chain": record.head.chain},
        "exported_at": rfc3339(record.exported_at),
        "exported_by": record.exported_by,
        "software": record.software,
    }


def _identified(known: Identification | None) -> Json:
    """Return who the patient is, if staff said so, and who did."""
    if known is None:
        return None
    return {
        "at": rfc3339(known.at),
        "device": known.device,
        "person": known.person,
        "staff_name": known.staff_name,
        "family": known.family,
        "given": list(known.given),
        "birth_date": known.birth_date,
        "gender": known.gender,
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
        "covers": None if evidence.covered is None else _covers(evidence, evidence.covered),
        "changed_after": list(evidence.changed_after),
        "language": evidence.language,
        "flow_ref": evidence.flow_ref,
        "flow_version": evidence.flow_version,
        "requested_at": rfc3339(evidence.requested_at),
        "requested_by": evidence.requested_by,
        "requested_person": evidence.requested_person,
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


def _covers(evidence: SignatureEvidence, covered: Covered) -> dict[str, Json]:
    return {
        "scope": None if evidence.scope is None else evidence.scope.value,
        "patient": list(covered.patient),
        "fields": list(covered.fields),
        "sha256": covered.sha256,
    }


def _change(record: Record, change: FieldChange) -> dict[str, Json]:
    item = record.flow.items.get(change.link_id)
    return {
        "field_id": change.field_id,
        "label": change.field_id if item is None else item.text_in(record.language) or item.label,
        "revision": change.revision,
        "at": rfc3339(change.at),
        "device": change.device,
        "before": change.before,
        "after": change.after,
        "removed": change.removed,
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
    """Return value, code and system; several answers share a cell, a document has its hash."""
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
    quoted = FORMULA.sub(r"\1'\2", cell)
    return f"'{quoted}" if cell.startswith(("\t", "\r", "\n")) else quoted
