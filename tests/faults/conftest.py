"""How far the fault tests go, and what they found in figures.

`./run faults` sets HANDRAIL_FAULTS=full: hundreds of rounds, and the hour of soak beside them.
Without it each test does a few rounds, so that `./run test` stays short.
"""

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import FULL

__all__ = ["FULL"]
_FIGURES = "figures"

Note = Callable[..., None]
Rounds = Callable[[int, int], int]


@pytest.fixture
def rounds() -> Rounds:
    """Return `rounds(short, full)`: how often to repeat in this run."""
    return lambda short, full: full if FULL else short


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Note:
    """Return `note(name=value, …)`, which records figures of this test for the report."""

    def noting(**values: Any) -> None:
        request.node.user_properties.append((_FIGURES, values))

    return noting


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the hour of soak in a full run: the rest is done beside it."""
    if FULL:
        items.sort(key=lambda item: item.path.name != "test_soak.py")


def spread(seconds: list[float]) -> str:
    """Write p50, p99 and max of durations."""
    if not seconds:
        return "none"
    ordered = sorted(seconds)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * q))] for q in (0.5, 0.99))
    return f"p50 {p50:.2f} s, p99 {p99:.2f} s, max {ordered[-1]:.2f} s"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the figures."""
    figures: dict[str, dict[str, Any]] = {}
    for report in (*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")):
        for name, values in report.user_properties:
            if name == _FIGURES:
                figures.setdefault(report.nodeid.partition("::")[2], {}).update(values)
    if not figures:
        return
    terminalreporter.section("figures")
    for name, values in figures.items():
        line = ", ".join(f"{key} {value}" for key, value in values.items())
        terminalreporter.write_line(f"{name}: {line}")
