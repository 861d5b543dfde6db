"""What a signature covers as the patient's identity is what the record says of the patient."""

from contextlib import suppress

from schemas.questionnaire.load import FlowError, load_flow
from session_controller.export.fhir import mapping_for, yields
from session_controller.forms.identity import identity_items
from tests.flow.filling import form_paths
from tests.flow.filling import mapping_for as shipped


def test_both_ways_to_read_a_form_find_the_same_questions():
    """One is read at each start without the FHIR export, so neither may drift from the other."""
    identified = 0
    for path in form_paths():
        with suppress(FlowError):  # some forms are here to be refused
            flow, mapping = load_flow(path.read_bytes(), fallback_id=path.stem), shipped(path.stem)
            found = yields(mapping_for(flow, mapping))
            asked = {*found["name"], *found["birthDate"]}
            assert asked <= set(identity_items(flow, mapping)), path.stem
            identified += bool(asked)
    assert identified > 1
