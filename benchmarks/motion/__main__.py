"""Runs the years of a box in fast motion: `./run bench --motion`.

The real code runs in one process, with clocks that are moved, by default settings, on a separate
file system of 32 GB. Mounting that needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks.years.templates import play_templates

from .card import Card, FolderCard, NoMountError, bytes_written, mounted
from .forking import forked_helpers
from .report import report
from .years import WEEKS, Load, Share, Year, fast_motion

_PHOTOGRAPHS = 3_000_000
"""Two of 1.5 MB, as one document."""


def _years(text: str) -> float:
    years = float(text)
    if not 0 < years <= 100:
        raise argparse.ArgumentTypeError(f"{text} is not a number of years above 0")
    return years


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./run bench --motion", description=__doc__)
    parser.add_argument("--years", type=_years, default=5.0, metavar="N", help="default: 5")
    parser.add_argument(
        "--after",
        type=float,
        default=0.0,
        metavar="N",
        help="begin with the log of so many years, whose sessions are all purged; default: 0",
    )
    parser.add_argument(
        "--image",
        type=Path,
        default=Path(tempfile.gettempdir()),
        metavar="DIR",
        help="keep the image of the file system here while it runs; default: the folder for "
        "temporary files",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="use an ordinary folder below this one instead of a separate file system",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures here")
    return parser


@contextmanager
def _card(order: argparse.Namespace, share: Share, helpers: int) -> Iterator[Card]:
    """Yield what the data is on. Raises `NoMountError`."""
    if order.folder is None:
        with (
            tempfile.TemporaryDirectory(dir=order.image, prefix="handrail-card-") as place,
            mounted(Path(place)) as card,
        ):
            yield card
        return
    with tempfile.TemporaryDirectory(dir=order.folder, prefix="handrail-card-") as place:
        yield FolderCard(Path(place), lambda: bytes_written(os.getpid(), helpers) - share.bytes)


def _say(line: str) -> None:
    print(line, flush=True)


async def _until_told(years: Coroutine[None, None, None]) -> None:
    """Run the years, or until Ctrl-C or SIGTERM. Raises `CancelledError` then."""
    task = asyncio.create_task(years)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


def _run(order: argparse.Namespace) -> int:
    days, passed = round(order.years * WEEKS * 7), list[Year]()
    load = Load(play_templates(), os.urandom(_PHOTOGRAPHS), earlier=order.after)
    with (
        forked_helpers() as helpers,
        tempfile.TemporaryDirectory(dir=order.image, prefix="handrail-share-") as other,
    ):
        share = Share(Path(other, "share"))
        share.folder.mkdir()
        with _card(order, share, helpers) as card:
            kind = card.kind
            _say(f"on {kind}")
            try:
                years = fast_motion(card, share, load, days=days, passed=passed, say=_say)
                asyncio.run(_until_told(years))
            except asyncio.CancelledError:
                _say("ended early")
    if order.json:
        figures = {"card": kind, "years": [asdict(year) for year in passed]}
        order.json.write_text(json.dumps(figures, indent=1) + "\n")
    _say(report(kind, passed, days, order.after))
    return 0


def main() -> int:
    """Run the years, and print the tables."""
    order = _parser().parse_args()
    logging.basicConfig(level=logging.ERROR, stream=sys.stdout, format="%(message)s")
    try:
        return _run(order)
    except NoMountError as error:
        print(f"cannot mount a file system here ({error}); try --folder DIR", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
