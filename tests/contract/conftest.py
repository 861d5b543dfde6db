"""Rooms for the contract's tests: a box that runs, and raw clients around it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import RunningBox

from .raw import Room, room
from .shuffle import shuffled


@pytest.fixture(params=["in order", "shuffled"])
def clinic(box: RunningBox, request: pytest.FixtureRequest) -> Iterator[Room]:
    """A box, and the connections of one test: all in order, or in each topic's order alone."""
    with ExitStack() as stack:
        port = box.port
        if request.param == "shuffled":
            port = stack.enter_context(shuffled(port)).port
        yield stack.enter_context(room(port, box.admins))
