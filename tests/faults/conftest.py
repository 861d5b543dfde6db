"""How far the fault tests go, and what they found in figures.

`./run faults` sets HANDRAIL_FAULTS=full: hundreds of rounds, an hour in all. Without it each test
does a few rounds, so that `./run test` stays short.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FULL = os.environ.get("HANDRAIL_FAULTS") == "full"
_figures: dict[str, dict[str, Any]] = {}

Note = Callable[..., None]


@pytest.fixture
def rounds() -> Callable[[int, int], int]:
    """Give `rounds(short, full)`: how often to do a thing in this run."""
    return lambda short, full: full if FULL else short


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Give `note(name=value, …)`: figures of this test, for the report."""

    def noting(**values: Any) -> None:
        _figures.setdefault(request.node.name, {}).update(values)

    return noting


def spread(seconds: list[float]) -> str:
    """Write p50, p99 and max of durations."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.99))
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s, max {ordered[-1]:.2f} s"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the figures, and write them where HANDRAIL_FIGURES says."""
    if not _figures:
        return
    terminalreporter.section("figures")
    for name, values in _figures.items():
        line = ", ".join(f"{key} {value}" for key, value in values.items())
        terminalreporter.write_line(f"{name}: {line}")
    if "HANDRAIL_FIGURES" in os.environ:
        Path(os.environ["HANDRAIL_FIGURES"]).write_text(json.dumps(_figures, indent=1))
