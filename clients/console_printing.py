"""How the commands of the command line print: JSON for programs, tables and lines for people."""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table


def plain(value: BaseModel | Sequence[BaseModel]) -> Any:
    """Make JSON of what the box answered, without what only the wire needs."""
    if not isinstance(value, BaseModel):
        return [plain(each) for each in value]
    return value.model_dump(mode="json", exclude={"v", "type", "request_id"})


def print_json(value: Any) -> None:
    """Print JSON: as a program reads it, readable for a person too."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_line(value: Any) -> None:
    """Print JSON on one line, at once, as a reader of a stream wants it."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def out() -> Console:
    """Give the terminal; where it is none, lines are as long as they are."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200
    return Console(file=sys.stdout, width=width, highlight=False)


def say(text: str) -> None:
    """Tell a person what is going on, beside the output."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(escape(text))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> None:
    """Print a table, or say that there is nothing."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(escape, row))
    if table.row_count:
        out().print(table)
    else:
        say(empty)


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and values, one on a line."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        table.add_row(f"[dim]{escape(name)}[/]", escape(value))
    out().print(table)


def moment(at: datetime | None) -> str:
    """Write a time as the clock on the wall shows it."""
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""
