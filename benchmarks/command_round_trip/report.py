"""Medians and ratios over the rounds, as a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass

Figures = dict[str, float]
Rounds = dict[tuple[str, int], list[dict[str, Figures]]]
"""By server and number of sessions: the figures of each task, per round."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: a figure, and whether higher is better."""

    task: str
    figure: str
    title: str
    more_is_better: bool = False


CLOSED = (
    ("per_second", "commands/s", True),
    ("p50_ms", "p50 ms", False),
    ("p99_ms", "p99 ms", False),
    ("cpu_ms_per_1000", "CPU ms per 1,000 commands", False),
)
ROWS = [
    *(Row(job, figure, f"{job}, {title}", more) for job in ("guided", "mixed")
      for figure, title, more in CLOSED),
    *(Row("paced", figure, f"paced at 200/s, {title}", more) for figure, title, more in CLOSED[1:]),
    Row("reconnect", "p50_ms", "reconnect to current state, p50 ms"),
    Row("reconnect", "p99_ms", "reconnect to current state, p99 ms"),
]  # fmt: skip
GATHER = [
    Row("gather", "seconds", "connect and pair all, seconds"),
    Row("gather", "cpu_s", "connect and pair all, CPU seconds"),
    Row("gather", "rss_mb", "memory of the server, MB"),
]


def median(rounds: list[dict[str, Figures]], row: Row) -> float | None:
    """Return the median over the rounds, or None if not measured."""
    values = [tasks[row.task][row.figure] for tasks in rounds if row.task in tasks]
    return statistics.median(values) if values else None


def table(rounds: Rounds, servers: list[str], gathered: int) -> str:
    """Return the table; the last column compares Handrail with the better peer."""
    lines = [
        f"| sessions | | {' | '.join(servers)} | Handrail to the better peer |",
        f"| ---: | --- | {'---: | ' * len(servers)}---: |",
    ]
    for sessions in dict.fromkeys(size for _, size in rounds):
        for row in GATHER if sessions == gathered else ROWS:
            values = {name: median(rounds.get((name, sessions), []), row) for name in servers}
            if any(value is not None for value in values.values()):
                lines.append(_line(sessions, row, values))
    return "\n".join(lines)


def _line(sessions: int, row: Row, values: dict[str, float | None]) -> str:
    cells = " | ".join("-" if v is None else _spelled(v) for v in values.values())
    return f"| {sessions:,} | {row.title} | {cells} | {_ratio(row, values)} |"


def _spelled(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def _ratio(row: Row, values: dict[str, float | None]) -> str:
    ours = values.get("handrail")
    peers = [v for name, v in values.items() if name != "handrail" and v is not None]
    if ours is None or not peers:
        return "-"
    best = max(peers) if row.more_is_better else min(peers)
    return f"{ours / best:.2f}"


def busiest_load(rounds: Rounds) -> Iterable[str]:
    """Return the load generator's highest CPU share, as a sentence for each server."""
    for server in dict.fromkeys(name for name, _ in rounds):
        shares = [
            figures["load_cpu_share"]
            for (name, _), runs in rounds.items()
            for tasks in runs
            for figures in tasks.values()
            if name == server and "load_cpu_share" in figures
        ]
        if shares:
            yield f"The load generator used at most {max(shares):.0%} of a core against {server}."
