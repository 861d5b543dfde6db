"""What all commands of the command line share: their options, how they print, how they fail."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clients.admin import AdminClient
from clients.credential import Credential

DONE, FAILED, USAGE, UNAVAILABLE = 0, 1, 2, 3
"""Exit codes: done; refused or failed; used wrongly; no box can be reached or started."""

Data = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="HANDRAIL_DATA",
        help="The box's data folder.",
        show_default="data",
        file_okay=False,
    ),
]
DATA = Path("data")
Unused = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="Taken as by all commands; not needed here."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


class Failure(Exception):  # noqa: N818 - what the user reads, rather than an error of ours
    """A command cannot go on: the message says why and what to do next; `code` is its exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Place:
    """A box that serves: where, and this command's own credential with it."""

    url: str
    credential: Credential = field(repr=False)


@dataclass(frozen=True, slots=True)
class Audit:
    """What a look through the log found."""

    entries: int
    signed: int
    """The newest entry that a signature covers."""
    sessions: int
    purged: int
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """What the program hands to its commands."""

    visit: Callable[[Path], AbstractContextManager[Place]]
    """Gives the box that runs on a data folder, or starts one there while the `with` lasts."""
    running: Callable[[Path], AbstractContextManager[Place]]
    """The same, but raises `Failure` where none runs."""
    command: tuple[str, ...]
    """How to run this program again, in a process of its own."""
    audit: Callable[[Path, str | None], Audit] = field(kw_only=True)
    """Goes through the log of a data folder; with a receipt, if there is one."""
    entries: Callable[[Path, int, str | None], Iterator[Mapping[str, Any]]] = field(kw_only=True)
    """Gives the log's entries after one, of one session or all."""

    def runs(self, data: Path) -> bool:
        """Tell whether a box runs on a data folder."""
        try:
            with self.running(data):
                return True
        except Failure:
            return False

    @contextmanager
    def reach(self, data: Path) -> Iterator[AdminClient]:
        """Connect as facility IT to the box of a data folder."""
        with self.visit(data) as place, AdminClient(place.url, place.credential) as admin:
            yield admin


def bare(url: str) -> str:
    """Give a broker's URL without the user and password in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def program(context: typer.Context) -> Program:
    """Give what the program handed to this command."""
    found: Program = context.find_object(Program) or context.obj
    return found


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
