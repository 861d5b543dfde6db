"""The documents that our own simulated patients send are real ones."""

from random import Random

import pytest

from clients.simulator import documents
from session_controller.media.inspection import inspect
from session_controller.media.outcome import Inspected
from tests.contract.forms import PNG
from tests.pictures import png


@pytest.mark.parametrize("media_type", documents._MAKERS)
@pytest.mark.parametrize("seed", range(20))
def test_a_simulated_document_is_taken_as_it_is(media_type: str, seed: int) -> None:
    """What the simulator sends is taken, and stored byte for byte."""
    data = documents._MAKERS[media_type](Random(seed))
    answer = inspect(data, media_type, (media_type,))
    assert isinstance(answer, Inspected)
    assert (answer.media_type, answer.data) == (media_type, data)


@pytest.mark.parametrize("data", [PNG, png(1), png(500), png(2_000_000, seed=2)])
def test_the_pictures_of_other_tests_are_taken_as_they_are(data: bytes) -> None:
    """A test of the wire compares what comes back byte for byte."""
    assert inspect(data, "image/png", ()) == Inspected(
        "image/png", data, 256, len(data) // 257 or 1
    )
