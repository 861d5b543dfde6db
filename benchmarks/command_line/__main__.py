"""Measures how soon commands answer and a box starts: `./run bench --command-line`.

Every command runs once in each round, beside a Python that does nothing. With `--against`, those of
another checkout take turns with them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from .measuring import HERE, Cost, box, command, python

PYTHON = "`python -c pass`"
START = "`serve`, until it is ready"

LINES: Mapping[str, float] = {
    "--version": 0.25,
    "--help": 0.25,
    "session list --help": 0.25,
    "flow check {flow}": 0.4,
    "acl --format mosquitto": 0.4,
    "config check --data {data}": 0.4,
    "audit list --data {data}": 0.4,
    "audit verify --data {data}": 0.4,
    "upgrade --check --data {data}": 0.4,
    "device list --data {running}": 0.35,
    "session list --data {running}": 0.35,
}
"""Command lines, with the seconds of processor time that each may take."""

Costs = Mapping[str, Sequence[Cost]]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./run bench --command-line", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="default: 7")
    parser.add_argument(
        "--against", type=Path, metavar="DIR", help="another checkout, measured in turns"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser


def _round(checkout: Path, folders: Mapping[str, Path]) -> Iterator[tuple[str, Cost]]:
    """Yield what each command takes, and a start on an empty folder."""
    for line in LINES:
        words = line.format(flow=HERE / "flows" / "quick-check-in.json", **folders).split()
        yield _name(line), command(checkout, words)
    with (
        tempfile.TemporaryDirectory(prefix="handrail-start-") as empty,
        box(checkout, Path(empty) / "data") as cost,
    ):
        yield START, cost


@contextmanager
def _folders(checkout: Path) -> Iterator[Mapping[str, Path]]:
    """Yield a checkout's data folders, one with a running box: each has a schema of its own."""
    with tempfile.TemporaryDirectory(prefix="handrail-command-line-") as folder:
        folders = {"data": Path(folder) / "data", "running": Path(folder) / "running"}
        with box(checkout, folders["data"]):
            pass
        with box(checkout, folders["running"]):
            yield folders


def _name(line: str) -> str:
    """Return a command line without what it is about."""
    return f"`{line.partition(' {')[0].removesuffix(' --data')}`"


def measured(checkouts: Sequence[Path], rounds: int) -> list[Costs]:
    """Return what each checkout took, in each round."""
    found: list[dict[str, list[Cost]]] = [defaultdict(list) for _ in checkouts]
    with ExitStack() as stack:
        folders = [stack.enter_context(_folders(checkout)) for checkout in checkouts]
        for number in range(1, rounds + 1):
            print(f"round {number}", file=sys.stderr, flush=True)
            for checkout, own, costs in zip(checkouts, folders, found, strict=True):
                costs[PYTHON].append(python())
                for name, cost in _round(checkout, own):
                    costs[name].append(cost)
    return [dict(costs) for costs in found]


def table(ours: Costs, theirs: Costs | None = None) -> str:
    """Return the medians as a table, with the goals."""
    goals = {_name(line): seconds for line, seconds in LINES.items()}
    before = "" if theirs is None else " the other checkout |"
    lines = [
        f"| | processor time, s |{before} goal | by the clock, s |",
        f"| --- | ---: |{' ---: |' if before else ''} ---: | ---: |",
    ]
    for name, costs in ours.items():
        other = "" if theirs is None else f" {_median(theirs[name], 'cpu_s'):.2f} |"
        goal = f"≤ {goals[name]:g}" if name in goals else ""
        cpu, wall = _median(costs, "cpu_s"), _median(costs, "wall_s")
        lines.append(f"| {name} | {cpu:.2f} |{other} {goal} | {wall:.2f} |")
    return "\n".join(lines)


def _median(costs: Sequence[Cost], figure: str) -> float:
    values: list[float] = [getattr(cost, figure) for cost in costs]
    return statistics.median(values)


def main() -> None:
    """Measure, and print the table."""
    order = _parser().parse_args()
    checkouts = [HERE] if order.against is None else [HERE, order.against.resolve()]
    found = measured(checkouts, order.rounds)
    if order.json:
        every = [{k: [asdict(c) for c in v] for k, v in costs.items()} for costs in found]
        order.json.write_text(json.dumps(every, indent=1) + "\n")
    sys.stdout.write(table(*found) + "\n")


if __name__ == "__main__":
    main()
