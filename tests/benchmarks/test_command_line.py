"""The benchmark of the command line measures what runs, and says what was not reached."""

import pytest

from benchmarks.command_line.__main__ import LINES, PYTHON, START, table
from benchmarks.command_line.measuring import HERE, Cost, command


def test_a_command_is_measured() -> None:
    """By the processor time of its process, which is part of the time by the clock."""
    cost = command(HERE, ["--version"])
    assert cost.cpu_s > 0
    assert cost.wall_s > 0


def test_a_command_that_fails_is_no_figure() -> None:
    """It would be quick."""
    with pytest.raises(RuntimeError, match="no-such-command"):
        command(HERE, ["no-such-command"])


def test_the_table_has_medians_and_goals() -> None:
    """Side by side with those of the other checkout."""
    help_of, seconds = "--help", LINES["--help"]
    costs = [Cost(0.1, 0.2), Cost(0.3, 0.4), Cost(0.9, 0.9)]
    ours = {PYTHON: costs, f"`{help_of}`": costs, START: costs}
    assert table(ours, ours).splitlines()[2:] == [
        f"| {PYTHON} | 0.30 | 0.30 |  | 0.40 |",
        f"| `{help_of}` | 0.30 | 0.30 | ≤ {seconds:g} | 0.40 |",
        f"| {START} | 0.30 | 0.30 |  | 0.40 |",
    ]
