"""Records as JSON and as CSV."""

import csv
import io
import json

import pytest

from session_controller.export.tabular import COLUMNS, as_csv, as_json
from tests.fhir.records import answering, filled, record_of
from tests.flow.filling import flow_of, our_flow


def _rows(record) -> list[dict]:
    return list(csv.DictReader(io.StringIO(as_csv(record).decode(), newline="")))


def test_the_json_holds_the_whole_record():
    """Answers, documents, signatures with text and strokes, and where the log stood."""
    record = record_of(filled(our_flow("pre-registration"), 1))
    made = json.loads(as_json(record))
    assert (made["format"], made["version"]) == ("handrail-record", 1)
    assert (made["site"], made["session"]) == ("main-street", "session-1")
    assert made["head"] == {"entry": 120, "chain": "ab" * 32}
    told = {one["field_id"]: one for one in made["answers"]}
    on = record.state.answers.keys() & told.keys()
    assert on
    assert all(told[name]["value"] == record.state.answers[name] for name in on)
    assert told["last-name"]["label"] == "Last name"
    assert told["last-name"]["step"] == "about-you"
    hashes = [(one.field_id, one.sha256) for one in record.documents]
    assert [(one["field_id"], one["sha256"]) for one in made["documents"]] == hashes
    (signature,), (signed,) = made["signatures"], record.signatures
    assert (signature["text"], signature["chain"]) == (signed.text, signed.chain)
    strokes = tuple(tuple(tuple(p) for p in stroke) for stroke in signature["strokes"])
    assert strokes == tuple(tuple(tuple(p) for p in stroke) for stroke in signed.strokes)


def test_the_same_record_gives_the_same_bytes():
    """Both formats are stable."""
    one, other = (record_of(filled(our_flow("pre-registration"), 1)) for _ in range(2))
    assert as_json(one) == as_json(other)
    assert as_csv(one) == as_csv(other)


def test_labels_come_in_the_language_of_the_session():
    """A Spanish session has Spanish labels and titles."""
    record = record_of(answering(our_flow("quick-check-in"), last_name="Okafor"), language="es")
    (row,) = _rows(record)
    assert row["label"] == "Apellidos"
    assert json.loads(as_json(record))["answers"][0]["label"] == "Apellidos"


def test_the_csv_has_a_line_for_each_field():
    """Each field that is on and filled has one line, in order, with code and system apart."""
    record = record_of(filled(our_flow("pre-registration"), 1))
    rows = _rows(record)
    assert tuple(rows[0]) == COLUMNS
    names = [row["field_id"] for row in rows]
    assert len(set(names)) == len(names)
    by_name = {row["field_id"]: row for row in rows}
    assert by_name["sex"]["code"] in {"female", "male", "other", "unknown"}
    assert by_name["sex"]["system"] == "http://hl7.org/fhir/administrative-gender"
    assert by_name["signature"]["value"].startswith("signed 2026-11-22T10:14:42")
    assert {one.sha256 for one in record.documents} <= {row["code"] for row in rows}


def test_lines_and_quotes_are_as_rfc_4180_has_them():
    """Lines end with CR LF; commas, quotes and line breaks in a value survive."""
    text = 'one, "two"\nthree'
    record = record_of(answering(flow_of({"linkId": "a", "type": "text"}), a=text))
    assert as_csv(record).count(b"\r\n") == 2
    assert _rows(record)[0]["value"] == text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\uff1d"])
def test_no_cell_is_a_formula(start):
    """What a spreadsheet would calculate begins with an apostrophe, labels as well."""
    text = f"{start}1+1"
    form = flow_of({"linkId": "a", "type": "text", "text": "=label", "prefix": "x"})
    (row,) = _rows(record_of(answering(form, a=text)))
    assert row["value"] == f"'{text.strip()}"
    assert row["label"] == "'=label"


@pytest.mark.parametrize("mark", ["; ", ";", ",", "\t", "|", "\n", "\r\n", ';"', "; \xa0"])
def test_no_formula_follows_a_separator(mark):
    """A spreadsheet that expects another separator begins a cell there, even between quotes."""
    form = flow_of({"linkId": "a", "type": "text"})
    (row,) = _rows(record_of(answering(form, a=f"x{mark}=1+1{mark}@SUM(A1){mark}half-time")))
    assert row["value"] == f"x{mark}'=1+1{mark}'@SUM(A1){mark}half-time"


def test_a_negative_number_stays_a_number():
    """A number is no formula."""
    form = flow_of({"linkId": "a", "type": "decimal"})
    (row,) = _rows(record_of(answering(form, a=-1.5)))
    assert row["value"] == "-1.5"


def test_what_is_off_is_in_neither_format():
    """An answer whose question is off is not exported."""
    patient = filled(our_flow("pre-registration"), 1)
    member = patient.held.answers["member-id"].encode()
    assert member in as_csv(record_of(patient))
    patient.held.answers["payment"] = {"code": "self-pay"}
    assert member not in as_csv(record_of(patient))
    assert member not in as_json(record_of(patient))
