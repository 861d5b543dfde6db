"""The figures by year, and the goals, as tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .years import WEEKS, Year

_MOST_USED = 60.0
_MOST_WRITTEN_GB = 5_000.0
_YEARS = 5


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table by year."""

    title: str
    figure: Callable[[Year], float]
    form: str = ",.0f"


ROWS = (
    Row("sessions opened", lambda year: year.opened),
    Row("sessions purged", lambda year: year.purged),
    Row("sessions delivered", lambda year: year.delivered),
    Row("documents that came in, GB", lambda year: year.received_mb / 1000, ",.1f"),
    Row("written to the disk, GB", lambda year: year.written_gb, ",.1f"),
    Row("backups taken", lambda year: year.backups),
    Row("backups failed", lambda year: len(year.failed_backups)),
    Row("commits refused by the disk", lambda year: year.refusals),
    Row("bugs", lambda year: year.bugs),
    Row("longest turn of the store, s", lambda year: year.longest_turn_s, ".2f"),
    Row("disk at its fullest, %", lambda year: year.most_used, ".1f"),
    Row("at the end: disk, %", lambda year: year.used, ".1f"),
    Row("sessions stored", lambda year: year.stored),
    Row("deliveries waiting", lambda year: year.waiting),
    Row("entries of the log", lambda year: year.entries),
    Row("database, MB", lambda year: year.database_mb),
    Row("documents, MB", lambda year: year.documents_mb),
    Row("backups, MB", lambda year: year.backups_mb),
    Row("backups kept", lambda year: year.kept),
    Row("memory of the process, MB", lambda year: year.memory_mb),
    Row("open files of the process", lambda year: year.files),
)


def report(kind: str, passed: Sequence[Year], days: int, earlier: float = 0) -> str:
    """Return both tables; `days` is how many were to pass, after so many earlier years."""
    reached = sum(year.days for year in passed)
    lines = [f"On {kind}; {reached:,} of {days:,} days passed.", ""]
    if earlier:
        lines.insert(1, f"The log of the {earlier:g} years before was there from the beginning.")
    lines += _by_year(passed, earlier)
    lines += ["", *_goals(passed, reached)]
    lines += [failure for year in passed for failure in year.failed_backups[:3]]
    return "\n".join(lines)


def _by_year(passed: Sequence[Year], earlier: float) -> list[str]:
    names = [_name(number, year) for number, year in enumerate(passed, 1 + int(earlier))]
    lines = [f"| | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    for row in ROWS:
        values = [f"{row.figure(year):{row.form}}" for year in passed]
        lines.append(f"| {row.title} | {' | '.join(values)} |")
    return lines


def _name(number: int, year: Year) -> str:
    whole = 7 * WEEKS
    return f"year {number}" if year.days == whole else f"year {number}, {year.days} days"


def _goals(passed: Sequence[Year], reached: int) -> list[str]:
    whole = _YEARS * 7 * WEEKS
    written = sum(year.written_gb for year in passed)
    refused = sum(year.refusals + year.bugs + len(year.failed_backups) for year in passed)
    used, said = (passed[-1].used, "") if passed else (0.0, "")
    if reached < whole:
        said = f", extrapolated from {reached:,} of {whole:,} days"
        written *= whole / max(reached, 1)
    title = f"written in five years{said}, GB"
    return [
        "| | measured | goal | reached |",
        "| --- | ---: | ---: | --- |",
        f"| refusals, bugs and failed backups | {refused:,} | 0 | {_yes(refused == 0)} |",
        f"| disk at the end, % | {used:.1f} | < 60 | {_yes(used < _MOST_USED)} |",
        f"| {title} | {written:,.0f} | < 5,000 | {_yes(written < _MOST_WRITTEN_GB)} |",
    ]


def _yes(reached: bool) -> str:
    return "yes" if reached else "no"
