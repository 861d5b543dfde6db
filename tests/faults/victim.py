"""`python -m tests.faults.victim POINT NTH COMMAND…`: the program, dead when it comes by a point.

The program itself is untouched: only what it calls at its named points is put in place here.
"""

import os
import random
import signal
import sys
import threading
import time

from sqlite_utils import Database

from session_controller import failpoints
from session_controller.failpoints import Point
from session_controller.storage import database
from session_controller.storage.schema import SCHEMA

UNSYNCED = "unsynced"
"""In place of a point: the box that syncs at checkpoints alone (SQLite's `synchronous=NORMAL`)."""


def die() -> None:
    """End as a power switch does: no handler, no flush, no good-bye."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_soon() -> None:
    """End a moment later, so that the system calls of a commit are hit in their midst."""

    def run() -> None:
        time.sleep(random.uniform(0, 0.003))  # the fault is about time
        die()

    threading.Thread(target=run, daemon=True).start()


class Trap:
    """Kills at the nth time that a point is reached."""

    def __init__(self, point: Point, nth: int) -> None:
        self._point = point
        self._left = nth

    def reached(self, point: Point) -> None:
        """Count, and end when it is time."""
        if point is not self._point:
            return
        self._left -= 1
        if self._left == 0:
            if point is Point.COMMITTING:
                die_soon()
            else:
                die()


def _later_migration(db: Database) -> None:
    """Change every row, as a migration of a later version would."""
    for statement in (
        "ALTER TABLE sessions ADD COLUMN later TEXT",
        "UPDATE sessions SET later = status",
        "UPDATE events SET kind = kind || ''",
        "DROP INDEX events_once",
    ):
        db.execute(statement)
        failpoints.reached(Point.MIGRATING)


def main() -> None:
    """Set the trap and run the program."""
    point, nth, *argv = sys.argv[1:]
    if point == UNSYNCED:
        database._PRAGMAS["synchronous"] = 1
    elif point != "none":
        failpoints.reached = Trap(Point(point), int(nth)).reached
    if point == Point.MIGRATING:
        SCHEMA(name="later")(_later_migration)
    sys.argv = ["handrail", *argv]
    from cli import main as program  # noqa: PLC0415 - only once the trap is set

    program()


if __name__ == "__main__":
    main()
