"""docs/reference/fhir-mapping.md says what the code does."""

import json
import re

from session_controller.export.fhir import load_mapping
from session_controller.export.fhir.mapping_file import _KEYS, _RESOURCE_KEYS, _RULES
from tests.flow.filling import ROOT, our_flow

PAGE = (ROOT / "docs" / "reference/fhir-mapping.md").read_text(encoding="utf-8")


def test_the_example_of_a_mapping_fits_the_form_that_it_names():
    """The page's mapping loads, and each key that there is is named."""
    (example,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    mapping = load_mapping(json.loads(example), our_flow("pre-registration"))
    assert [target.role for target in mapping.targets] == ["patient", "holder", "plan"]
    for key in _KEYS | _RESOURCE_KEYS | set().union(*_RULES):
        assert f"`{key}`" in PAGE, key
