"""Compares brokers: `python -m benchmarks.broker [--rounds 3] [--size 1] [--only TEXT]`.

Brokers take turns within each round, so that other load on the machine affects all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from .brokers import BROKERS, serving
from .load import SCENARIOS, Result

SHOWN = {
    "one pair, QoS 0": ("messages_per_second", "cpu_us"),
    "one pair, QoS 1": ("messages_per_second", "cpu_us"),
    "100 pairs, QoS 0": ("messages_per_second", "cpu_us"),
    "100 pairs, QoS 1": ("messages_per_second", "cpu_us"),
    "100 pairs, one by one": ("messages_per_second", "cpu_us"),
    "ping-pong, QoS 1": ("p50_us", "p99_us"),
    "fan-out to 100": ("messages_per_second", "cpu_us"),
    "2,000 connect": ("seconds", "kb_per_client"),
    "4,000 idle": ("messages_per_second", "p50_us"),
}
STOCK_SIZE = 0.05
"""Stock amqtt is sent a twentieth of the messages: it would reach the time cap otherwise."""

Results = dict[tuple[str, str], list[Result]]


def measure(broker: str, scenario: str, size: float) -> Result:
    """Run one scenario against a new broker, with the load in a separate process."""
    with tempfile.TemporaryDirectory() as folder, serving(broker, Path(folder)) as (port, pid):
        scaled = size * STOCK_SIZE if broker.startswith("amqtt") else size
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.broker.load", scenario, str(port), str(scaled)],
            env=os.environ | {"BROKER_PID": str(pid)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
    if done.returncode:
        return {}
    result: Result = json.loads(done.stdout)
    return result


def collect(rounds: int, size: float, only: str, brokers: list[str]) -> Results:
    """Run all rounds, printing each figure as it is measured."""
    results: Results = defaultdict(list)
    for number in range(rounds):
        for scenario in (each for each in SCENARIOS if only in each):
            for broker in brokers:
                result = measure(broker, scenario, size)
                results[scenario, broker].append(result)
                spelled = ", ".join(f"{name} {value:,.1f}" for name, value in result.items())
                print(f"{number + 1}  {scenario:18} {broker:14} {spelled or 'failed'}", flush=True)
    return results


def table(results: Results, brokers: list[str]) -> str:
    """Return the medians as a table, with the ratio of ours to Mosquitto's."""
    lines = [
        f"| | | {' | '.join(brokers)} | ours / Mosquitto |",
        "| --- " * (len(brokers) + 3) + "|",
    ]
    for scenario, figures in SHOWN.items():
        for figure in figures:
            medians = {each: _median(results.get((scenario, each), []), figure) for each in brokers}
            if not any(medians.values()):
                continue
            ours, theirs = medians.get("Handrail"), medians.get("Mosquitto")
            ratio = f"{ours / theirs:.2f}" if ours and theirs else "-"
            cells = " | ".join(f"{v:,.1f}" if v else "failed" for v in medians.values())
            lines.append(f"| {scenario} | {figure} | {cells} | {ratio} |")
    lost = [_lost(results, scenario, broker) for scenario, broker in results]
    return "\n".join(lines + [""] + [line for line in lost if line])


def _median(results: list[Result], figure: str) -> float | None:
    values = [result[figure] for result in results if figure in result]
    return statistics.median(values) if values else None


def _lost(results: Results, scenario: str, broker: str) -> str:
    missing = sum(r.get("missing", 0) for r in results[scenario, broker])
    swapped = sum(r.get("out_of_order", 0) for r in results[scenario, broker])
    if not missing and not swapped:
        return ""
    return f"- {broker}, {scenario}: {missing:,.0f} missing, {swapped:,.0f} out of order"


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", type=float, default=1.0, help="factor on the message counts")
    parser.add_argument("--only", default="", help="only scenarios whose name contains this")
    parser.add_argument("--brokers", nargs="+", default=list(BROKERS), choices=list(BROKERS))
    arguments = parser.parse_args()
    results = collect(arguments.rounds, arguments.size, arguments.only, arguments.brokers)
    print(f"\n{table(results, arguments.brokers)}")


if __name__ == "__main__":
    main()
