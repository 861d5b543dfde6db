"""Compares command round trips on Handrail and on two peers; see benchmarks/README.md.

The servers take turns within each round, so that other load on the machine affects all of them.
"""

from __future__ import annotations

import argparse
import json
import platform
import sqlite3
from collections import defaultdict
from pathlib import Path

from .measuring import allow_many_files, measure, tasks_for
from .report import Rounds, busiest_load, table
from .servers import PEERS, SERVERS, MissingError


def run(arguments: argparse.Namespace) -> tuple[Rounds, dict[str, str]]:
    """Measure all rounds; return the figures, and the missing peers with the reason."""
    rounds: Rounds = defaultdict(list)
    missing: dict[str, str] = {}
    sizes: list[int] = arguments.sessions
    plan = [(size, tasks_for(size, arguments.seconds, max(sizes))) for size in sizes]
    if arguments.gather:
        plan.append((arguments.gather, []))
    for number in range(arguments.rounds):
        for sessions, tasks in plan:
            for server in arguments.peers:
                if server in missing:
                    continue
                try:
                    results = measure(
                        server,
                        sessions,
                        tasks,
                        lobby=arguments.lobby,
                        sync_ms=arguments.sync_ms,
                    )
                except MissingError as error:
                    missing[server] = str(error)
                    print(f"{server} is skipped: {error}", flush=True)
                    continue
                rounds[server, sessions].append(results)
                spelled = {k: {f: round(v, 3) for f, v in fs.items()} for k, fs in results.items()}
                print(f"{number + 1}  {sessions:5}  {server:9}  {spelled}", flush=True)
    return rounds, missing


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def _servers(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(SERVERS):
        raise argparse.ArgumentTypeError(f"choose from {', '.join(SERVERS)}")
    return names


def parser() -> argparse.ArgumentParser:
    """Return the argument parser."""
    made = argparse.ArgumentParser(prog="benchmarks.command_round_trip", description=__doc__)
    made.add_argument("--sessions", type=_numbers, default=[1, 10, 100], help="1,10,100")
    made.add_argument("--seconds", type=float, default=5.0, help="of each task")
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--peers", type=_servers, default=list(PEERS), help=",".join(SERVERS))
    made.add_argument("--gather", type=int, default=1_000, help="pairs to connect; 0: none")
    made.add_argument("--lobby", action="store_true", help="hosts also subscribe to the lobby")
    made.add_argument(
        "--sync-ms", type=float, default=0.0, help="additional milliseconds for each sync"
    )
    made.add_argument("--json", type=Path, default=Path("command_round_trip.json"))
    return made


def main() -> None:
    """Parse the arguments, measure, print, and write the figures of every round."""
    arguments = parser().parse_args()
    allow_many_files()
    rounds, missing = run(arguments)
    servers = [name for name in arguments.peers if name not in missing]
    print(f"\n{table(rounds, servers, arguments.gather)}\n")
    for line in busiest_load(rounds):
        print(line)
    document = {
        "machine": {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version},
        "sync_ms": arguments.sync_ms,
        "missing": missing,
        "rounds": [
            {"server": server, "sessions": sessions, "tasks": tasks}
            for (server, sessions), runs in rounds.items()
            for tasks in runs
        ],
    }
    arguments.json.write_text(json.dumps(document, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
