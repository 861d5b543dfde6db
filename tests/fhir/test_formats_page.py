"""docs/reference/export-formats.md has each format as the program writes it, and no other."""

import json
import re
from typing import get_args

import pytest

from clients.cli.record import RecordFormat
from schemas.wire.destinations import FileFormat
from schemas.wire.seals import ExportFormat
from session_controller.delivery.senders import ENDINGS
from session_controller.export.fhir import response, transaction
from session_controller.export.tabular import COLUMNS, as_csv, as_json
from session_controller.export.writers import MEDIA_TYPES
from tests.fhir.records import answering, filled, record_of
from tests.flow.filling import our_flow
from tests.pages import codes, rows, section

PAGE = "reference/export-formats.md"


@pytest.fixture(name="record", scope="module")
def example():
    """Return the record that the page's examples are of."""
    answers = {"last_name": "Roe", "birth_date": "1980-02-03"}
    more = {"anything_changed": True, "what_changed": "New phone"}
    return record_of(answering(our_flow("quick-check-in"), **answers, **more))


def test_each_format_has_a_row():
    """Those of `session export`; a document is told of below."""
    told = rows(PAGE, "# Export formats")
    formats = [codes(row[0])[0] for row in told if len(row) == 5]
    assert formats == [*RecordFormat]
    assert {*formats, "document"} == {*get_args(ExportFormat)}
    assert "`document`" in section(PAGE, "# Export formats")


def test_each_format_has_its_media_type_and_its_file():
    """The QuestionnaireResponse alone is FHIR too, and is not delivered."""
    for form, media_type, file in (row for row in rows(PAGE, "# Export formats") if len(row) == 3):
        (name,) = codes(form)
        assert codes(media_type) == [MEDIA_TYPES.get(name, MEDIA_TYPES["fhir"])]
        ending = ENDINGS.get(name)
        assert codes(file) == ([f"{{site}}-{{session}}.{ending}"] if ending else [])
    assert ENDINGS.keys() == MEDIA_TYPES.keys() == {*get_args(FileFormat)}


def test_the_keys_and_columns_are_on_the_page():
    """Each key of the JSON, in its order, and each column of the CSV is named."""
    made = json.loads(as_json(record_of(filled(our_flow("pre-registration"), 1))))
    told = section(PAGE, "## JSON")
    places = [told.index(f"`{key}`") for key in made]
    assert places == sorted(places)
    for key in {key for part in ("answers", "documents") for key in made[part][0]}:
        assert f"`{key}`" in told, key
    for column in COLUMNS:
        assert f"`{column}`" in section(PAGE, "## CSV"), column


def test_the_examples_are_what_is_written(record):
    """Each is part of the record, and the table is all of it."""
    assert _shown("## FHIR") == transaction(record)["entry"][0]
    assert _is_part(_shown("## QuestionnaireResponse"), response(record))
    assert _shown("## JSON") == json.loads(as_json(record))["answers"][0]
    (table,) = re.findall(r"```csv\n(.*?)```", section(PAGE, "## CSV"), re.DOTALL)
    assert table.replace("\n", "\r\n") == as_csv(record).decode()


def _shown(heading):
    (example,) = re.findall(r"```json\n(.*?)```", section(PAGE, heading), re.DOTALL)
    return json.loads(example)


def _is_part(shown, made):
    return all(
        made[key][: len(value)] == value if isinstance(value, list) else made[key] == value
        for key, value in shown.items()
    )
