"""What is to be known about who may work at front-desk screens."""

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from session_controller.preflight.finding import Finding, Level
from session_controller.storage.database import DATABASE
from session_controller.storage.entities import SHOWN_FOR
from session_controller.storage.reader import Reader

CHECK = "staff"


def staff_findings(data: Path, at: datetime) -> Iterator[Finding]:
    """Yield that desks need nobody to sign in, and each emergency access that is to be reviewed.

    Reads the database without its keys, whether or not a box runs; yields nothing if it cannot.
    """
    try:
        with Reader.without_keys(data / DATABASE) as reader:
            active = [p for p in reader.persons() if p.retired_at is None]
            accesses = reader.emergencies(at - SHOWN_FOR)
    except (sqlite3.Error, OSError):
        return  # another check says so
    if not active:
        yield Finding(
            CHECK,
            Level.NOTE,
            "Nobody has to sign in at front-desk screens: the log names devices, no persons",
            "handrail staff add NAME --role front-desk",
        )
    for access in accesses:
        reviewed = access.reviewed_at is not None
        yield Finding(
            CHECK,
            Level.NOTE if reviewed else Level.WARNING,
            f"Emergency access {access.access} at {access.device}, begun "
            f"{access.begun_at.astimezone().isoformat(sep=' ', timespec='minutes')}, "
            + ("was reviewed" if reviewed else "was not reviewed"),
            None if reviewed else f"handrail staff list; handrail staff review {access.access}",
        )
