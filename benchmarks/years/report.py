"""Medians over the rounds beside the goals, as a table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .measuring import Figures

Rounds = Mapping[int, Sequence[Figures]]
"""By number of sessions, the figures of each round."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: a figure and its goal at the largest number of sessions."""

    figure: str
    title: str
    most: float | None = None
    most_of_empty: float | None = None
    """The goal as a multiple of the empty box's figure."""
    over_empty: float | None = None
    """The goal as what is added to it: a command takes some time to start, whatever it does."""

    @property
    def goal(self) -> str:
        """The goal in words."""
        if self.most_of_empty is not None:
            return f"≤ {self.most_of_empty:g} times empty"
        if self.over_empty is not None:
            return f"≤ empty + {self.over_empty:g}"
        return "" if self.most is None else f"≤ {self.most:g}"

    def limit(self, empty: float | None) -> float | None:
        """Return the largest figure that reaches the goal, or None if there is none."""
        if self.most is not None or empty is None:
            return self.most
        if self.over_empty is not None:
            return empty + self.over_empty
        return None if self.most_of_empty is None else empty * self.most_of_empty


ROWS = (
    Row("ready_s", "ready, s", most_of_empty=1.2),
    Row("memory_mb", "memory, MB", most_of_empty=1.2),
    Row("quiet_wait_s", "a request while nothing else is done, s"),
    Row("sessions_s", "`session list --all`, first page, s", 1.0),
    Row("sessions_wait_s", "others wait meanwhile, s", 0.1),
    Row("devices_s", "`device list`, s", over_empty=0.5),
    Row("devices_wait_s", "others wait meanwhile, s", 0.1),
    Row("log_s", "`audit list`, first page, s", 1.0),
    Row("verify_s", "`audit verify`, s", 20.0),
    Row("verify_again_s", "`audit verify` again, s", 2.0),
    Row("backup_s", "`backup`, s"),
    Row("backup_wait_s", "others wait meanwhile, s", 0.1),
    Row("backup_mb", "size of the backup, MB"),
    Row("purge_s", "purge of half, s", 60.0),
    Row("purge_wait_s", "others wait meanwhile, s", 0.1),
    Row("file_before_mb", "database before it, MB"),
    Row("file_after_mb", "database after it, MB"),
    Row("free_after_mb", "of which free, MB"),
    Row("restore_s", "restore, s", 60.0),
)


def median(rounds: Sequence[Figures], figure: str) -> float | None:
    """Return the median of a figure, or None if it was not measured.

    Negative if at least half of the rounds were given up: the seconds that they waited.
    """
    values = [figures[figure] for figures in rounds if figure in figures]
    if not values:
        return None
    middle = statistics.median([value if value >= 0 else math.inf for value in values])
    return middle if math.isfinite(middle) else min(values)


def table(rounds: Rounds) -> str:
    """Return the table: a column for each number of sessions, the goal, and whether it is reached.

    The goal is that of the largest number; the ratio is of that to the smallest.
    """
    sizes = sorted(rounds)
    names = [f"{size:,}" if size else "empty" for size in sizes]
    lines = [
        f"| | {' | '.join(names)} | to {names[0]} | goal | reached |",
        f"| --- | {'---: | ' * len(sizes)}---: | ---: | --- |",
    ]
    for row in ROWS:
        values = [median(rounds[size], row.figure) for size in sizes]
        if any(value is not None for value in values):
            lines.append(_line(row, values))
    return "\n".join(lines)


def _line(row: Row, values: Sequence[float | None]) -> str:
    first, last = values[0], values[-1]
    ratio = f"{last / first:.2f}" if first and last and min(first, last) > 0 else ""
    limit = row.limit(first)
    reached = "" if limit is None or last is None else "yes" if 0 <= last <= limit else "no"
    cells = [row.title, *map(_cell, values), ratio, row.goal, reached]
    return f"| {' | '.join(cells)} |"


def _cell(value: float | None) -> str:
    if value is None:
        return "-"
    if value < 0:
        return f"more than {-value:g}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
