"""Rooms for the contract's tests: a box that runs, and raw clients around it."""

from collections.abc import Iterator

import pytest

from tests.conftest import RunningBox

from .raw import Room, room


@pytest.fixture
def clinic(box: RunningBox) -> Iterator[Room]:
    """A box, and the connections of one test."""
    with room(box.port, box.admins) as found:
        yield found
