"""Answers as values of elements."""

from collections.abc import Iterator
from random import Random

import pytest

from clients.simulator.answers import plausible_value
from schemas.questionnaire.load import load_flow
from session_controller.export.fhir.building import fits
from session_controller.export.fhir.conversion import convert
from session_controller.export.fhir.drafts import Draft
from session_controller.export.fhir.elements import (
    MAPPED,
    Path,
    PathStep,
    elements_of,
    find,
    parse_path,
)
from session_controller.forms.response import answers_to
from tests.flow.everything import EVERYTHING


def _paths(model, path: Path = ()) -> Iterator[Path]:
    for name, element in elements_of(model).items():
        if name in {"extension", "assigner"} or len(path) > 3:
            continue
        yield (*path, PathStep(name))
        if element.model is not None:
            yield from _paths(element.model, (*path, PathStep(name)))


@pytest.mark.parametrize("kind", MAPPED)
def test_whatever_is_converted_fits_its_element(kind):
    """For each element and each kind of answer: a value that its model takes, or none."""
    rng = Random(4)
    items = [item for item in load_flow(EVERYTHING).items.values() if item.takes_value]
    answers = [one for item in items for one in answers_to(item, plausible_value(item, rng))]
    converted = 0
    for path in _paths(MAPPED[kind]):
        element = find(kind, path)
        for answer in answers if element is not None else ():
            value = convert(element, answer, {})
            if value is None:
                continue
            draft = Draft(MAPPED[kind])
            assert draft.put(path, value)
            if element.model is not None:
                assert fits(element.model, value), path
            converted += bool(draft.json())
    assert converted > 100


def test_a_path_is_read_as_fhir_spells_it():
    """Slices stand after a colon; what is no path is none."""
    assert parse_path("telecom:mobile.value") == (PathStep("telecom", "mobile"), PathStep("value"))
    for text in ("", "a..b", "telecom[0]", "a b", "name."):
        assert parse_path(text) is None


@pytest.mark.parametrize("name", ["status", "beneficiary", "id", "resourceType", "meta"])
def test_what_the_export_writes_itself_cannot_be_mapped(name):
    """Status, patient and identity are ours to write."""
    assert find("Coverage", (PathStep(name),)) is None
