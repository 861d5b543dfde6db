"""The documents that our own simulated patients send are real ones."""

from random import Random

import pytest

from clients import plausible_documents
from session_controller.media.inspection import inspect
from session_controller.media.outcome import Inspected


@pytest.mark.parametrize("media_type", plausible_documents._MAKERS)
@pytest.mark.parametrize("seed", range(20))
def test_a_simulated_document_is_taken_as_it_is(media_type: str, seed: int) -> None:
    """What the simulator sends is taken, and stored byte for byte."""
    data = plausible_documents._MAKERS[media_type](Random(seed))
    answer = inspect(data, media_type, (media_type,))
    assert isinstance(answer, Inspected)
    assert (answer.media_type, answer.data) == (media_type, data)
