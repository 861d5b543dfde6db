"""docs/fhir.md says what the code does."""

import json
import re

from session_controller.fhir import load_mapping
from session_controller.fhir.mapping_file import _KEYS, _RESOURCE_KEYS, _RULES
from session_controller.formats import COLUMNS, as_json
from tests.fhir.records import filled, record_of
from tests.flow.filling import ROOT, our_flow

PAGE = (ROOT / "docs" / "fhir.md").read_text(encoding="utf-8")


def test_the_example_of_a_mapping_fits_the_form_that_it_names():
    """The page's mapping loads, and each key that there is is named."""
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    mapping = load_mapping(json.loads(example), our_flow("pre-registration"))
    assert [target.role for target in mapping.targets] == ["patient", "holder", "plan"]
    for key in _KEYS | _RESOURCE_KEYS | set().union(*_RULES):
        assert f"`{key}`" in PAGE, key


def test_the_keys_and_columns_are_on_the_page():
    """Each key of the JSON, in its order, and each column of the CSV is named."""
    made = json.loads(as_json(record_of(filled(our_flow("pre-registration"), 1))))
    told = PAGE.partition("## JSON")[2]
    places = [told.index(f"`{key}`") for key in made]
    assert places == sorted(places)
    for key in {key for part in ("answers", "documents") for key in made[part][0]}:
        assert f"`{key}`" in told, key
    for column in COLUMNS:
        assert f"`{column}`" in told.partition("## CSV")[2], column
