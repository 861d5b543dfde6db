"""A box as a process of its own, the sessions that were played on it, and a FHIR server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.playing import OTTEHR, OURS, Played, play
from tests.cli.conftest import Serving, handrail
from tests.delivery.conftest import fhir_server

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


@pytest.fixture(scope="package")
def real(data: Path) -> Played:
    """The real form of an urgent-care clinic, with its mapping."""
    if not OTTEHR.exists():
        pytest.skip("the public form is not here: ../shared/questionnaires")
    return play(data, OTTEHR, seed=3)


@pytest.fixture(params=["ours", "wavering", "real"])
def played(request: pytest.FixtureRequest) -> Played:
    """Each of them."""
    found: Played = request.getfixturevalue(request.param)
    return found
