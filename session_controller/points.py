"""Named points on a message's way, where tests stop the program dead; in production nothing."""

from collections.abc import Callable
from enum import StrEnum


class Point(StrEnum):
    """Where a crash has to lose nothing, in the order in which a message comes by."""

    STARTING = "starting"
    MIGRATING = "migrating"
    RECEIVED = "received"
    DECIDED = "decided"
    WRITTEN = "written"
    """In the transaction, not committed."""
    COMMITTING = "committing"
    COMMITTED = "committed"
    """On disk, and nobody knows."""
    PUBLISHED = "published"
    """One message of several is out."""
    BACKING_UP = "backing-up"


def _go_on(_: Point) -> None:
    """Do nothing."""


reached: Callable[[Point], None] = _go_on
"""Called as `points.reached(…)`, so that a test can put its own in its place."""
