"""Measures a box that has been in use for five years: `./run bench --years`.

It makes data folders of several sizes, or takes those that an earlier run left, and measures each
with real processes. The sizes take turns within each round.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from .folders import make_folder
from .measuring import Figures, measure
from .report import table

SESSIONS = (0, 2_000, 10_000, 50_000)


def _whole(text: str) -> int:
    number = int(text.replace(",", ""))
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return number


def _rounds(text: str) -> int:
    number = _whole(text)
    if not number:
        raise argparse.ArgumentTypeError("at least one round is needed")
    return number


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a time above 0")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./run bench --years", description=__doc__)
    parser.add_argument(
        "--sessions",
        type=_whole,
        nargs="+",
        default=SESSIONS,
        metavar="N",
        help="sessions of each data folder; default: 0 2000 10000 50000",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="keep the data folders here for the next run; default: a temporary folder",
    )
    parser.add_argument("--rounds", type=_rounds, default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=180.0,
        metavar="SECONDS",
        help="stop a command after so many seconds; default: 180",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    parser.add_argument("--make", action="store_true", help="only make the data folders")
    return parser


def _made(folder: Path, sessions: int) -> Path:
    """Return the data folder with so many sessions, made if it is not there."""
    data = folder / str(sessions)
    if not data.exists():
        began = time.monotonic()
        make_folder(data, sessions)
        print(f"made {data} in {time.monotonic() - began:.0f} s", flush=True)
    return data


def _measured(folders: dict[int, Path], rounds: int, timeout: float) -> dict[int, list[Figures]]:
    found: dict[int, list[Figures]] = defaultdict(list)
    for number in range(1, rounds + 1):
        for sessions, data in folders.items():
            print(f"round {number}, {sessions:,} sessions:", flush=True)
            measurement = measure(data, timeout)
            found[sessions].append(measurement.figures)
            for failure in measurement.failures:
                print(f"  {failure}", flush=True)
    return found


def main() -> None:
    """Make the folders, measure them and print the table."""
    order = _parser().parse_args()
    with ExitStack() as stack:
        folder = order.folder or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="handrail-years-"))
        )
        folders = {n: _made(folder, n) for n in sorted(set(order.sessions))}
        if order.make:
            return
        found = _measured(folders, order.rounds, order.timeout)
    if order.json:
        order.json.write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.write(table(found) + "\n")


if __name__ == "__main__":
    main()
