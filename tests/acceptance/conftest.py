"""A box as a process of its own, the sessions that were played on it, and a FHIR server."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.acceptance.playing import OURS, Played, play
from tests.cli.conftest import Serving, handrail
from tests.delivery.conftest import fhir_server
from tests.flow.filling import form_path, here

__all__ = ["fhir_server", "handrail"]


@pytest.fixture(scope="package")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The data folder of a box that serves for all of these tests."""
    folder = tmp_path_factory.mktemp("acceptance") / "data"
    with Serving(folder) as serving:
        assert "ready" in serving.ready
        yield folder


@pytest.fixture(scope="package")
def ours(data: Path) -> Played:
    """Our example, completed by a patient who pays with insurance."""
    return play(data, OURS, seed=3)


@pytest.fixture(scope="package")
def wavering(data: Path) -> Played:
    """Our example again: the patient entered an insurance, and then pays without it after all."""
    return play(data, OURS, seed=3, wavers=True)


_PAPERWORK = here("paperwork", "ottehr-intake-paperwork")


@pytest.fixture(scope="package")
def on_paper(data: Path) -> Callable[[str], Played]:
    """The forms of an urgent-care clinic, ours and where it is the real one, with their mapping."""
    return cache(lambda name: play(data, form_path(name), seed=3))


@pytest.fixture(params=_PAPERWORK)
def paperwork(request: pytest.FixtureRequest, on_paper: Callable[[str], Played]) -> Played:
    """Each of those forms."""
    return on_paper(request.param)


@pytest.fixture(params=["ours", "wavering", *_PAPERWORK])
def played(request: pytest.FixtureRequest, on_paper: Callable[[str], Played]) -> Played:
    """Each of all of them."""
    if request.param in _PAPERWORK:
        return on_paper(request.param)
    found: Played = request.getfixturevalue(request.param)
    return found
