"""One measurement: a new server, the load generator, and a check of the database at the end."""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from .servers import SERVERS, with_slower_syncs

PACED_RATE = 200.0
LOAD_S = 600.0

Figures = dict[str, float]


def tasks_for(sessions: int, seconds: float, most: int) -> list[dict[str, Any]]:
    """Return the tasks for this size; pacing and reconnecting only at the largest."""
    tasks: list[dict[str, Any]] = [
        {"name": "guided", "seconds": seconds},
        {"name": "mixed", "seconds": seconds},
    ]
    if sessions == most:
        tasks.append({"name": "paced", "seconds": seconds, "rate": PACED_RATE})
        tasks.append({"name": "reconnect", "seconds": min(seconds, 3.0)})
    return tasks


def measure(
    server: str,
    sessions: int,
    tasks: list[dict[str, Any]],
    *,
    lobby: bool = False,
    sync_ms: float = 0.0,
) -> dict[str, Figures]:
    """Run a load against a new server. Raises if a command was lost or counted twice.

    `sync_ms`: additional milliseconds for each of its syncs.
    """
    with tempfile.TemporaryDirectory(prefix="handrail-bench-") as name:
        folder = Path(name)
        around = with_slower_syncs(sync_ms, folder)
        with SERVERS[server](folder, sessions, around) as serving:
            order = {**serving.order, "sessions": sessions, "tasks": tasks, "lobby": lobby}
            results = _load(order)
        stored = _stored(serving.database)
    sent = results["all"]["commands"]
    if stored != sent:
        raise RuntimeError(f"{server}: {sent:.0f} commands acknowledged, {stored} on disk")
    return results


def _load(order: dict[str, Any]) -> dict[str, Figures]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.command_round_trip.load"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=LOAD_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"the load failed:\n{done.stderr[-3000:]}")
    results: dict[str, Figures] = json.loads(done.stdout)
    return results


def _stored(database: Path) -> int:
    with closing(sqlite3.connect(database)) as found:
        query = "SELECT count(*) FROM events WHERE seq IS NOT NULL"
        return int(found.execute(query).fetchone()[0])


def allow_many_files() -> None:
    """Raise the limit of open files for this process and its children."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
