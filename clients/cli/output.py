"""Output of the commands: JSON for programs, tables and lines for people."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

Line = TypeVar("Line")


def plain(value: BaseModel | Sequence[BaseModel]) -> Any:
    """Return an answer of the box as JSON, without the fields that only the protocol needs."""
    if not isinstance(value, BaseModel):
        return [plain(each) for each in value]
    return value.model_dump(mode="json", exclude={"v", "type", "request_id"})


def print_json(value: Any) -> None:
    """Print indented JSON."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_line(value: Any) -> None:
    """Print JSON on one line, and flush."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def first(found: Iterable[Line], limit: int) -> tuple[list[Line], bool]:
    """Return the first lines of a list, and whether there are more."""
    lines = list(islice(found, limit + 1))
    return lines[:limit], len(lines) > limit


def out() -> Console:
    """Return a console on stdout; lines are not wrapped to 80 columns off a terminal."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200
    return Console(file=sys.stdout, width=width, highlight=False, emoji=False)


def say(text: str) -> None:
    """Print a message to stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True, emoji=False).print(escape(text))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Print a table, or the message `empty` to stderr if there are no rows."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(escape, row))
    if table.row_count:
        out().print(table)
    else:
        say(empty)


def print_rows(widths: Mapping[str, int], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Print a table row by row, as the rows come; longer values are not cut.

    `widths` has the columns by name. Prints the message `empty` to stderr if there are no rows.
    """
    header: Sequence[str] | None = tuple(widths)
    for row in rows:
        for line in filter(None, (header, row)):
            padded = (
                value.ljust(width) for value, width in zip(line, widths.values(), strict=True)
            )
            sys.stdout.write(_printable("  ".join(padded).rstrip()) + "\n")
        header = None
    if header:
        say(empty)


def _printable(line: str) -> str:
    """Replace control characters: the file may have been tampered with."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and values, one pair per line."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(f"[dim]{escape(name)}[/]", escape(value))
    out().print(table)


def moment(at: datetime | None) -> str:
    """Return a time as text in the local time zone, or an empty string if absent."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""


def why_in_words(reason: str | None) -> str:
    """Return why a delivery failed as text for people, or an empty string if it did not."""
    return _REASONS.get(reason or "", reason or "")


_REASONS = {"patient_not_identified": "patient not identified"}
